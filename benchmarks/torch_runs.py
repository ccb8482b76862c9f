"""Files that were written of a network, each in its own framework: how far they are from what the network gave.

A folder has a network as `benchmarks.torch_export` leaves it; a way such as ``pt2>keras`` is a file in it with what
`benchmarks.torch_convert` says of it, ``same`` is what `benchmarks.torch_ways` finds, ``back:keras`` is what
`benchmarks.torch_returns` does.
"""

from __future__ import annotations

import importlib.util
import json
import re
import traceback
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import irconv
from benchmarks import torch_ways
from benchmarks.keras_config import transposing
from benchmarks.onnx_ways import statements
from benchmarks.torch_export import flat
from benchmarks.torch_returns import state
from irconv.errors import IrconvError
from irconv.options import WriteOptions

Ports = list[tuple[str, str, str]]


def file_of(way: str) -> str:
    """The name of what is written in a way, such as ``out_pt2.keras``."""
    entry, target = way.split(">")
    return f"out_{entry.replace(' ', '_')}.{target}"


def turned(arrays: list[Any], ports: Ports, native: bool) -> list[Any]:
    """Arrays in the axes that the written model has, or in those of the module."""
    pairs = [(source, axes) if native else (axes, source) for _, source, axes in ports]
    return [_turned(array, *pair) for array, pair in zip(arrays, pairs, strict=True)]


def _turned(array: Any, here: str, there: str) -> Any:
    return np.ascontiguousarray(array.transpose([here.index(axis) for axis in there])) if here != there else array


def error_of(results: list[Any], wanted: list[Any]) -> float:
    """The largest difference over the largest value wanted; infinite where one is not finite."""
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


def emitted(file: Path) -> Any:
    """The module of a file of source."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load()


def _torch(file: Path, given: list[Any], _: list[str]) -> tuple[list[Any], int]:
    import torch

    with torch.no_grad():
        result = emitted(file)(*[torch.from_numpy(array) for array in given])
    left = re.findall(r"\.(?:permute|transpose|movedim|swapaxes|t|mT)\b", file.read_text())
    return [value.numpy() for value in flat(result)], len(left)


def _keras(file: Path, given: list[Any], _: list[str]) -> tuple[list[Any], int]:
    import keras

    model = keras.models.load_model(file, compile=False)
    results = model(given if len(given) > 1 else given[0], training=False)
    listed = list(results) if isinstance(results, list | tuple) else [results]
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


def run(folder: Path, way: str) -> dict[str, Any]:
    """The error and the transposes of one file; of source its statements, its state dict and its gradients, too."""
    case = np.load(folder / "case.npz")
    given, wanted = ([case[f"{side}{i}"] for i in range(sum(key[0] == side for key in case))] for side in "xy")
    file = folder / file_of(way)
    known = json.loads(file.with_name(file.name + ".json").read_text())
    names = [name for name, _, _ in known["outputs"]]
    results, left = RUNS[file.suffix[1:]](file, turned(given, known["inputs"], True), names)
    error = error_of(turned(results, known["outputs"], False), wanted)
    found: dict[str, Any] = {"error": error, "left": left}
    if way == "pt2>py":
        program, module = _program(folder), emitted(file)
        found |= {"statements": statements(file), "state": state(program, module)}
        found["gradients"] = gradients(program.module(), module, given)
    return found


@cache
def _program(folder: Path) -> Any:
    """The program of a folder, which takes seconds to load."""
    import torch

    return torch.export.load(folder / "model.pt2")


def gradients(source: Any, module: Any, given: list[Any]) -> dict[str, Any]:
    """How far those of one step are from the source's at most, over the largest of the same tensor, and of how many."""
    wanted, found = _step(source, given), _step(module, given)
    both = [key for key in wanted if key in found]
    off = [float((wanted[k] - found[k]).abs().max()) / max(float(wanted[k].abs().max()), 1e-3) for k in both]
    return {"error": max(off, default=0.0), "tensors": len(both), "missing": sorted(wanted.keys() - found.keys())}


def _step(module: Any, given: list[Any]) -> dict[str, Any]:
    import torch

    torch.manual_seed(5)
    with _contiguous_gradients():
        given = [torch.from_numpy(array) for array in given]
        results = [value for value in flat(module(*given)) if value.requires_grad]
    losses = [(value * torch.randn(value.shape)).sum() / value.numel() + value.square().mean() for value in results]
    torch.stack(losses).sum().backward()
    return {name: value.grad for name, value in module.named_parameters() if value.grad is not None}


def _contiguous_gradients() -> Any:
    """A mode in which gradients reach what BatchNorm gives in the order of memory that it has.

    PyTorch 2.13 on a CPU computes wrong gradients of BatchNorm for a batch of one where they come as from a transpose:
    those of ``F.batch_norm(x, zeros(16), ones(16), weight, bias).flatten(2).mT @ y`` for x (1, 16, 4, 4) are not those
    of finite differences, in float64, and they are for x (2, 16, 4, 4).
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class Mode(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            if func in (torch.batch_norm, torch.ops.aten.batch_norm.default) and result.requires_grad:
                result.register_hook(lambda gradient: gradient.contiguous())
            return result

    return Mode()


def checked(folder: Path, way: str) -> dict[str, Any]:
    """What is found in one way. Raises `IrconvError` where what comes back is refused."""
    if way == "same":
        return torch_ways.measured(folder)
    target = way.removeprefix("back:")
    if target == way:
        return run(folder, way)
    back = folder / f"back_{target}.py"
    irconv.write(irconv.read(folder / file_of(f"pt2>{target}")), back, WriteOptions(force=True))
    return state(_program(folder), emitted(back))


def check(folder: Path, ways: list[str]) -> None:
    """Add a line of JSON of each way to ``lines.jsonl``."""
    for way in ways:
        try:
            one = checked(folder, way)
        except IrconvError as error:
            one = {"refused": [str(problem) for problem in error.problems]}
        except Exception as error:  # noqa: BLE001, what fails is a cell of the table
            trace = traceback.format_exc().strip().splitlines()
            one = {"failed": f"{type(error).__name__}: {str(error)[:400]}", "trace": trace[-8:]}
        with (folder / "lines.jsonl").open("a") as out:
            out.write(json.dumps({"way": way, **one}) + "\n")
