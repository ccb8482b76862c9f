"""Resize to sizes, or by scales, that the graph computes: along each axis, one after the other, elements are gathered
at computed places and weighed, by the formulas of `irconv.ir.layers.resampling.Resize`."""

from __future__ import annotations

from collections.abc import Sequence

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.computed import Steps, length_of
from irconv.frameworks.onnx.reading.model import ModelReader, Op
from irconv.frameworks.onnx.reading.selection import size_of_value
from irconv.ir.layers.arithmetic import Div, Maximum, Minimum, Sub
from irconv.ir.layers.comparisons import And, Cast, Greater, GreaterOrEqual, Less, LessOrEqual, Where
from irconv.ir.layers.elementwise import Abs, Ceil, Floor
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.matrix import MatMul
from irconv.ir.layers.shape_ops import Range, ShapeOf
from irconv.ir.layers.tensor_ops import Add, Mul, Reduce, Reshape, Transpose

_RULES = (
    *("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric"),
    "tf_crop_and_resize",
)


def resize(reader: ModelReader, op: Op, scales: int, sizes: int) -> None:
    """Every axis that is named; `scales` and `sizes` are the places of these inputs."""
    rank = len(reader.shape(op.given(0)))
    coordinates = "asymmetric" if op.version < 11 else op.attribute("coordinate_transformation_mode", "half_pixel")
    if coordinates not in _RULES:
        raise Refused(op.where, f"takes computed sizes by the rule {coordinates}, which irconv does not read")
    by_scales = bool(op.given(scales)) and reader.shape(op.given(scales)) != (0,)
    given = scales if by_scales else sizes
    axes = [axis % rank for axis in op.attribute("axes") or range(rank)]
    if length_of(reader, op, given) != len(axes):
        raise Refused(op.where, f"expected a number for each of {len(axes)} axes")
    s, value = Steps(reader, op), op.given(0)
    lengths = s(Cast(dtype="float32"), s(Gather(axis=0), s(ShapeOf(), value), s.number(axes)))
    wanted, factors = _asked(s, op, given, by_scales, lengths)
    for i, axis in enumerate(axes):
        place = s.number(i)
        m, factor, n = (s(Gather(axis=0), numbers, place) for numbers in (wanted, factors, lengths))
        size = size_of_value(reader, op, m, s.prefix + f" size {i}")
        index = s(Cast(dtype="float32"), s(Range(start=0, limit=size, step=1)))
        along = _Axis(s, op, n, s(Cast(dtype="float32"), m), factor, coordinates, (i, len(axes)))
        places = along.places(index)
        if op.attribute("antialias") and op.attribute("mode") in ("linear", "cubic"):
            value = _widened(s, op, value, axis, places, (n, factor))
        else:
            value = _along(s, op, value, axis, places, n)
        if coordinates == "tf_crop_and_resize":
            value = _replaced(s, op, value, axis, places, n)
    s.ends(Reshape(shape=reader.shape(value)), value)


