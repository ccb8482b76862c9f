"""Resize to sizes, or by scales, that the graph computes: along each axis, one after the other, elements are gathered
at computed places and weighed, by the formulas of `irconv.ir.layers.resampling.Resize`."""

from __future__ import annotations

from collections.abc import Sequence

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.computed import Steps, length_of
from irconv.frameworks.onnx.reading.model import ModelReader, Op
from irconv.frameworks.onnx.reading.selection import size_of_value
from irconv.ir.layers.arithmetic import Div, Maximum, Minimum, Sub
from irconv.ir.layers.comparisons import Cast, Greater, GreaterOrEqual, LessOrEqual, Where
from irconv.ir.layers.elementwise import Abs, Ceil, Floor
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.shape_ops import Range, ShapeOf
from irconv.ir.layers.tensor_ops import Add, Mul, Reduce, Reshape

_RULES = ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric")


def resize(reader: ModelReader, op: Op, scales: int, sizes: int) -> None:
    """Every axis that is named; `scales` and `sizes` are the places of these inputs."""
    rank = len(reader.shape(op.given(0)))
    coordinates = "asymmetric" if op.version < 11 else op.attribute("coordinate_transformation_mode", "half_pixel")
    if coordinates not in _RULES or op.attribute("antialias"):
        what = f"takes computed sizes by the rule {coordinates}, antialias {bool(op.attribute('antialias'))}"
        raise Refused(op.where, f"{what}, which irconv reads with known ones only")
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
        places = _Axis(s, op, n, s(Cast(dtype="float32"), m), factor, coordinates).places(index)
        value = _along(s, op, value, axis, places, n)
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

    def __init__(self, s: Steps, op: Op, n: str, m: str, factor: str, coordinates: str) -> None:
        self.s, self.op, self.n, self.m, self.factor, self.coordinates = s, op, n, m, factor, coordinates

    def places(self, i: str) -> str:
        s, one, half = self.s, self.s.number(1.0, "float32"), self.s.number(0.5, "float32")
        if self.coordinates == "asymmetric":
            return s(Div(), i, self.factor)
        several = s(Greater(), self.m, one)
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
