"""Real architectures from Keras files to ONNX, PyTorch source and back to Keras: error, transposes, weights, cost.

Builds `keras.applications` and the models of `networks` with random weights and statistics in the installed Keras,
saves legacy ``.h5`` files, converts each to each format in a process of its own, and compares the predictions of
onnxruntime (its optimiser off and on), PyTorch and the Keras that loads the ``.keras`` file with those of the model as
it was built. Needs Keras, onnx, onnxruntime and PyTorch for that; the conversion needs none. Prints a Markdown table.
Without arguments: every architecture.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.keras_config import transposing

LARGE = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 75}
OTHERS = 64  # height and width of the input, where an architecture takes it

FORMATS = ("onnx", "py", "keras")
"""The suffixes of what is written, in the order of the table."""


def build(name: str, folder: Path) -> dict[str, Any]:
    """Save a model and its predictions on random images; needs Keras."""
    import keras
    from networks import NETWORKS

    random = np.random.default_rng(zlib.crc32(name.encode()))
    size = LARGE.get(name, OTHERS)
    # logits: random deep networks give large ones, and a softmax of those shows nothing or everything
    options = {"weights": None, "input_shape": (size, size, 3), "classes": 10, "classifier_activation": None}
    model = NETWORKS[name](size) if name in NETWORKS else getattr(keras.applications, name)(**options)
    for weight in model.weights:
        weight.assign(_values(weight.path.rsplit("/", 1)[-1], weight.numpy(), random))
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):  # Normalization keeps a copy of its statistics
            layer.finalize_state()
    images = random.standard_normal((2, size, size, 3)).astype(np.float32)
    predictions = np.asarray(model(images, training=False))  # predict() is compiled, and 5e-6 away in EfficientNetB0
    np.savez(folder / "case.npz", x=images, y=predictions)
    model.save(folder / "model.h5", include_optimizer=False)
    (folder / "weights.json").write_text(json.dumps(_digests(model)))
    return {"parameters": model.count_params()}


def _values(kind: str, now: Any, random: np.random.Generator) -> Any:
    """Values that no default has: scales and variances around 1, everything else around 0."""
    if kind == "gamma":  # below 1, or the deepest architectures turn the last bit of the input into another output
        return random.uniform(0.4, 0.8, now.shape).astype(now.dtype)
    if kind in ("moving_variance", "variance"):
        return random.uniform(0.7, 1.3, now.shape).astype(now.dtype)
    if kind in ("beta", "bias", "moving_mean", "mean"):
        return random.normal(0, 0.1, now.shape).astype(now.dtype)
    return now + random.normal(0, 1e-3, now.shape).astype(now.dtype) if now.dtype.kind == "f" else now


def _digests(model: Any) -> list[str]:
    """The shape and the bytes of each weight of a Keras model, as a digest."""
    arrays = [weight.numpy() for weight in model.weights]
    return [f"{array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}" for array in arrays]


def convert(folder: Path, target: str) -> dict[str, Any]:
    """Convert ``model.h5`` to one format and measure; needs no framework."""
    import irconv
    from irconv.options import WriteOptions

    irconv.convert(folder / "model.h5", folder / f"out.{target}", write_options=WriteOptions(force=True))
    seconds = sum(os.times()[:4])  # this process and those it started, with their imports
    status = Path("/proc/self/status").read_text()
    return {"seconds": seconds, "peak": int(status.split("VmHWM:")[1].split()[0]) / 1024}


def naive(folder: Path) -> int:
    """The transposes that translating layer by layer needs."""
    from irconv.frameworks.keras.read import read
    from irconv.options import ReadOptions

    bundle = read(folder / "model.h5", ReadOptions())
    assert bundle.graph is not None, "the file holds a model"
    return sum(bundle.layers[node.layer].type == "Transpose" for node in bundle.graph.nodes)


def compare(folder: Path, target: str) -> dict[str, Any]:
    """The error of what was written, relative to the largest value, and the transposes in it."""
    case = np.load(folder / "case.npz")
    results, found = {"onnx": _onnx, "py": _torch, "keras": _keras}[target](folder, case["x"])
    error = max(float(np.abs(got - case["y"]).max() / np.abs(case["y"]).max()) for got in results)
    return {"error": error, **found}


def _onnx(folder: Path, images: Any) -> tuple[list[Any], dict[str, Any]]:
    import onnx
    import onnxruntime

    results, file = [], str(folder / "out.onnx")
    for level in ("ORT_DISABLE_ALL", "ORT_ENABLE_ALL"):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        given = {session.get_inputs()[0].name: np.ascontiguousarray(np.moveaxis(images, -1, 1))}
        results += session.run(None, given)
    nodes = onnx.load(file, load_external_data=False).graph.node
    return results, {"left": sum(node.op_type == "Transpose" for node in nodes)}


def _torch(folder: Path, images: Any) -> tuple[list[Any], dict[str, Any]]:
    import torch

    file = folder / "out.py"
    spec = importlib.util.spec_from_file_location("emitted", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with torch.no_grad():
        result = module.load()(torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, 1))))
    left = re.findall(r"\.(?:permute|transpose|movedim|swapaxes|t)\(", file.read_text())
    return [result.numpy()], {"left": len(left)}


def _keras(folder: Path, images: Any) -> tuple[list[Any], dict[str, Any]]:
    import keras

    model = keras.models.load_model(folder / "out.keras", compile=False)
    wanted, got = Counter(json.loads((folder / "weights.json").read_text())), Counter(_digests(model))
    left = transposing(json.loads(zipfile.ZipFile(folder / "out.keras").read("config.json")))
    kept = {"weights": wanted.total(), "exact": (wanted & got).total(), "added": (got - wanted).total()}
    return [np.asarray(model(images, training=False))], {"left": left, **kept}


def names() -> list[str]:
    """Every architecture of the installed Keras, and those of `networks`."""
    import keras
    from networks import NETWORKS

    known = [name for name, value in vars(keras.applications).items() if name[0].isupper() and callable(value)]
    return [*known, *NETWORKS]


def _step(*arguments: str) -> dict[str, Any]:
    """What one step says, run in a process of its own. Raises `RuntimeError` with its last words."""
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, __file__, "--step", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=quiet, check=False)
    if result.returncode:
        raise RuntimeError(result.stderr.strip().splitlines()[-1].replace("|", "/")[-120:])
    found = json.loads(result.stdout.strip().splitlines()[-1])
    assert isinstance(found, dict)
    return found


def measure(name: str, folder: Path) -> str:
    """One row of the table."""
    found: dict[str, dict[str, Any]] = {target: {} for target in FORMATS}
    built: dict[str, Any] = {}
    try:
        built = _step("build", str(folder), name) | _step("naive", str(folder))
        for target in FORMATS:
            found[target] = _step("convert", str(folder), target) | _step("compare", str(folder), target)
        why = ""
    except RuntimeError as error:
        why = str(error)

    def each(key: str, form: str) -> str:
        return " / ".join(format(found[target][key], form) if key in found[target] else "-" for target in FORMATS)

    keras = found["keras"]
    exact = f"{keras['exact']} of {keras['weights']}" if keras else ""
    figures = [f"{built.get('parameters', 0) / 1e6:.1f} M", each("error", ".0e"), str(built.get("naive", ""))]
    figures += [each("left", "d"), exact, each("seconds", ".1f"), each("peak", ".0f"), why]
    return f"| {name} | {' | '.join(figures)} |"


def main() -> None:
    columns = "architecture | parameters | error | transposes, naive | left | weights bit-exact | CPU s | peak MB"
    print(f"| {columns} | failed because |")
    print(f"| {' | '.join(['---'] * 9)} |")
    for name in sys.argv[1:] or names():
        with tempfile.TemporaryDirectory() as scratch:
            print(measure(name, Path(scratch)), flush=True)


def step(kind: str, folder: Path, *rest: str) -> dict[str, Any]:
    """One step of `measure`, by its name."""
    if kind == "build":
        return build(rest[0], folder)
    if kind == "naive":
        return {"naive": naive(folder)}
    return (convert if kind == "convert" else compare)(folder, rest[0])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        print(json.dumps(step(sys.argv[2], Path(sys.argv[3]), *sys.argv[4:])))
    else:
        main()
