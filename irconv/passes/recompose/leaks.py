"""Activations with a slope where the value is negative, written out: LeakyRelu and PRelu.

The positive part and the negative one are added up, chosen between, or are the larger of two lines through 0.
"""

from __future__ import annotations

from collections.abc import Iterator

from irconv.data_classes import dataclass
from irconv.ir.dtypes import shortest_float32
from irconv.ir.layers.activations import LeakyRelu, PRelu
from irconv.ir.layers.base import StoredOperand
from irconv.ir.manifest import LayoutStep
from irconv.passes.recompose.matcher import Made, Match, Operand, Rule
from irconv.passes.recompose.patterns import Either, Number, Op, Pattern, Var, Weights, op

X, SLOPE = Var("x"), Weights("slope")
_ZERO = Number(0.0)
_CLOSE = 1e-6
POSITIVE = Either((op("Relu", X), op("Maximum", X, _ZERO)))
_OF_MINUS = Either((op("Relu", op("Neg", X)), op("Maximum", op("Neg", X), _ZERO)))
"""The negative part without its sign."""


def _sloped() -> Iterator[Pattern]:
    """``slope min(x, 0)``."""
    negative = Either((op("Minimum", X, _ZERO), op("Neg", _OF_MINUS)))
    yield op("Mul", SLOPE, negative)
    yield op("Mul", op("Neg", SLOPE), _OF_MINUS)
    twice = op("Sub", X, op("Abs", X))
    for first, second, third in ((SLOPE, twice, Number(0.5)), (SLOPE, Number(0.5), twice), (twice, Number(0.5), SLOPE)):
        yield op("Mul", op("Mul", first, second), third)


def _written() -> Iterator[Op]:
    yield op("Add", POSITIVE, Either(tuple(_sloped())))
    yield op("Sub", POSITIVE, op("Mul", SLOPE, _OF_MINUS))
    positive = Either((op("Greater", X, _ZERO), op("GreaterOrEqual", X, _ZERO)))
    negative = Either((op("Less", X, _ZERO), op("LessOrEqual", X, _ZERO)))
    yield op("Where", positive, X, op("Mul", SLOPE, X))
    yield op("Where", negative, op("Mul", SLOPE, X), X)


@dataclass(frozen=True)
class _Turned:
    """A slope, and how x is permuted for it."""

    slope: Operand
    order: tuple[int, ...]


def _leak(match: Match) -> Made | None:
    number = match.work.number(match.weights["slope"])
    if number is not None:
        return _leaky(match, number)
    found = _slope(match)
    if found is None:
        return None
    return Made(PRelu(operands={"slope": found.slope}), {"x": match.values["x"]}, turned=found.order)


def _leaky(match: Match, slope: float) -> Made:
    return Made(LeakyRelu(slope=float(shortest_float32(slope))), {"x": match.values["x"]})


def _slope(match: Match) -> _Turned | None:
    """The slope along the channels alone, or along every axis but the first; channels are taken to be last, as they are
    in graphs that write this out, where they can be first as well."""
    shape = match.type_of("x").shape
    rank = len(shape)
    last = (0, rank - 1, *range(1, rank - 1))
    for channel in dict.fromkeys((rank - 1, 1)) if rank > 1 else ():
        vector = match.vector("slope", channel, rank)
        if vector is not None and match.work.length(vector) == shape[channel]:
            return _Turned(vector, () if channel == 1 else last)
    whole = match.along("slope", range(1, rank), rank) if rank > 2 else None
    if whole is None or not isinstance(whole, StoredOperand):
        return None
    if any(size not in (1, n) for size, n in zip(match.work.shape_of(whole), shape[1:], strict=True)):
        return None
    places = [f"a{axis}" for axis in range(1, rank)]
    step = LayoutStep(source=" ".join(places), target=" ".join([places[-1], *places[:-1]]), orders={}, sizes={})
    key = f"{whole.tensor}/turned"
    match.work.tensors[key] = match.work.tensors[whole.tensor].relayout(step, "c *s")
    return _Turned(StoredOperand(tensor=key), last)


def _larger(match: Match) -> Made | None:
    """``max(x, slope x)``, which is that for slopes up to 1."""
    slope = match.numbers["slope"]
    return _leaky(match, slope) if slope <= 1 else None


def _halves(match: Match) -> Made | None:
    """``(1 + slope) / 2 x + (1 - slope) / 2 abs(x)``."""
    straight, bent = match.numbers["straight"], match.numbers["bent"]
    return _leaky(match, straight - bent) if abs(straight + bent - 1) < _CLOSE else None


def _rules() -> Iterator[Rule]:
    for pattern in _written():
        yield Rule("slope where negative", pattern, _leak)
    less = op("Add", POSITIVE, op("Mul", Number(name="slope"), _OF_MINUS))
    yield Rule("slope with a sign", less, lambda match: _leaky(match, -match.numbers["slope"]))
    yield Rule("larger of two lines", op("Maximum", X, op("Mul", Number(name="slope"), X)), _larger)
    straight, bent = op("Mul", Number(name="straight"), X), op("Mul", Number(name="bent"), op("Abs", X))
    yield Rule("line and bent line", op("Add", straight, bent), _halves)


LEAKS = list(_rules())
