"""Networks of PyTorch to TensorFlow's and Keras' files, by irconv and by other tools: what comes of each.

    python -m benchmarks.torch_beside FOLDER [--only REGEX] --tool nobuco=PYTHON --tool onnx2tf=PYTHON ...

Each PYTHON has its tool; that of the tool irconv, which is always needed, what `benchmarks.torch_zoo` needs. Every
conversion, and the check of it, is a process of its own, within 300 seconds and 16 GB. What was found is a line of
``FOLDER/beside.jsonl``, the last of a network and tool counts; what stands there is not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.torch_worker import Worker, limited, serve

NETWORKS = (
    "torchvision resnet18", "torchvision resnet50", "torchvision googlenet", "torchvision shufflenet_v2_x0_5",
    "torchvision mobilenet_v2", "torchvision mobilenet_v3_small", "torchvision efficientnet_b0",
    "torchvision densenet121", "torchvision squeezenet1_1", "torchvision regnet_y_400mf", "torchvision convnext_tiny",
    "torchvision vit", "torchvision swin small", "BiLSTM", "GRU", "UNet", "transformer encoder", "transformers BERT",
    "transformers GPT-2", "transformers ViT",
)  # fmt: skip
_SAMPLE = "calibration_image_sample_data_20x128x128x3_float32.npy"
"""Photographs that onnx2tf fetches from the network to compare values on its way; random ones do."""
_ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}


def _case(place: Path) -> tuple[list[Any], list[Any]]:
    case = np.load(place / "case.npz")
    given, wanted = ([case[f"{side}{i}"] for i in range(sum(key[0] == side for key in case))] for side in "xy")
    return given, wanted


def export(name: str, place: Path) -> dict[str, Any]:
    """The files that the tools take, and what the network gives."""
    from benchmarks.torch_export import exported
    from benchmarks.torch_networks import NETWORKS as EVERY

    return exported(name, EVERY[name], place, ["script exporter", "dynamo exporter"])


def _nobuco(name: str, place: Path) -> Callable[[], Any]:
    """As its own page has it: images with their channels last outside of the model, and inside."""
    from benchmarks.torch_networks import NETWORKS as EVERY
    from benchmarks.torch_networks import torchvision

    torchvision()
    import nobuco

    from benchmarks.torch_export import made

    module, given = made(name, EVERY[name])
    order = nobuco.ChannelOrder.TENSORFLOW if given[0].dim() == 4 else nobuco.ChannelOrder.PYTORCH

    def convert() -> None:
        model = nobuco.pytorch_to_keras(module, args=list(given), kwargs=None, inputs_channel_order=order,
                                        outputs_channel_order=nobuco.ChannelOrder.PYTORCH)  # fmt: skip
        (place / "unsaved.json").write_text(json.dumps(_inside(model, *_case(place))))
        model.save(place / "nobuco.keras")

    return convert


def _onnx2tf(name: str, place: Path) -> Callable[[], Any]:
    import onnx2tf

    source = place / "script.onnx"
    source = source if source.exists() else place / "dynamo.onnx"
    np.save(place / _SAMPLE, np.random.default_rng(0).random((20, 128, 128, 3), np.float32))
    return lambda: onnx2tf.convert(
        input_onnx_file_path=str(source), output_folder_path=str(place / "onnx2tf"), output_signaturedefs=True,
        not_use_onnxsim=False, non_verbose=True, keep_shape_absolutely_input_names=None,
    )  # fmt: skip


_CONVERT = {"nobuco": _nobuco, "onnx2tf": _onnx2tf}


def convert(tool: str, name: str, place: Path) -> dict[str, Any]:
    """What a conversion costs, without the imports before it."""
    ready = _CONVERT[tool](name, place)
    before = _seconds()
    ready()
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {"cpu": round(_seconds() - before, 2), "peak": round(peak / 2**10)}


def _seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def check(tool: str, place: Path) -> dict[str, Any]:
    """What the file of a tool gives in TensorFlow, its transposes, and how many of its weights can be trained."""
    given, wanted = _case(place)
    if tool == "onnx2tf":
        import tensorflow as tf

        model: Any = tf.saved_model.load(str(place / "onnx2tf"))
        signature = model.signatures["serving_default"]
        names = list(signature.structured_input_signature[1])
        ordered = sorted(names, key=lambda name: [int(n) for n in re.findall(r"\d+", name)])
        fed = {name: tf.constant(_last(array, signature.structured_input_signature[1][name].shape))
               for name, array in zip(ordered, given, strict=True)}  # fmt: skip
        results = [value.numpy() for value in signature(**fed).values()]
        return {
            "error": _best(results, wanted),
            "left": _turns(signature.graph),
            "trainable": len(model.trainable_variables),
        }
    import keras

    model = keras.models.load_model(place / f"{tool}.keras", compile=False)
    return _inside(model, given, wanted)


def _inside(model: Any, given: list[Any], wanted: list[Any]) -> dict[str, Any]:
    """The same of a Keras model in memory."""
    import tensorflow as tf

    fed = [tf.constant(_last(array, port.shape)) for array, port in zip(given, model.inputs, strict=True)]
    called = tf.function(lambda *x: model(list(x) if len(x) > 1 else x[0], training=False))
    graph = called.get_concrete_function(*fed).graph
    results = [np.asarray(value) for value in tf.nest.flatten(called(*fed))]
    return {"error": _best(results, wanted), "left": _turns(graph), "trainable": len(model.trainable_weights)}


def _last(array: Any, shape: Any) -> Any:
    """Channels last, where a model has them so."""
    sizes = [int(size) for size in list(shape)[1:] if size is not None]
    if array.ndim > 2 and sizes != list(array.shape[1:]) and sizes == [*array.shape[2:], array.shape[1]]:
        return np.ascontiguousarray(np.moveaxis(array, 1, -1))
    return array


def _best(results: list[Any], wanted: list[Any]) -> float:
    """The error of each output in the axes that fit it best, and the largest of them."""
    worst = 0.0
    for want in wanted:
        turned = [want, np.moveaxis(want, 1, -1)] if want.ndim > 2 else [want]
        pairs = [(got, way) for got in results for way in turned if got.shape == way.shape]
        if not pairs:
            raise ValueError(f"gave {[got.shape for got in results]}, wanted {want.shape}")
        off = [np.abs(got.astype(np.float64) - way).max() / (np.abs(want).max() or 1) for got, way in pairs]
        worst = max(worst, float(np.nan_to_num(min(off), nan=np.inf)))
    return worst


def _turns(graph: Any) -> int:
    """The transposes of a graph and of the functions that it calls."""
    definition = graph.as_graph_def()
    bodies = [definition.node, *(function.node_def for function in definition.library.function)]
    return sum(node.op == "Transpose" for body in bodies for node in body)


def _run(worker: Worker, place: Path, *job: str) -> dict[str, Any]:
    """One job in a process of a tool's."""
    said = place / "said.json"
    said.unlink(missing_ok=True)
    code = worker.do(str(place), *job)
    if not said.exists():
        return {"failed": f"ended with code {code}"}
    found = json.loads(said.read_text())
    assert isinstance(found, dict)
    return found


