"""Random small networks in two spellings, with the truth of which parameter is which: ONNX, and a PyTorch module."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from irconv.layout import Array

if TYPE_CHECKING:
    from numpy.random import Generator

WORDS = ("amber", "birch", "cedar", "delta", "ember", "fern", "gorse", "hazel", "iris", "jade", "kelp", "lily", "moss",
         "nut", "oak", "pine", "quince", "reed", "sage", "teak", "umber", "vale", "willow", "yarrow", "zinc", "aspen",
         "briar", "clover", "dune", "elm", "flax", "glade", "heath", "ivy", "juniper", "laurel")  # fmt: skip
CHANNELS = 3


@dataclass(frozen=True)
class Op:
    """One op: a layer with parameters where it has a role, else what its kind says."""

    kind: str
    inputs: tuple[int, ...]
    arrays: dict[str, Array]


@dataclass(frozen=True)
class Spec:
    """A network: its ops in order, each known by its number; the image is number -1."""

    ops: tuple[Op, ...]

    @property
    def layers(self) -> list[int]:
        """The ops with parameters."""
        return [number for number, op in enumerate(self.ops) if op.arrays]

    @property
    def equal_layers(self) -> bool:
        """Whether two layers have the same shapes."""
        shapes = [(op.kind, sorted((role, a.shape) for role, a in op.arrays.items())) for op in self.ops if op.arrays]
        return any(shapes.count(shape) > 1 for shape in shapes)


class _Growing:
    def __init__(self, rng: Generator) -> None:
        self.rng, self.ops = rng, list[Op]()

    def op(self, kind: str, *inputs: int, **arrays: Array) -> int:
        self.ops.append(Op(kind, inputs, arrays))
        return len(self.ops) - 1

    def values(self, *shape: int) -> Array:
        return self.rng.standard_normal(shape).astype("f") * np.float32(0.4)

    def conv(self, x: int, given: int, width: int, norm: bool = True) -> int:
        y = self.op("conv", x, weight=self.values(width, given, 3, 3), bias=self.values(width))
        if norm:
            parts = {role: self.values(width) for role in ("weight", "bias", "running_mean")}
            y = self.op("norm", y, **parts, running_var=np.abs(self.values(width)) + np.float32(0.5))
        return self.op("relu", y)


def network(rng: Generator, twins: bool, widths: tuple[int, ...]) -> Spec:
    """A stem, two to four blocks, a head. With `twins` some blocks have two branches of the same shapes."""
    made, width = _Growing(rng), int(rng.choice(widths))
    x = made.conv(-1, CHANNELS, width)
    for _ in range(int(rng.integers(2, 5))):
        kind, other, norm = (
            rng.choice(["plain", "residual", "twins" if twins else "plain"]),
            int(rng.choice(widths)),
            bool(rng.integers(2)),
        )
        if kind == "plain":
            x, width = made.conv(x, width, other, norm), other
        elif kind == "residual":
            y = made.conv(x, width, other, norm)
            x = made.op("add", x, made.conv(y, other, width, norm))
        else:
            branches = [made.conv(x, width, other, norm) for _ in range(2)]
            joined = str(rng.choice(["add", "concat"]))
            x, width = made.op(joined, *branches), other * (2 if joined == "concat" else 1)
    x = made.op("mean", x)
    for out in (width + 1, 4):
        x = made.op("linear", x, weight=made.values(out, width), bias=made.values(out))
        width = out
    return Spec(tuple(made.ops))


def words(spec: Spec, rng: Generator) -> dict[int, str]:
    """Names that say nothing."""
    chosen = rng.permutation(len(WORDS))
    return {layer: WORDS[index] for layer, index in zip(spec.layers, chosen, strict=False)}


def numbered(spec: Spec, together: bool) -> dict[int, str]:
    """Names that count: all layers together, or each kind by itself."""
    counts: dict[str, int] = {}
    found = {}
    for layer in spec.layers:
        kind = "layer" if together else spec.ops[layer].kind
        counts[kind] = counts.get(kind, 0) + 1
        found[layer] = f"{kind}{counts[kind]}"
    return found


def state(spec: Spec, names: dict[int, str]) -> dict[str, Array]:
    """The parameters by the names of a state dict."""
    return {f"{names[layer]}.{role}": a for layer in spec.layers for role, a in spec.ops[layer].arrays.items()}


def onnx_file(spec: Spec, names: dict[int, str], path: Path) -> Path:
    """The network as an ONNX model."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    numbered_ops = enumerate(spec.ops)
    nodes = [node for number, op in numbered_ops for node in _nodes(helper, number, op, names.get(number, ""))]
    tensors = [numpy_helper.from_array(a, name) for name, a in state(spec, names).items()]
    image = helper.make_tensor_value_info("v-1", TensorProto.FLOAT, ["N", CHANNELS, 7, 6])
    result = helper.make_tensor_value_info(f"v{len(spec.ops) - 1}", TensorProto.FLOAT, ["N", 4])
    graph = helper.make_graph(nodes, "net", [image], [result], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


_KINDS = {
    "conv": "Conv",
    "norm": "BatchNormalization",
    "relu": "Relu",
    "add": "Add",
    "concat": "Concat",
    "linear": "Gemm",
}


def _nodes(helper: Any, number: int, op: Op, name: str) -> list[Any]:
    inputs = [f"v{source}" for source in op.inputs] + [f"{name}.{role}" for role in op.arrays]
    if op.kind == "mean":
        pooled = helper.make_node("GlobalAveragePool", inputs, [f"v{number}/pooled"])
        return [pooled, helper.make_node("Flatten", [f"v{number}/pooled"], [f"v{number}"])]
    settings: dict[str, dict[str, Any]] = {
        "conv": {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]},
        "norm": {"epsilon": 1e-5},
        "concat": {"axis": 1},
        "linear": {"transB": 1},
    }
    return [helper.make_node(_KINDS[op.kind], inputs, [f"v{number}"], name=name, **settings.get(op.kind, {}))]


def module(spec: Spec, names: dict[int, str], order: Iterable[int]) -> Any:
    """The network as a module of PyTorch's with values of its own, its layers made in some order."""
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for layer in order:
                weight = spec.ops[layer].arrays["weight"]
                made = {
                    "conv": lambda w=weight: nn.Conv2d(w.shape[1], w.shape[0], 3, padding=1),
                    "norm": lambda w=weight: nn.BatchNorm2d(w.shape[0]),
                    "linear": lambda w=weight: nn.Linear(w.shape[1], w.shape[0]),
                }[spec.ops[layer].kind]()
                self.add_module(names[layer], made)

        def forward(self, x: Any) -> Any:
            values = {-1: x}
            for number, op in enumerate(spec.ops):
                given = [values[source] for source in op.inputs]
                if op.arrays:
                    values[number] = getattr(self, names[number])(*given)
                else:
                    values[number] = _CALLS[op.kind](torch, given)
            return values[len(spec.ops) - 1]

    return Net()


_CALLS = {
    "relu": lambda torch, given: torch.relu(given[0]),
    "add": lambda torch, given: given[0] + given[1],
    "concat": lambda torch, given: torch.cat(given, 1),
    "mean": lambda torch, given: given[0].mean((2, 3)),
}