def _asked(s: Steps, op: Op, index: int, by_scales: bool, lengths: str) -> tuple[str, str]:
    """The new lengths as int64, and the scales as float32."""
    if by_scales:
        factors = s.typed(op.given(index), "float32")
        return s(Cast(dtype="int64"), s(Floor(), s(Mul(), lengths, factors))), factors
    sizes = s.typed(op.given(index))
    factors = s(Div(), s(Cast(dtype="float32"), sizes), lengths)
    policy = op.attribute("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return sizes, factors
    one = s(Reduce(op="min" if policy == "not_larger" else "max", axes=(0,), keepdims=True), factors)
    rounded = s(Floor(), s(Add(), s(Mul(), lengths, one), s.number(0.5, "float32")))
    return s(Cast(dtype="int64"), rounded), s(Add(), s(Mul(), lengths, s.number(0.0, "float32")), one)


class _Axis:
    """Where the new elements of an axis lie between the old ones: n old, m new ones, by a scale; all float32."""

    def __init__(self, s: Steps, op: Op, n: str, m: str, factor: str, coordinates: str, which: tuple[int, int]) -> None:
        self.s, self.op, self.n, self.m, self.factor, self.coordinates = s, op, n, m, factor, coordinates
        self.which = which
        """Which of how many axes this is, for the bounds of a region."""

    def places(self, i: str) -> str:
        s, one, half = self.s, self.s.number(1.0, "float32"), self.s.number(0.5, "float32")
        if self.coordinates == "asymmetric":
            return s(Div(), i, self.factor)
        several = s(Greater(), self.m, one)
        if self.coordinates == "tf_crop_and_resize":
            region = s.typed(self.op.given(1), "float32")
            start, end = (s(Gather(axis=0), region, s.number(self.which[0] + k * self.which[1])) for k in (0, 1))
            last, whole = s(Sub(), self.n, one), s(Sub(), end, start)
            apart = s(Div(), s(Mul(), whole, last), s(Maximum(), s(Sub(), self.m, one), one))
            spread = s(Add(), s(Mul(), start, last), s(Mul(), i, apart))
            return s(Where(), several, spread, s(Mul(), s(Mul(), s(Add(), start, end), half), last))
        if self.coordinates == "align_corners":
            apart = s(Div(), s(Sub(), self.n, one), s(Maximum(), s(Sub(), self.m, one), one))
            return s(Mul(), i, s(Where(), several, apart, s.number(0.0, "float32")))
        found = s(Sub(), s(Div(), s(Add(), i, half), self.factor), half)
        if self.coordinates == "pytorch_half_pixel":
            return s(Where(), several, found, s.number(0.0, "float32"))
        if self.coordinates == "half_pixel_symmetric":
            off = s(Sub(), one, s(Div(), self.m, s(Mul(), self.factor, self.n)))
            return s(Add(), found, s(Mul(), s(Mul(), self.n, half), off))
        return found


def _along(s: Steps, op: Op, x: str, axis: int, places: str, n: str) -> str:
    """The elements of one axis at places, which may lie outside."""
    mode, zero = op.attribute("mode", "nearest"), s.number(0.0, "float32")
    last = s(Sub(), n, s.number(1.0, "float32"))
    if mode == "nearest":
        rule = "floor" if op.version < 11 else op.attribute("nearest_mode", "round_prefer_floor")
        half = s.number(0.5, "float32")
        found = {
            "floor": lambda: s(Floor(), places),
            "ceil": lambda: s(Ceil(), places),
            "round_prefer_floor": lambda: s(Ceil(), s(Sub(), places, half)),
            "round_prefer_ceil": lambda: s(Floor(), s(Add(), places, half)),
        }[rule]()
        return s(Gather(axis=axis), x, s(Cast(dtype="int64"), s(Minimum(), s(Maximum(), found, zero), last)))
    first = s(Floor(), places)
    taps = (-1, 0, 1, 2) if mode == "cubic" else (0, 1)
    chosen = [s(Add(), first, s.number(float(tap), "float32")) for tap in taps]
    distances = [s(Abs(), s(Sub(), places, at)) for at in chosen]
    if mode == "cubic":
        a = float(op.attribute("cubic_coeff_a", -0.75))
        near, far = (a + 2, -(a + 3), 0.0, 1.0), (a, -5 * a, 8 * a, -4 * a)
        parts = zip(distances, (far, near, near, far), strict=True)
        weights = [_polynomial(s, distance, factors) for distance, factors in parts]
    else:
        weights = [s(Sub(), s.number(1.0, "float32"), distance) for distance in distances]
    if op.attribute("exclude_outside"):
        weights = _inside(s, weights, chosen, last)
    dtype, shape = s.reader.type_of(x)
    spread = tuple(s.reader.shape(places)[0] if i == axis else 1 for i in range(len(shape)))
    total = ""
    for at, weight in zip(chosen, weights, strict=True):
        index = s(Cast(dtype="int64"), s(Minimum(), s(Maximum(), at, zero), last))
        piece = s(Mul(), s(Gather(axis=axis), x, index), s(Reshape(shape=spread), s.typed(weight, dtype)))
        total = s(Add(), total, piece) if total else piece
    return total


def _widened(s: Steps, op: Op, x: str, axis: int, places: str, sizes: tuple[str, str]) -> str:
    """The elements of one axis at places, each an average over a window as wide as the steps from place to place.

    What lies outside is the first or last element, or, with `exclude_outside`, has no weight. A product with the matrix
    of all weights, whose columns are the elements from so far before the first as a window reaches.
    """
    (n, factor), zero, one = sizes, s.number(0.0, "float32"), s.number(1.0, "float32")
    support = 2.0 if op.attribute("mode") == "cubic" else 1.0
    narrow = s(Minimum(), factor, one)
    reach = s(Add(), s(Ceil(), s(Div(), s.number(support, "float32"), narrow)), one)
    count = size_of_value(s.reader, op, s(Cast(dtype="int64"), s(Add(), n, s(Add(), reach, reach))), s.name())
    columns = s(Sub(), s(Cast(dtype="float32"), s(Range(start=0, limit=count, step=1))), reach)
    last, many = s(Sub(), n, one), s.reader.shape(places)[0]
    distances = s(Mul(), s(Abs(), s(Sub(), s(Reshape(shape=(many, 1)), places), columns)), narrow)
    if support == 1:
        weights = s(Maximum(), s(Sub(), one, distances), zero)
    else:
        a = float(op.attribute("cubic_coeff_a", -0.75))
        near = _polynomial(s, distances, (a + 2, -(a + 3), 0.0, 1.0))
        far = _polynomial(s, distances, (a, -5 * a, 8 * a, -4 * a))
        outer = s(Where(), s(Less(), distances, s.number(2.0, "float32")), far, zero)
        weights = s(Where(), s(LessOrEqual(), distances, one), near, outer)
    if op.attribute("exclude_outside"):
        weights = s(Where(), s(GreaterOrEqual(), columns, zero), weights, zero)
        weights = s(Where(), s(LessOrEqual(), columns, last), weights, zero)
    weights = s(Div(), weights, s(Reduce(op="sum", axes=(1,), keepdims=True), weights))
    dtype, rank = s.reader.type_of(x).dtype, len(s.reader.shape(x))
    index = s(Cast(dtype="int64"), s(Minimum(), s(Maximum(), columns, zero), last))
    wide, order = s(Gather(axis=axis), x, index), list(range(rank))
    order[axis], order[-1] = order[-1], order[axis]
    turned = s(Transpose(permutation=tuple(order)), wide)
    product = s(MatMul(), turned, s(Transpose(permutation=(1, 0)), s.typed(weights, dtype)))
    return s(Transpose(permutation=tuple(order)), product)


def _replaced(s: Steps, op: Op, x: str, axis: int, places: str, n: str) -> str:
    """With a number in place of what was read before the first or behind the last element of an axis."""
    dtype, shape = s.reader.type_of(x)
    last = s(Sub(), n, s.number(1.0, "float32"))
    there = s(And(), s(GreaterOrEqual(), places, s.number(0.0, "float32")), s(LessOrEqual(), places, last))
    spread = tuple(s.reader.shape(places)[0] if i == axis else 1 for i in range(len(shape)))
    number = s.number(float(op.attribute("extrapolation_value", 0.0)), dtype)
    return s(Where(), s(Reshape(shape=spread), there), x, number)


def _polynomial(s: Steps, t: str, factors: Sequence[float]) -> str:
    """The polynomial with these factors, the highest first."""
    value = s.number(factors[0], "float32")
    for factor in factors[1:]:
        value = s(Add(), s(Mul(), value, t), s.number(factor, "float32"))
    return value


def _inside(s: Steps, weights: Sequence[str], chosen: Sequence[str], last: str) -> list[str]:
    """Weights of what is there, which sum to 1."""
    zero = s.number(0.0, "float32")
    kept = []
    for at, weight in zip(chosen, weights, strict=True):
        found = s(Where(), s(GreaterOrEqual(), at, zero), weight, zero)
        kept.append(s(Where(), s(LessOrEqual(), at, last), found, zero))
    total = kept[0]
    for weight in kept[1:]:
        total = s(Add(), total, weight)
    return [s(Div(), weight, total) for weight in kept]
