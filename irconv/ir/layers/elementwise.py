"""Mathematical functions of one value, element by element. Angles are in radians."""

from collections.abc import Mapping
from math import log
from typing import Literal

import numpy as np

from irconv.ir.known import integral, numeric
from irconv.ir.layers.activations import Exp, Tanh
from irconv.ir.layers.base import Decomposition, ValueType
from irconv.ir.layers.comparisons import Less, Not, Or, Unary, Where
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.tensor_ops import Add, Mul
from irconv.layout import Array


class _Test(Unary):
    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        return {"y": ValueType("bool", given["x"].shape)}


class Abs(Unary):
    """``abs(x)``."""

    type: Literal["Abs"] = "Abs"

    def apply(self, x: Array) -> Array | None:
        return np.abs(x) if numeric(x) else None


class Neg(Unary):
    """``-x``."""

    type: Literal["Neg"] = "Neg"

    def apply(self, x: Array) -> Array | None:
        return np.asarray(-x)


class Sign(Unary):
    """-1, 0 or 1, as x is negative, zero or positive."""

    type: Literal["Sign"] = "Sign"


class Sqrt(Unary):
    """The square root; NaN below zero."""

    type: Literal["Sqrt"] = "Sqrt"

    def apply(self, x: Array) -> Array | None:
        return np.sqrt(x) if numeric(x) and (x >= 0).all() else None


class Rsqrt(Unary):
    """``1 / sqrt(x)``."""

    type: Literal["Rsqrt"] = "Rsqrt"

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        return f.ends(Reciprocal(), f(Sqrt(), "x"))


class Square(Unary):
    """``x x``."""

    type: Literal["Square"] = "Square"

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        return Formula(self, given).ends(Mul(), "x", "x")


class Reciprocal(Unary):
    """``1 / x``."""

    type: Literal["Reciprocal"] = "Reciprocal"


class Exp2(Unary):
    """``2^x``."""

    type: Literal["Exp2"] = "Exp2"

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        return f.ends(Exp(), f(Mul(), "x", f.number(log(2))))


class Expm1(Unary):
    """``exp(x) - 1``, exact for small x, too: computed as ``tanh(x / 2) (exp(x) + 1)``."""

    type: Literal["Expm1"] = "Expm1"

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        half = f(Tanh(), f(Mul(), "x", f.number(0.5)))
        return f.ends(Mul(), half, f(Add(), f(Exp(), "x"), f.number(1.0)))


class Log(Unary):
    """The natural logarithm."""

    type: Literal["Log"] = "Log"


class Log1p(Unary):
    """``log(1 + x)``, exact for small x, too: computed as ``2 atanh(x / (2 + x))`` where ``-0.5 < x < 0.5``."""

    type: Literal["Log1p"] = "Log1p"

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        ratio = f(Mul(), "x", f(Reciprocal(), f(Add(), "x", f.number(2.0))))
        near = f(Mul(), f(Atanh(), ratio), f.number(2.0))
        far = f(Log(), f(Add(), "x", f.number(1.0)))
        return f.ends(Where(), f(Less(), f(Abs(), "x"), f.number(0.5)), near, far)


class Log2(Unary):
    """The logarithm to base 2."""

    type: Literal["Log2"] = "Log2"

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        return f.ends(Mul(), f(Log(), "x"), f.number(1 / log(2)))


class Log10(Unary):
    """The logarithm to base 10."""

    type: Literal["Log10"] = "Log10"

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        return f.ends(Mul(), f(Log(), "x"), f.number(1 / log(10)))


class Floor(Unary):
    """The largest integer not above x."""

    type: Literal["Floor"] = "Floor"

    def apply(self, x: Array) -> Array | None:
        return np.floor(x) if numeric(x) else integral(x)


class Ceil(Unary):
    """The smallest integer not below x."""

    type: Literal["Ceil"] = "Ceil"

    def apply(self, x: Array) -> Array | None:
        return np.ceil(x) if numeric(x) else integral(x)


class Round(Unary):
    """The nearest integer; halves go to the even one (PyTorch, TensorFlow, Keras, ONNX, numpy). C's and Theano's
    ``round_half_away_from_zero`` is another function."""

    type: Literal["Round"] = "Round"

    def apply(self, x: Array) -> Array | None:
        return np.round(x) if numeric(x) else integral(x)


class Trunc(Unary):
    """x without its fraction: rounded towards zero."""

    type: Literal["Trunc"] = "Trunc"

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        return f.ends(Where(), f(Less(), "x", f.number(0.0)), f(Ceil(), "x"), f(Floor(), "x"))


class Sin(Unary):
    """The sine."""

    type: Literal["Sin"] = "Sin"


class Cos(Unary):
    """The cosine."""

    type: Literal["Cos"] = "Cos"


class Tan(Unary):
    """The tangent."""

    type: Literal["Tan"] = "Tan"


class Asin(Unary):
    """The inverse sine, between -pi/2 and pi/2."""

    type: Literal["Asin"] = "Asin"


class Acos(Unary):
    """The inverse cosine, between 0 and pi."""

    type: Literal["Acos"] = "Acos"


class Atan(Unary):
    """The inverse tangent, between -pi/2 and pi/2."""

    type: Literal["Atan"] = "Atan"


class Sinh(Unary):
    """The hyperbolic sine."""

    type: Literal["Sinh"] = "Sinh"


class Cosh(Unary):
    """The hyperbolic cosine."""

    type: Literal["Cosh"] = "Cosh"


class Asinh(Unary):
    """The inverse hyperbolic sine."""

    type: Literal["Asinh"] = "Asinh"


class Acosh(Unary):
    """The inverse hyperbolic cosine; NaN below 1."""

    type: Literal["Acosh"] = "Acosh"


class Atanh(Unary):
    """The inverse hyperbolic tangent; infinite at -1 and 1, NaN beyond."""

    type: Literal["Atanh"] = "Atanh"


class Erf(Unary):
    """The error function, ``2 / sqrt(pi)`` times the integral of ``exp(-t t)`` from 0 to x."""

    type: Literal["Erf"] = "Erf"


class IsNaN(_Test):
    """Whether x is not a number."""

    type: Literal["IsNaN"] = "IsNaN"


class IsInf(_Test):
    """Whether x is infinite, of either sign."""

    type: Literal["IsInf"] = "IsInf"


class IsFinite(_Test):
    """Whether x is neither infinite nor NaN."""

    type: Literal["IsFinite"] = "IsFinite"

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        return f.ends(Not(), f(Or(), f(IsNaN(), "x"), f(IsInf(), "x")))
