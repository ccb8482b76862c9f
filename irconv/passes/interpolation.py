"""Resizing that a target has no layer for, of known sizes: one matrix product, or one Gather, for each axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil, floor

from irconv.ir.layers.base import Decomposition, ValueType
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.matrix import MatMul
from irconv.ir.layers.resampling import Resize
from irconv.ir.layers.tensor_ops import Identity, Transpose
from irconv.ir.shapes import static

_ROUNDED: Mapping[str, Callable[[float], int]] = {
    "floor": floor,
    "ceil": ceil,
    "round_prefer_floor": lambda p: ceil(p - 0.5),
    "round_prefer_ceil": lambda p: floor(p + 0.5),
}


def by_matrices(layer: Resize, given: Mapping[str, ValueType]) -> Decomposition | None:
    """The parts; None for unknown sizes, for cubic weights, and for windows that are widened."""
    x = given["x"]
    old, new = static(x.shape[2:]), static(layer.infer(given)["y"].shape[2:])
    if old is None or new is None or layer.mode == "cubic" or layer.antialias:
        return None
    f, value, rank = Formula(layer, given), "x", len(x.shape)
    for axis, (n, m) in enumerate(zip(old, new, strict=True), 2):
        scale = layer.scales[axis - 2] if layer.scales is not None else m / n
        places = [_place(layer.coordinates, i, n, m, scale) for i in range(m)]
        if places == list(range(n)):
            continue
        if layer.mode == "nearest":
            nearest = _ROUNDED[str(layer.rounding)]
            chosen = [min(max(nearest(place), 0), n - 1) for place in places]
            value = f(Gather(axis=axis), value, f.number(chosen, "int64"))
            continue
        order = (*(i for i in range(rank) if i != axis), axis)
        back = tuple(order.index(i) for i in range(rank))
        kernel = f.number(_weights(places, n), x.dtype)
        value = f(Transpose(permutation=back), f(MatMul(), f(Transpose(permutation=order), value), kernel))
    return f.ends(Identity(), value)


def _place(coordinates: str, i: int, n: int, m: int, scale: float) -> float:
    """Where the new element i is read; see `Resize`."""
    match coordinates:
        case "align_corners":
            return i * (n - 1) / (m - 1) if m > 1 else 0.0
        case "asymmetric":
            return i / scale
        case "pytorch_half_pixel" if m == 1:
            return 0.0
        case "half_pixel_symmetric":
            shift = n / 2 * (1 - m / (scale * n))
            return shift + (i + 0.5) / scale - 0.5
    return (i + 0.5) / scale - 0.5


def _weights(places: list[float], n: int) -> list[list[float]]:
    """Rows of the old elements, columns of the new ones; places outside count as the border."""
    found = [[0.0] * len(places) for _ in range(n)]
    for column, place in enumerate(places):
        inside = min(max(place, 0.0), n - 1.0)
        first = floor(inside)
        second, part = min(first + 1, n - 1), inside - first
        found[first][column] += 1 - part
        found[second][column] += part
    return found
