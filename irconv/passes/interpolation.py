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
    """The parts; None for unknown sizes, and for widened windows that count what is outside."""
    x = given["x"]
    old, new = static(x.shape[2:]), static(layer.infer(given)["y"].shape[2:])
    if old is None or new is None or (layer.antialias and not layer.exclude_outside):
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
        kernel = f.number(_weights(layer, places, n, 1 / scale), x.dtype)
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


def _weights(layer: Resize, places: list[float], n: int, step: float) -> list[list[float]]:
    """Rows of the old elements, columns of the new ones, which lie `step` apart."""
    found = [[0.0] * len(places) for _ in range(n)]
    for column, place in enumerate(places):
        for row, weight in _window(layer, place, n, step if layer.antialias else 1.0):
            found[row][column] += weight
    return found


def _window(layer: Resize, place: float, n: int, step: float) -> list[tuple[int, float]]:
    """The elements that are weighed at a place, a window wider by `step` where that is above 1. Those outside count as
    the border, or not at all."""
    wide, reach = max(step, 1.0), 1 if layer.mode == "linear" else 2
    near = range(ceil(place - reach * wide), floor(place + reach * wide) + 1)
    weights = [(row, _weight(layer, abs(row - place) / wide)) for row in near]
    if layer.exclude_outside:
        weights = [(row, weight) for row, weight in weights if 0 <= row < n]
    total = sum(weight for _, weight in weights)
    return [(min(max(row, 0), n - 1), weight / total) for row, weight in weights]


def _weight(layer: Resize, distance: float) -> float:
    """The weight of an element so far away: a triangle, or the cubic of Keys."""
    if layer.mode == "linear":
        return max(1.0 - distance, 0.0)
    a, d = layer.cubic_coefficient or 0.0, distance
    if d <= 1:
        return ((a + 2) * d - (a + 3)) * d * d + 1
    return (((d - 5) * d + 8) * d - 4) * a if d < 2 else 0.0
