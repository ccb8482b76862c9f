"""Real architectures from Keras files to ONNX: transposes before and after the layout pass, error, CPU time, memory.

Builds `keras.applications` with random weights and statistics in the installed Keras (which this script needs, and
onnxruntime), saves legacy ``.h5`` files, converts each in a process of its own and compares onnxruntime's predictions
with Keras', with onnxruntime's optimiser off and on. Prints a Markdown table. Without arguments: every architecture.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np

LARGE = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 75}
OTHERS = 64  # height and width of the input, where an architecture takes it


def build(name: str, folder: Path) -> dict[str, Any]:
    """Save a model and its predictions on random images; needs Keras."""
    import keras

    random = np.random.default_rng(zlib.crc32(name.encode()))
    size = LARGE.get(name, OTHERS)
    # logits: random deep networks give large ones, and a softmax of those shows nothing or everything
    options = {"weights": None, "input_shape": (size, size, 3), "classes": 10, "classifier_activation": None}
    model = getattr(keras.applications, name)(**options)
    for weight in model.weights:
        weight.assign(_values(weight.path.rsplit("/", 1)[-1], weight.numpy(), random))
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):  # Normalization keeps a copy of its statistics
            layer.finalize_state()
    images = random.standard_normal((2, size, size, 3)).astype(np.float32)
    predictions = np.asarray(model(images, training=False))  # predict() is compiled, and 5e-6 away in EfficientNetB0
    np.savez(folder / "case.npz", x=images, y=predictions)
    model.save(folder / "model.h5", include_optimizer=False)
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


def convert(folder: Path) -> dict[str, Any]:
    """Convert ``model.h5`` and measure; needs neither Keras nor onnxruntime."""
    import irconv
    from irconv.frameworks.keras.read import read
    from irconv.options import ReadOptions

    def transposes(bundle: Any) -> int:
        return sum(bundle.layers[node.layer].type == "Transpose" for node in bundle.graph.nodes)

    naive = transposes(read(folder / "model.h5", ReadOptions()))
    start = time.process_time()
    bundle = irconv.read(folder / "model.h5")
    irconv.write(bundle, folder / "model.onnx")
    seconds = time.process_time() - start
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    return {"naive": naive, "left": transposes(bundle), "seconds": seconds, "peak": peak}


def compare(folder: Path) -> dict[str, Any]:
    """The largest error of onnxruntime relative to the largest value, optimiser off and on."""
    import onnxruntime

    case, errors = np.load(folder / "case.npz"), []
    for level in ("ORT_DISABLE_ALL", "ORT_ENABLE_ALL"):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        images = np.ascontiguousarray(np.moveaxis(case["x"], -1, 1))
        (got,) = session.run(None, {session.get_inputs()[0].name: images})
        errors.append(float(np.abs(got - case["y"]).max() / np.abs(case["y"]).max()))
    return {"error": max(errors)}


def names() -> list[str]:
    """Every architecture of the installed Keras."""
    import keras

    return [name for name, value in vars(keras.applications).items() if name[0].isupper() and callable(value)]


def measure(name: str) -> str:
    """One row of the table."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for step in ("build", "convert", "compare"):
            command = [sys.executable, __file__, "--step", step, name, scratch]
            quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
            result = subprocess.run(command, capture_output=True, text=True, env=quiet, check=False)
            if result.returncode:
                reason = result.stderr.strip().splitlines()[-1].replace("|", "/")
                return f"| {name} | {found.get('parameters', 0) / 1e6:.1f} M | | | | | | {reason[-120:]} |"
            found |= json.loads(result.stdout.strip().splitlines()[-1])
    figures = (
        f"{found['naive']} | {found['left']} | {found['error']:.1e} | {found['seconds']:.1f} | {found['peak']:.0f}"
    )
    return f"| {name} | {found['parameters'] / 1e6:.1f} M | {figures} | |"


def main() -> None:
    print("| architecture | parameters | transposes, naive | left | error | CPU s | peak MB | refused because |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in sys.argv[1:] or names():
        print(measure(name), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        step, architecture, where = sys.argv[2:]
        folder = Path(where)
        outcome = (
            {"convert": convert, "compare": compare}[step](folder) if step != "build" else build(architecture, folder)
        )
        print(json.dumps(outcome))
    else:
        main()
