"""Sums, joins, padding, reductions and shapes against NumPy, torch, Keras and TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from irconv.ir.layers.base import Layer
from irconv.ir.layers.reductions import StandardDeviation, Variance
from irconv.ir.layers.tensor_ops import (
    Add,
    Concat,
    Constant,
    Flatten,
    Identity,
    Mul,
    Pad,
    Reduce,
    Reshape,
    SamePad,
    Transpose,
)
from irconv.ir.shapes import Shape
from tests.layers.harness import Case, arrays

X = arrays(11, x=(3, 5, 7, 4))["x"]
SHAPE: Shape = ("N", 5, "H", "W")


def torch_case(name: str, layer: Layer, against: str, function: Callable[..., Any], **inputs: np.ndarray) -> Case:
    """A case of torch; `function` gets torch and the inputs in their order. A single input has symbols for sizes."""

    def run() -> dict[str, np.ndarray]:
        import torch

        return {"y": function(torch, *(torch.from_numpy(x) for x in inputs.values())).numpy()}

    shape = SHAPE if len(inputs) == 1 else ("N", 5, 7, 4)
    shapes = {slot: (shape[0], x.shape[1], *shape[2:]) for slot, x in inputs.items() if x.shape[2:] == X.shape[2:]}
    return Case(name, layer, inputs, run, against, shapes=shapes)


def _keras(name: str, layer: Layer, against: str, function: Callable[[Any], Any]) -> Case:
    def run() -> dict[str, np.ndarray]:
        import keras

        return {"y": np.asarray(function(keras))}

    return Case(name, layer, {"x": X}, run, against, shapes={"x": SHAPE})


def _pad(name: str, mode: str, theirs: str, pads: tuple[tuple[int, int], ...], value: float | None = None) -> Case:
    def run() -> dict[str, np.ndarray]:
        import torch

        flat = [n for pair in reversed(pads[2:]) for n in pair]
        extra = {} if value is None else {"value": value}
        return {"y": torch.nn.functional.pad(torch.from_numpy(X), flat, theirs, **extra).numpy()}

    layer = Pad(pads=pads, mode=mode, value=value)
    return Case(name, layer, {"x": X}, run, f"torch.nn.functional.pad {theirs}", shapes={"x": SHAPE})


def _symmetric() -> dict[str, np.ndarray]:
    import tensorflow as tf

    return {"y": tf.pad(X, ((0, 0), (1, 0), (3, 2), (0, 4)), "SYMMETRIC").numpy()}


def _same(size: int, kernel: int, stride: int, dilation: int, wanted: tuple[int, int]) -> Case:
    """`wanted`: before and after, by the rule that `irconv.ir.layers.window` quotes, worked out by hand."""
    x = arrays(12, x=(2, 3, size, 9))["x"]
    layer = SamePad(kernel=(kernel, 2), stride=(stride, 1), dilation=(dilation, 2), value=0.5)
    return Case(
        f"pads {size} elements for windows of {kernel} with stride {stride} and dilation {dilation}",
        layer,
        {"x": x},
        lambda: {"y": np.pad(x, ((0, 0), (0, 0), wanted, (1, 1)), constant_values=0.5)},
        "numpy.pad by TensorFlow's rule",
        shapes={"x": ("N", 3, "H", "W")},
    )


def _reduce(op: str, function: Callable[..., Any], keepdims: bool, axes: tuple[int, ...] = (1, 3)) -> Case:
    x = X > 0.8 if op in ("any", "all") else np.abs(X) if op == "log_sum" else X
    name = f"{op} over axes {axes}, {'kept' if keepdims else 'gone'}"
    against = f"torch, {op}"
    return torch_case(name, Reduce(op=op, axes=axes, keepdims=keepdims), against, function, x=x)


A, B, C = arrays(13, a=(3, 5, 7, 4), b=(7, 1), c=(1, 5, 1, 1)).values()

CASES = [
    torch_case("is the value", Identity(), "torch", lambda torch, x: x.clone(), x=X),
    Case(
        "is there from the start",
        Constant(),
        {},
        lambda: {"y": X},
        "the operand itself",
        operands={"value": X},
    ),
    torch_case("broadcasts", Add(), "torch.add", lambda t, a, b: t.add(a, b), x0=A, x1=B),
    torch_case("adds up three", Add(), "torch.add", lambda t, a, b, c: a + b + c, x0=A, x1=B, x2=C),
    torch_case("broadcasts", Mul(), "torch.mul", lambda t, a, b: t.mul(a, b), x0=A, x1=B),
    torch_case("multiplies three", Mul(), "torch.mul", lambda t, a, b, c: a * b * c, x0=A, x1=B, x2=C),
    torch_case("joins", Concat(axis=1), "torch.cat", lambda t, a, b: t.cat([a, b], 1), x0=A, x1=A[:, :2].copy()),
    torch_case("merges all but batch", Flatten(start_axis=1), "torch.flatten", lambda t, x: t.flatten(x, 1), x=X),
    torch_case("merges from axis 2 on", Flatten(start_axis=2), "torch.flatten", lambda t, x: t.flatten(x, 2), x=X),
    torch_case("merges everything", Flatten(start_axis=0), "torch.flatten", lambda t, x: t.flatten(x), x=X),
    torch_case(
        "copies two sizes and finds one",
        Reshape(shape=("N", 5, "H*W")),
        "torch.reshape",
        lambda t, x: t.reshape(x, (3, 5, 28)),
        x=X,
    ),
    torch_case(
        "computes two sizes that have moved",
        Reshape(shape=("H", "N*W", 5)),
        "torch.reshape",
        lambda t, x: t.reshape(x, (7, 12, 5)),
        x=X,
    ),
    torch_case(
        "computes quotients of sizes",
        Reshape(shape=("N", 5, "H", "W//2", 2)),
        "torch.reshape",
        lambda t, x: t.reshape(x, (3, 5, 7, 2, 2)),
        x=X,
    ),
    torch_case(
        "turns the axes",
        Transpose(permutation=(2, 0, 3, 1)),
        "torch.permute",
        lambda t, x: x.permute(2, 0, 3, 1).contiguous(),
        x=X,
    ),
    _pad("puts a constant", "constant", "constant", ((0, 0), (0, 0), (2, 1), (0, 3)), 1.5),
    _pad("cuts off where negative", "constant", "constant", ((0, 0), (0, 0), (-2, 1), (0, -3)), 1.5),
    _pad("mirrors around the last element", "reflect", "reflect", ((0, 0), (0, 0), (2, 6), (3, 0))),
    _pad("repeats the last element", "edge", "replicate", ((0, 0), (0, 0), (2, 9), (3, 0))),
    _pad("goes around", "wrap", "circular", ((0, 0), (0, 0), (2, 7), (3, 0))),
    Case(
        "mirrors with the last element",
        Pad(pads=((0, 0), (1, 0), (3, 2), (0, 4)), mode="symmetric", value=None),
        {"x": X},
        _symmetric,
        "tf.pad SYMMETRIC",
        shapes={"x": SHAPE},
    ),
    _same(8, 3, 2, 1, (0, 1)),
    _same(7, 3, 2, 1, (1, 1)),
    _same(7, 1, 2, 1, (0, 0)),
    _same(10, 3, 3, 2, (2, 2)),
    _reduce("mean", lambda t, x: x.mean((1, 3), True), True),
    _reduce("sum", lambda t, x: x.sum((1, 3)), False),
    _reduce("max", lambda t, x: x.amax((1, 3)), False),
    _reduce("min", lambda t, x: x.amin((1, 3), True), True),
    _reduce("prod", lambda t, x: x.prod(3).prod(1), False),
    _reduce("l1", lambda t, x: x.norm(1, (1, 3)), False),
    _reduce("l2", lambda t, x: x.norm(2, (1, 3), True), True),
    _reduce("sum_square", lambda t, x: (x * x).sum((1, 3)), False),
    _reduce("log_sum", lambda t, x: x.sum((1, 3)).log(), False),
    _reduce("log_sum_exp", lambda t, x: x.logsumexp((1, 3)), False),
    torch_case(
        "log_sum_exp does not overflow",
        Reduce(op="log_sum_exp", axes=(2,), keepdims=True),
        "torch.logsumexp",
        lambda t, x: x.logsumexp(2, True),
        x=X * 200,
    ),
    _reduce("any", lambda t, x: x.any(3).any(1), False),
    _reduce("all", lambda t, x: x.all(3, True), True, (3,)),
    _reduce("mean", lambda t, x: x.mean(), False, (0, 1, 2, 3)),
    torch_case(
        "divides by n - 1",
        Variance(axes=(2, 3), keepdims=False, correction=1),
        "torch.var",
        lambda t, x: x.var((2, 3)),
        x=X,
    ),
    _keras(
        "divides by n",
        Variance(axes=(1,), keepdims=True, correction=0),
        "keras.ops.var",
        lambda keras: keras.ops.var(X, axis=1, keepdims=True),
    ),
    torch_case(
        "divides by a known n - 1",
        StandardDeviation(axes=(1,), keepdims=True, correction=1),
        "torch.std",
        lambda t, x: x.std(1, keepdim=True),
        x=X,
    ),
    _keras(
        "divides by n",
        StandardDeviation(axes=(2, 3), keepdims=False, correction=0),
        "keras.ops.std",
        lambda keras: keras.ops.std(X, axis=(2, 3)),
    ),
]
