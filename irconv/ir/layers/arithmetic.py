"""Arithmetic of several values, element by element, and running sums. Inputs broadcast as in numpy and have one element
type; `Add` and `Mul` are tensor ops."""

from collections.abc import Mapping
from math import pi
from typing import ClassVar, Literal

import numpy as np

from irconv.ir.known import Comparison, compared, floor_quotient, numeric, quotient, remainder
from irconv.ir.layers.base import AxisBehaviour, AxisFields, Decomposition, Layer, Pointwise, ValueType
from irconv.ir.layers.comparisons import And, Binary, Equal, Less, NotEqual, Where, combined
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.ranges import Axis
from irconv.ir.layers.tensor_ops import Add, Mul
from irconv.layout import Array


def _is_float(dtype: str) -> bool:
    return "float" in dtype


class Sub(Binary):
    """``x0 - x1``."""

    type: Literal["Sub"] = "Sub"

    def apply(self, left: Array, right: Array) -> Array | None:
        return np.asarray(left - right)


class Div(Binary):
    """``x0 / x1``. Integers give an integer, cut off towards zero (ONNX, C); where PyTorch, numpy and Keras divide
    integers into a float, a `Cast` goes first."""

    type: Literal["Div"] = "Div"

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        if len(known) < 2:
            return None
        found = quotient(known["x0"], known["x1"], whole=not _is_float(given["x0"].dtype))
        return None if found is None else {"y": found}


class FloorDiv(Binary):
    """The largest integer not above the exact quotient: Python's ``x0 // x1`` (PyTorch, numpy).

    Computed as ``(x0 - Mod(x0, x1)) / x1``, so ``1.0 // 0.1`` is 9, because the number written 0.1 is a little more
    than a tenth; TensorFlow's ``floor(x0 / x1)`` gives 10 there, and is a `Div` and a `Floor`. A float divided by 0 is
    infinite or NaN.
    """

    type: Literal["FloorDiv"] = "FloorDiv"

    def apply(self, left: Array, right: Array) -> Array | None:
        return floor_quotient(left, right)

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        from irconv.ir.layers.elementwise import Round

        f = Formula(self, given)
        whole = f(Sub(), "x0", f(Mod(sign="divisor"), "x0", "x1"))
        if not _is_float(given["x0"].dtype):
            return f.ends(Div(), whole, "x1")
        rounded, plain = f(Round(), f(Div(), whole, "x1")), f(Div(), "x0", "x1")
        return f.ends(Where(), f(Equal(), "x1", f.number(0.0)), plain, rounded)


class Mod(Binary):
    """What a division leaves over, ``x0 - x1 q``.

    `sign` says whose sign it has. ``divisor``: q is rounded down, as in Python, numpy's and PyTorch's ``remainder``,
    TensorFlow's ``floormod``, Keras' ``mod``, Theano's ``%``. ``dividend``: q is cut off towards zero, as in C's and
    everybody's ``fmod``, ONNX with ``fmod=1``.
    """

    type: Literal["Mod"] = "Mod"
    sign: Literal["divisor", "dividend"]

    def apply(self, left: Array, right: Array) -> Array | None:
        if self.sign == "dividend":
            return np.asarray(np.fmod(left, right)) if numeric(left) and numeric(right) else None
        return remainder(left, right)

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        """ONNX has the sign of the divisor for integers only."""
        from irconv.ir.layers.elementwise import Sign

        if self.sign == "dividend" or not _is_float(given["x0"].dtype):
            return None
        f = Formula(self, given)
        rest, zero = f(Mod(sign="dividend"), "x0", "x1"), f.number(0.0)
        differ = f(NotEqual(), f(Sign(), rest), f(Sign(), "x1"))
        moved = f(And(), differ, f(NotEqual(), rest, zero))
        return f.ends(Where(), moved, f(Add(), rest, "x1"), rest)


class Pow(Binary):
    """``x0`` to the power of ``x1``; NaN for a negative base with a fractional exponent."""

    type: Literal["Pow"] = "Pow"

    def apply(self, left: Array, right: Array) -> Array | None:
        known = numeric(left) and numeric(right) and bool((left > 0).all())
        return np.asarray(np.power(left, right)) if known and right.dtype.kind == "f" else None


class Atan2(Binary):
    """The angle of the point (x1, x0), between -pi and pi: ``atan(x0 / x1)`` in the right quadrant; 0 at the origin.

    Negative zeros count as zeros: ``atan2(-0, -1)`` is pi here and -pi in C.
    """

    type: Literal["Atan2"] = "Atan2"

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        from irconv.ir.layers.elementwise import Atan, Sign

        f = Formula(self, given)
        zero = f.number(0.0)
        half_turn = f(Where(), f(Less(), "x0", zero), f.number(-pi), f.number(pi))
        angle = f(Atan(), f(Div(), "x0", "x1"))
        left = f(Where(), f(Less(), "x1", zero), f(Add(), angle, half_turn), angle)
        upright = f(Mul(), f(Sign(), "x0"), f.number(pi / 2))
        return f.ends(Where(), f(Equal(), "x1", zero), upright, left)


class _Nary(Layer):
    SLOTS: ClassVar[Mapping[str, str]] = {}
    VARIADIC: ClassVar[bool] = True
    BEHAVIOUR: ClassVar[AxisBehaviour] = Pointwise()
    HOW: ClassVar[Comparison | None] = None

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        return combined(given)

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        """The one of two for which the comparison `HOW` with the other holds."""
        if self.HOW is None or list(known) != ["x0", "x1"] or list(given) != ["x0", "x1"]:
            return None
        if any(numeric(found) and np.isnan(found).any() for found in known.values()):
            return None
        holds = compared(self.HOW, known["x0"], known["x1"])
        return None if holds is None else {"y": np.where(holds, known["x0"], known["x1"])}


class Maximum(_Nary):
    """The largest of one or more values, element by element; NaN where one of them is."""

    HOW: ClassVar[Comparison | None] = ">="

    type: Literal["Maximum"] = "Maximum"


class Minimum(_Nary):
    """The smallest of one or more values, element by element; NaN where one of them is."""

    HOW: ClassVar[Comparison | None] = "<="

    type: Literal["Minimum"] = "Minimum"


class Mean(_Nary):
    """The mean of one or more values, element by element: Keras' Average."""

    type: Literal["Mean"] = "Mean"


class CumSum(Layer):
    """The running sum along `axis`: each element becomes the sum of those up to it.

    `exclusive` leaves the element itself out, so the first is 0 (TensorFlow, ONNX); `reverse` sums from the end.
    """

    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("axis",))

    type: Literal["CumSum"] = "CumSum"
    axis: Axis
    exclusive: bool
    reverse: bool
