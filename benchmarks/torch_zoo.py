"""Networks of torchvision, timm and transformers, from PyTorch's files to ONNX, PyTorch source, Keras and TensorFlow.

    python -m benchmarks.torch_zoo FOLDER [--only REGEX] [--targets onnx,py,keras,pb] [--returns] [--page docs/zoo.md]

Builds each network of `torch_networks` with random weights and statistics, exports and traces it (kept in FOLDER for
the next run), converts both files, and compares what onnxruntime, PyTorch, Keras and TensorFlow compute of what was
written with what the module gave. What was found stands in ``FOLDER/found.json``, of which ``--page`` makes the table.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import signal
import time
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import torch_returns
from benchmarks.keras_config import transposing
from benchmarks.torch_page import TARGETS, outcome, page

ENTRIES = {"pt2": "model.pt2", "script": "model.pt"}
SECONDS = 300


def randomised(module: Any) -> None:
    """Values that no default has: scales and variances around 1, what was constant around 0, the rest as it was."""
    import torch
    from torch import nn

    norms = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, norms) and part.weight is not None:
                part.weight.uniform_(0.5, 1.0)
            for name, value in part.named_parameters(recurse=False):
                if isinstance(part, norms) and name == "weight":
                    continue
                if value.dim() < 2 and value.numel() > 1 and name in ("weight", "gamma", "gain", "alpha"):
                    value.uniform_(0.5, 1.0)
                elif value.numel() and bool((value == value.reshape(-1)[0]).all()):
                    value.add_(torch.randn_like(value) * 0.1)
            for name, value in part.named_buffers(recurse=False):
                if name == "running_mean":
                    value.normal_(0, 0.1)
                elif name == "running_var":
                    value.uniform_(0.7, 1.3)


def prepare(name: str, folder: Path) -> None:
    """The network as it enters, and what it gives; needs PyTorch."""
    import torch

    from benchmarks.torch_networks import NETWORKS

    torch.set_num_threads(1)
    torch.manual_seed(zlib.crc32(name.encode()))
    module, given = NETWORKS[name]()
    randomised(module)
    module.eval()
    with torch.no_grad():
        wanted = flat(module(*given))
    if not all(bool(torch.isfinite(value).all()) for value in wanted if value.is_floating_point()):
        raise ValueError("its outputs are not finite")
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {f"x{i}": value.numpy() for i, value in enumerate(given)}
    arrays |= {f"y{i}": value.numpy() for i, value in enumerate(wanted)}
    np.savez(folder / "case.npz", **arrays)
    exported = torch.export.export(module, given)
    exported.example_inputs = None
    torch.export.save(exported, folder / "model.pt2")
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.jit.trace(module, given, strict=False, check_trace=False).save(str(folder / "model.pt"))
    except Exception as error:  # noqa: BLE001, what does not trace has no such file
        (folder / "model.pt").unlink(missing_ok=True)
        (folder / "model.pt.failed").write_text(str(error)[:500])
    (folder / "count").write_text(str(sum(value.numel() for value in module.parameters())))


def flat(found: Any) -> list[Any]:
    """The tensors of a result, in order."""
    import torch

    if isinstance(found, torch.Tensor):
        return [found]
    if found is None:
        return []
    parts = found.values() if hasattr(found, "values") else found
    return [tensor for part in parts for tensor in flat(part)]


def convert(folder: Path, entry: str, targets: tuple[str, ...]) -> dict[str, Any]:
    """What became of one file in each format."""
    import irconv
    from irconv.errors import IrconvError
    from irconv.options import WriteOptions

    case = np.load(folder / "case.npz")
    given = [case[f"x{i}"] for i in range(sum(key[0] == "x" for key in case))]
    wanted = [case[f"y{i}"] for i in range(sum(key[0] == "y" for key in case))]
    start = time.process_time()
    try:
        bundle = irconv.read(folder / ENTRIES[entry])
    except IrconvError as error:
        return {"refused": [str(problem) for problem in error.problems]}
    found: dict[str, Any] = {"read": time.process_time() - start, "types": _types(bundle)}
    for target in targets:
        start = time.process_time()
        try:
            with limited():
                stored = WriteOptions(force=True, merge=target == "keras")
                written = irconv.write(bundle, folder / f"out.{target}", stored)
                seconds = time.process_time() - start
                names = [port.name for port in written.outputs]
                results, left = RUNS[target](folder / f"out.{target}", native(given, written.inputs), names)
            results = source(results, written.outputs)
            found[target] = {"error": error_of(results, wanted), "left": left, "seconds": seconds}
        except IrconvError as error:
            found[target] = {"refused": [str(problem) for problem in error.problems]}
        except Exception as error:  # noqa: BLE001, what fails is a row of the table
            trace = traceback.format_exc().strip().splitlines()
            found[target] = {"failed": f"{type(error).__name__}: {str(error)[:400]}", "trace": trace[-12:]}
    return found


def _types(bundle: Any) -> dict[str, int]:
    return dict(Counter(bundle.layers[node.layer].type for node in bundle.graph.nodes))


@contextmanager
def limited(seconds: int = SECONDS) -> Iterator[None]:
    def late(*_: Any) -> None:
        raise TimeoutError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def native(arrays: list[Any], ports: Any) -> list[Any]:
    """Arrays in the axes that the written model takes."""
    return [_turned(a, p.source_axes, p.axes) for a, p in zip(arrays, ports, strict=True)]


def source(arrays: list[Any], ports: Any) -> list[Any]:
    """Arrays in the axes that the module gives."""
    return [_turned(a, p.axes, p.source_axes) for a, p in zip(arrays, ports, strict=True)]


def _turned(array: Any, here: str, there: str) -> Any:
    return np.ascontiguousarray(array.transpose([here.index(axis) for axis in there])) if here != there else array


def error_of(results: list[Any], wanted: list[Any]) -> float:
    """The largest difference over the largest value wanted; infinite where shapes differ."""
    worst = 0.0
    for got, want in zip(results, wanted, strict=True):
        if got.shape != want.shape:
            raise ValueError(f"gave the shape {got.shape}, wanted {want.shape}")
        if not want.size:
            continue
        off = np.abs(got.astype(np.float64) - want.astype(np.float64))
        worst = max(worst, float(off.max() / (np.abs(want).max() or 1))) if np.isfinite(off).all() else float("inf")
    return worst


def _onnx(file: Path, given: list[Any], _: list[str]) -> tuple[list[Any], int]:
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    results = session.run(None, {port.name: array for port, array in zip(session.get_inputs(), given, strict=True)})
    nodes = onnx.load(str(file), load_external_data=False).graph.node
    return results, sum(node.op_type == "Transpose" for node in nodes)


def _torch(file: Path, given: list[Any], _: list[str]) -> tuple[list[Any], int]:
    import torch

    spec = importlib.util.spec_from_file_location("emitted", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with torch.no_grad():
        result = module.load()(*[torch.from_numpy(array) for array in given])
    left = re.findall(r"\.(?:permute|transpose|movedim|swapaxes|t|mT)\b", file.read_text())
    return [value.numpy() for value in flat(result)], len(left)


def _keras(file: Path, given: list[Any], _: list[str]) -> tuple[list[Any], int]:
    import keras

    model = keras.models.load_model(file, compile=False)
    results = model(given if len(given) > 1 else given[0], training=False)
    listed = list(results) if isinstance(results, list | tuple) else [results]
    import zipfile

    left = transposing(json.loads(zipfile.ZipFile(file).read("config.json")))
    keras.backend.clear_session()
    return [np.asarray(value) for value in listed], left


def _tensorflow(file: Path, given: list[Any], outputs: list[str]) -> tuple[list[Any], int]:
    import tensorflow as tf

    graph_def = tf.compat.v1.GraphDef.FromString(file.read_bytes())
    inputs = [node.name for node in graph_def.node if node.op == "Placeholder"]
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        options = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
        with tf.compat.v1.Session(graph=graph, config=options) as session:
            feeds = {f"{name}:0": array for name, array in zip(inputs, given, strict=True)}
            results = session.run([f"{name}:0" for name in outputs], feeds)
    return results, sum(node.op == "Transpose" for node in graph_def.node)


RUNS = {"onnx": _onnx, "py": _torch, "keras": _keras, "pb": _tensorflow}


def measure(name: str, folder: Path, entries: tuple[str, ...], targets: tuple[str, ...]) -> dict[str, Any]:
    """All that is found of one network."""
    found: dict[str, Any] = {}
    if not (folder / "count").exists():
        if (folder / "failed").exists():
            return {"unbuilt": (folder / "failed").read_text()}
        try:
            with limited():
                prepare(name, folder)
        except Exception as error:  # noqa: BLE001, what fails is a row of the table
            folder.mkdir(parents=True, exist_ok=True)
            what = f"{type(error).__name__}: {str(error)[:600]}"
            (folder / "failed").write_text(what)
            return {"unbuilt": what}
    found["parameters"] = int((folder / "count").read_text())
    for entry in entries:
        if (folder / ENTRIES[entry]).exists():
            try:
                with limited(2 * SECONDS):
                    found[entry] = convert(folder, entry, targets if entry == "pt2" else targets[:1])
            except Exception as error:  # noqa: BLE001, what fails is a row of the table
                trace = traceback.format_exc().strip().splitlines()
                found[entry] = {"failed": f"{type(error).__name__}: {str(error)[:400]}", "trace": trace[-12:]}
    return found


def said(found: dict[str, Any]) -> str:
    """One line."""
    if "unbuilt" in found:
        return f"unbuilt: {found['unbuilt'][:200]}"
    parts = []
    for entry in ENTRIES:
        if entry not in found:
            continue
        if "refused" in found[entry] or "failed" in found[entry]:
            parts.append(f"{entry} {outcome(found[entry])}")
            continue
        for target in TARGETS:
            if target in found[entry]:
                one = found[entry][target]
                shown = f"{one['error']:.0e}({one['left']})" if "error" in one else ""
                parts.append(f"{entry}>{target} {outcome(one)} {shown}")
    return "; ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--targets", default=",".join(TARGETS))
    parser.add_argument("--entries", default=",".join(ENTRIES))
    parser.add_argument("--again", default="", help="only networks of which this was found, such as wrong")
    parser.add_argument("--returns", action="store_true", help="and state dicts after a way through ONNX and Keras")
    parser.add_argument("--page", type=Path, help="where to write the table of all that was found")
    options = parser.parse_args()
    place = options.folder / "found.json"
    for name in _chosen(options, _known(place)):
        start = time.time()
        folder = options.folder / re.sub(r"\W+", "-", name)
        found = measure(name, folder, tuple(options.entries.split(",")), tuple(options.targets.split(",")))
        if options.returns and "unbuilt" not in found:
            found["returns"] = {by: torch_returns.row(folder / "model.pt2", by) for by in ("onnx", "keras")}
        known = _known(place)
        known[name] = _merged(known.get(name, {}), found)
        options.folder.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(known, indent=1))
        print(f"{name}: {said(found)} [{time.time() - start:.0f} s]", flush=True)
    if options.page:
        options.page.write_text(page(_known(place)), encoding="utf-8")


def _known(place: Path) -> dict[str, Any]:
    found = json.loads(place.read_text()) if place.exists() else {}
    assert isinstance(found, dict)
    return found


def _chosen(options: argparse.Namespace, known: dict[str, Any]) -> list[str]:
    from benchmarks.torch_networks import NETWORKS

    named = [name for name in NETWORKS if re.search(options.only, name)]
    return [n for n in named if not options.again or re.search(options.again, json.dumps(known.get(n, {"new": 1})))]


def _merged(before: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """What was found now, and of what was not looked at what was found before."""
    merged = {} if "unbuilt" in before else dict(before)
    for key, value in found.items():
        both = isinstance(value, dict) and not {"refused", "failed"} & {*value, *_keys(merged.get(key))}
        merged[key] = {**merged.get(key, {}), **value} if both else value
    return merged


def _keys(value: Any) -> list[str]:
    return list(value) if isinstance(value, dict) else []


if __name__ == "__main__":
    main()
