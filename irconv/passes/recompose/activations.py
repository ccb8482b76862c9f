"""Activations that are written out."""

from __future__ import annotations

from collections.abc import Iterator
from math import pi, sqrt

from irconv.ir.dtypes import shortest_float32
from irconv.ir.layers.activations import Gelu, HardSigmoid, HardSwish, Mish, Relu, Sigmoid, Silu, Softmax
from irconv.ir.layers.base import Layer
from irconv.ir.layers.plain_norms import UnitNorm
from irconv.passes.recompose.leaks import LEAKS
from irconv.passes.recompose.matcher import Build, Made, Match, Rule
from irconv.passes.recompose.patterns import Either, Number, Op, Pattern, Var, op

X = Var("x")
_CUBE = 0.044715


def _products(*factors: Pattern) -> Iterator[Op]:
    """A product of three in every order of multiplication."""
    a, b, c = factors
    for first, second, third in ((a, b, c), (a, c, b), (b, c, a)):
        yield op("Mul", op("Mul", first, second), third)


def _is(layer: Layer) -> Build:
    return lambda match: Made(layer, {"x": match.values["x"]})


def _exact() -> Iterator[Op]:
    """``x / 2 (1 + erf(x / sqrt(2)))``."""
    for inner in (op("Mul", X, Number(1 / sqrt(2))), op("Div", X, Number(sqrt(2)))):
        gate = op("Add", op("Erf", inner), Number(1.0))
        yield from _products(X, gate, Number(0.5))
        yield op("Mul", X, op("Mul", gate, Number(0.5)))
    for inner in (op("Mul", op("Neg", X), Number(1 / sqrt(2))), op("Div", op("Neg", X), Number(sqrt(2)))):
        yield from _products(X, op("Sub", Number(1.0), op("Erf", inner)), Number(0.5))  # by the complement


def _tanh() -> Iterator[Op]:
    """``x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))``."""
    cubes: list[Pattern] = [op("Pow", X, Number(3.0)), op("Mul", op("Mul", X, X), X), op("Mul", op("Square", X), X)]
    inner: list[Pattern] = [op("Add", X, op("Mul", cube, Number(_CUBE))) for cube in cubes]
    inner += [op("Add", X, product) for product in _products(X, op("Mul", X, X), Number(_CUBE))]
    inner.append(op("Mul", X, op("Add", op("Mul", op("Mul", X, X), Number(_CUBE)), Number(1.0))))
    for sum_ in inner:
        gate = op("Add", op("Tanh", op("Mul", sum_, Number(sqrt(2 / pi)))), Number(1.0))
        yield from _products(X, gate, Number(0.5))
        yield op("Mul", X, op("Mul", gate, Number(0.5)))


def _clipped(offset: float) -> Iterator[Pattern]:
    """``min(max(x + offset, 0), 6)``."""
    yield op("Clip", op("Add", X, Number(offset)), low=0.0, high=6.0)


def _hard_swish() -> Iterator[Op]:
    """``x min(max(x + 3, 0), 6) / 6``."""
    for gate in _clipped(3.0):
        yield op("Div", op("Mul", X, gate), Number(6.0))
        yield op("Mul", X, op("Div", gate, Number(6.0)))
        yield from _products(X, gate, Number(1 / 6))
        yield op("Mul", X, op("Mul", gate, Number(1 / 6)))
    yield op("Mul", X, op("HardSigmoid", X, slope=lambda slope: abs(slope * 6 - 1) < 1e-6, offset=0.5))


def _hard_sigmoid(match: Match) -> Made | None:
    return Made(HardSigmoid(slope=1 / 6, offset=0.5), {"x": match.values["x"]})


def _sixth(slope: float) -> bool:
    """Whether a slope is 1/6 as float32, in which ONNX keeps it; other frameworks have a function of that slope."""
    return slope != 1 / 6 and abs(slope * 6 - 1) < 1e-7


def _lines() -> Iterator[Rule]:
    """``min(max(slope x + 0.5, 0), 1)``, cut off in either order; the slope is 0.2 in Keras 1 and 2, 1/6 elsewhere."""
    for slope in (0.2, 1 / 6):
        line = op("Add", op("Mul", X, Number(slope)), Number(0.5))
        for pattern in (
            op("Clip", line, low=0.0, high=1.0),
            op("Maximum", op("Minimum", line, Number(1.0)), Number(0.0)),
            op("Minimum", op("Maximum", line, Number(0.0)), Number(1.0)),
        ):
            yield Rule(f"hard sigmoid of slope {slope:.1g}", pattern, _is(HardSigmoid(slope=slope, offset=0.5)))


def _softmax(match: Match) -> Made | None:
    """``exp(x - max) / sum of exp(x - max)``, both along one axis."""
    axes = match.settings("largest")["axes"]
    if len(axes) != 1 or match.settings("total")["axes"] != axes:
        return None
    return Made(Softmax(axis=axes[0]), {"x": match.values["x"]})


def _shares() -> Iterator[Rule]:
    """Softmax, the sigmoid by its definition, and vectors of length 1."""
    largest = op("Reduce", X, op="max", keepdims=True, name="largest")
    power = op("Exp", op("Sub", X, largest), name="power")
    total = op("Reduce", power, op="sum", keepdims=True, name="total")
    yield Rule("softmax", op("Div", power, total), _softmax)
    below = op("Add", op("Exp", op("Neg", X)), Number(1.0))
    yield Rule("sigmoid", Either((op("Div", Number(1.0), below), op("Reciprocal", below))), _is(Sigmoid()))
    squares = op("Reduce", op("Square", X), op="sum", keepdims=True, name="total")
    least = op("Maximum", squares, Number(name="least"))
    yield Rule("vector of length 1", op("Mul", X, op("Rsqrt", least)), _unit)


def _unit(match: Match) -> Made | None:
    least = float(shortest_float32(match.numbers["least"]))
    if not least > 0:
        return None
    layer = UnitNorm(axes=match.settings("total")["axes"], order=2, epsilon=least, least="square_sum")
    return Made(layer, {"x": match.values["x"]})


def _rules() -> Iterator[Rule]:
    for pattern in _exact():
        yield Rule("gelu", pattern, _is(Gelu(approximation="none")))
    for pattern in _tanh():
        yield Rule("gelu by tanh", pattern, _is(Gelu(approximation="tanh")))
    for pattern in _hard_swish():
        yield Rule("hard swish", pattern, _is(HardSwish()))
    yield from _lines()
    for gate in _clipped(3.0):
        yield Rule("hard sigmoid", op("Div", gate, Number(6.0)), _hard_sigmoid)
        yield Rule("hard sigmoid", op("Mul", gate, Number(1 / 6)), _hard_sigmoid)
    yield Rule("hard sigmoid of float32", op("HardSigmoid", X, slope=_sixth, offset=0.5), _hard_sigmoid)
    yield from _shares()
    inner = Either((X, op("Mul", X, Number(1.0))))  # Keras 2 writes a factor of 1
    yield Rule("silu", op("Mul", X, op("Sigmoid", inner)), _is(Silu()))
    yield Rule("relu of the first PyTorch", op("Threshold", X, threshold=0.0, value=0.0), _is(Relu()))
    yield Rule("mish", op("Mul", X, op("Tanh", op("Softplus", X))), _is(Mish()))


ACTIVATIONS = [*_rules(), *LEAKS]
