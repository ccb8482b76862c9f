"""Ops on shapes, slices and splits against torch, NumPy and TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from irconv.ir.layers.base import Layer
from irconv.ir.layers.shape_ops import Expand, EyeLike, Full, Range, Repeat, ShapeOf, SizeOf, Squeeze, Tile, Unsqueeze
from irconv.ir.layers.slicing import Flip, Roll, Select, Slice, Split, Stack, Unstack
from irconv.ir.shapes import Shape
from tests.layers.harness import Case, arrays

X = arrays(21, x=(3, 5, 7, 4))["x"]
NARROW = arrays(22, x=(3, 1, 7, 1))["x"]


def case(
    name: str, layer: Layer, against: str, function: Callable[..., Any], x: np.ndarray = X, shape: Shape = ()
) -> Case:
    """A case of torch with one input; `function` gets torch and it, and gives one result or a list."""

    def run() -> dict[str, np.ndarray]:
        import torch

        found = function(torch, torch.from_numpy(x))
        if not isinstance(found, list):
            return {"y": found.contiguous().numpy()}
        return {f"y{i}": piece.contiguous().numpy() for i, piece in enumerate(found)}

    return Case(name, layer, {"x": x}, run, against, shapes={"x": shape or ("N", x.shape[1], "H", x.shape[3])})


def _slice(name: str, shape: Shape, axes: tuple[int, ...], starts: Any, ends: Any, steps: tuple[int, ...]) -> Case:
    index: list[Any] = [slice(None)] * 4
    sizes = dict(zip(shape, X.shape, strict=True))
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        known = [eval(bound, {}, sizes) if isinstance(bound, str) else bound for bound in (start, end)]
        index[axis] = slice(*known, step)
    layer = Slice(axes=axes, starts=starts, ends=ends, steps=steps)
    return Case(name, layer, {"x": X}, lambda: {"y": X[tuple(index)]}, "numpy slicing", shapes={"x": shape})


def _twice(name: str, layer: Layer, axis: int) -> Case:
    inputs = arrays(23, x0=(3, 5, 7), x1=(3, 5, 7))

    def run() -> dict[str, np.ndarray]:
        import torch

        return {"y": torch.stack([torch.from_numpy(x) for x in inputs.values()], axis).numpy()}

    return Case(name, layer, inputs, run, "torch.stack", shapes={"x0": ("N", 5, "T"), "x1": ("N", 5, "T")})


CASES = [
    case("takes out two axes", Squeeze(axes=(1, 3)), "torch.squeeze", lambda t, x: x.squeeze((1, 3)), NARROW),
    case(
        "puts in three axes",
        Unsqueeze(axes=(0, 3, 6)),
        "torch.unsqueeze",
        lambda t, x: x.unsqueeze(0).unsqueeze(3).unsqueeze(6),
    ),
    case(
        "leaves sizes that are there",
        Expand(shape=(2, "N", 6, "H", 5)),
        "torch.expand",
        lambda t, x: x.expand(2, 3, 6, 7, 5),
        NARROW,
    ),
    case(
        "computes sizes that are not",
        Expand(shape=("N", "2*H + 1", "H", "N//2")),
        "torch.expand",
        lambda t, x: x.expand(3, 15, 7, 1),
        NARROW,
    ),
    case("repeats the whole", Tile(repeats=(2, 1, 3, 2)), "torch.tile", lambda t, x: x.tile(2, 1, 3, 2)),
    case("repeats by sizes", Tile(repeats=(1, "H - N", 1, "N")), "torch.tile", lambda t, x: x.tile(1, 4, 1, 3)),
    case(
        "repeats rows of an unknown number",
        Repeat(axis=2, repeats=3),
        "torch.repeat_interleave",
        lambda t, x: x.repeat_interleave(3, 2),
    ),
    case(
        "repeats channels",
        Repeat(axis=1, repeats=2),
        "torch.repeat_interleave",
        lambda t, x: x.repeat_interleave(2, 1),
    ),
    case("gives one size", SizeOf(axis=2), "torch.Tensor.shape", lambda t, x: t.tensor([x.shape[2]])),
    case("gives all sizes", ShapeOf(), "torch.Tensor.shape", lambda t, x: t.tensor(x.shape)),
    Case(
        "fills a known shape",
        Full(shape=(3, 5), value=2.5, dtype="float32"),
        {},
        lambda: {"y": np.full((3, 5), 2.5, np.float32)},
        "numpy.full",
    ),
    Case(
        "fills with integers",
        Full(shape=(3, 5), value=-7, dtype="int64"),
        {},
        lambda: {"y": np.full((3, 5), -7, np.int64)},
        "numpy.full",
    ),
    Case(
        "counts down",
        Range(start=17, limit=-3, step=-4),
        {},
        lambda: {"y": np.arange(17, -3, -4, np.int64)},
        "numpy.arange",
    ),
    case(
        "has ones beside the diagonal",
        EyeLike(diagonal=1),
        "torch.eye",
        lambda t, x: t.eye(8, 5)[1:],
        arrays(24, x=(7, 5))["x"],
        ("N", "T"),
    ),
    _slice("keeps a part of each axis", ("N", 5, "H", "W"), (1, 2), (1, -4), (4, None), (1, 1)),
    _slice("cuts from both ends", ("N", 5, "H", "W"), (3, 2), (1, 2), (-1, -2), (1, 1)),
    _slice("takes every second", ("N", 5, "H", "W"), (2, 1), (None, 1), (None, None), (2, 3)),
    _slice("walks backwards", ("N", 5, "H", "W"), (2, 1), (None, 3), (None, None), (-3, -1)),
    _slice("walks backwards to a bound", (3, 5, 7, 4), (2, 1), (-2, 10), (1, -5), (-2, -1)),
    _slice("computes its bounds", ("N", 5, "H", "W"), (2, 3), ("H//2", None), (None, "W - 1"), (1, 1)),
    _slice("cuts off bounds outside", (3, 5, 7, 4), (0, 2), (-9, 2), (99, 80), (1, 1)),
    case(
        "cuts into unequal pieces",
        Split(axis=1, sizes=(1, 3, 1)),
        "torch.split",
        lambda t, x: list(x.split((1, 3, 1), 1)),
    ),
    case(
        "computes the sizes of pieces",
        Split(axis=2, sizes=("H//2", "H - H//2")),
        "torch.split",
        lambda t, x: list(x.split((3, 4), 2)),
    ),
    _twice("joins along a new first axis", Stack(axis=0), 0),
    _twice("joins along a new last axis", Stack(axis=3), 3),
    case("takes apart", Unstack(axis=1, count=5), "torch.unbind", lambda t, x: list(x.unbind(1))),
    case("takes the last index", Select(axis=2, index=-1), "torch.select", lambda t, x: x.select(2, -1)),
    case("takes an index from the start", Select(axis=0, index=1), "torch.select", lambda t, x: x.select(0, 1)),
    case("turns two axes around", Flip(axes=(2, 1)), "torch.flip", lambda t, x: x.flip(2, 1)),
    case(
        "moves along three axes",
        Roll(axes=(1, 2, 3), shifts=(7, -2, 4)),
        "torch.roll",
        lambda t, x: x.roll((7, -2, 4), (1, 2, 3)),
    ),
    case("moves an unknown axis on", Roll(axes=(2,), shifts=(3,)), "torch.roll", lambda t, x: x.roll(3, 2)),
]