def measured(worker: Worker, tool: str, name: str, place: Path) -> dict[str, Any]:
    """What comes of a network with a tool."""
    unsaved = place / "unsaved.json"
    unsaved.unlink(missing_ok=True)
    if tool == "irconv":
        from benchmarks.torch_convert import measured as converted

        said = converted(place / "model.pt2", place / "irconv.keras")
        found = {key: said[key] for key in ("cpu", "peak", "failed", "refused") if key in said}
    else:
        found = _run(worker, place, "convert", tool, name)
    inside = json.loads(unsaved.read_text()) if unsaved.exists() else None
    if {"failed", "refused"} & found.keys() and inside is None:
        return found
    checked = _run(worker, place, "check", tool) if "failed" not in found else found
    if "failed" in checked and inside is not None:
        return {**found, **inside, "unloaded": checked["failed"]}
    return {**found, **checked}


def _do(place: str, what: str, *rest: str) -> None:
    folder = Path(place)
    os.chdir(folder)
    jobs = {"export": export, "convert": convert, "check": check}
    limited(folder / "said.json", lambda: jobs[what](*rest, folder))


def _load(tool: str) -> None:
    """What a tool needs, but for onnx2tf, which does not work in a process forked after that."""
    if tool != "onnx2tf":
        from benchmarks import torch_networks

        torch_networks.timm()
        import keras  # noqa: F401
        import tensorflow  # noqa: F401
        import transformers  # noqa: F401
    if tool == "nobuco":
        import nobuco  # noqa: F401


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--tool", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(partial(_load, options.serve), _do)
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    kept = options.folder / "beside.jsonl"
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    done = {(row["network"], row["tool"]) for row in rows}
    os.environ.update(_ALONE)
    pythons = dict(tool.split("=") for tool in options.tool)
    workers = {tool: Worker(python, "benchmarks.torch_beside", str(options.folder), "--serve", tool)
               for tool, python in pythons.items()}  # fmt: skip
    for name in [name for name in NETWORKS if re.search(options.only, name)]:
        place = (options.folder / ("beside-" + re.sub(r"\W+", "-", name))).absolute()
        for tool in [tool for tool in (*_CONVERT, "irconv") if tool in workers and (name, tool) not in done]:
            since = time.time()
            place.mkdir(parents=True, exist_ok=True)
            if not (place / "model.pt2").exists():
                _run(workers["irconv"], place, "export", name)
            found = measured(workers[tool], tool, name, place)
            with kept.open("a") as out:
                out.write(json.dumps({"network": name, "tool": tool, **found}) + "\n")
            shown = {key: value for key, value in found.items() if key != "trace"}
            print(name, tool, shown, f"[{time.time() - since:.0f} s]", flush=True)
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
