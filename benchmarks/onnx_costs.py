"""What reading ONNX costs: ResNet50 to PyTorch source beside onnx2torch, and a model of 3 GiB in a file of its own.

Part of `benchmarks.onnx_ways` (``--part costs``, with ``--onnx2torch PYTHON`` the interpreter that has onnx2torch).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.processes import Run, Runs, measured

_TIMES = 5
_LAYERS, _UNITS = 12, 8192
_OTHER = """
import sys, onnx, torch
torch.set_num_threads(1)
library = torch.library.Library("torchvision", "FRAGMENT")
for name in ("nms", "qnms"):  # which torchvision looks for where it was built for another PyTorch
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import onnx2torch
module = onnx2torch.convert(onnx.load(sys.argv[1]))
torch.save(module.state_dict(), sys.argv[2])
"""


def large(folder: Path) -> Path:
    """Twelve matrices of 8192 x 8192 in float32, 3 GiB of external data; made once."""
    from onnx import TensorProto, helper, save

    path, beside = folder / "large.onnx", folder / "large.bin"
    if path.exists():
        return path
    size, numbers = 4 * _UNITS * _UNITS, np.random.default_rng(7)
    nodes, weights = [], []
    with beside.open("wb") as file:
        for i in range(_LAYERS):
            for _ in range(8):
                file.write(numbers.standard_normal(size // 32, np.float32).tobytes())
            weight = TensorProto(name=f"w{i}", data_type=1, dims=[_UNITS, _UNITS], data_location=1)
            for key, value in (("location", beside.name), ("offset", i * size), ("length", size)):
                weight.external_data.add(key=key, value=str(value))
            weights.append(weight)
            nodes.append(helper.make_node("Gemm", [f"x{i}", f"w{i}"], [f"x{i + 1}"], transB=1))
    ends = [helper.make_tensor_value_info(f"x{i}", 1, ["N", _UNITS]) for i in (0, _LAYERS)]
    graph = helper.make_graph(nodes, "large", [ends[0]], [ends[1]], weights)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def commands(folder: Path, other: str) -> Iterator[tuple[str, list[str]]]:
    """What is measured, with how it is run."""
    own = [sys.executable, "-m", "irconv", "convert"]
    resnet, model = str(folder / "ResNet50.script.onnx"), str(large(folder))
    yield "ResNet50 (98 MB) to `m.py`", [*own, resnet, str(folder / "cost.py"), "--force"]
    if other:
        yield "the same by onnx2torch to a saved state dict", [other, "-c", _OTHER, resnet, str(folder / "cost.pt")]
    for target in ("py", "safetensors", "onnx"):
        yield f"3.0 GiB of external data to `.{target}`", [*own, model, str(folder / f"cost3.{target}"), "--force"]


def cost(folder: Path, command: list[str]) -> dict[str, Any]:
    """The least of five runs: processor seconds and largest resident memory of the whole command."""
    runs: list[Run] = []
    for _ in range(_TIMES):
        for left in folder.glob("cost*"):
            left.unlink()
        runs.append(measured(command))
    for left in folder.glob("cost*"):
        left.unlink()
    each = Runs(tuple(runs))
    return {kind: each.least(kind) for kind in ("cpu", "wall", "peak")}
