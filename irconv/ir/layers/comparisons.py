"""Comparisons, logic, bits, choice and element types. Inputs broadcast as in numpy and have one element type."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from irconv.ir.dtypes import numpy_dtype
from irconv.ir.known import Comparison, compared, integral, numeric
from irconv.ir.layers.base import AxisBehaviour, Decomposition, Layer, Pointwise, ValueType, broadcast
from irconv.ir.layers.formula import Formula
from irconv.layout import Array


def combined(given: Mapping[str, ValueType], dtype: str = "") -> dict[str, ValueType]:
    """The type of an element-by-element function of several values. Raises `ValueError` for mixed element types."""
    if len(dtypes := {value.dtype for value in given.values()}) > 1:
        raise ValueError(f"element types {', '.join(sorted(dtypes))} do not mix; a Cast goes first")
    shape = broadcast([value.shape for value in given.values()])
    return {"y": ValueType(dtype or dtypes.pop(), shape)}


class Unary(Layer):
    """A function of one value that keeps its type; the base of several."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = Pointwise()

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        found = self.apply(known["x"]) if "x" in known else None
        return None if found is None else {"y": found}

    def apply(self, x: Array) -> Array | None:
        """The function of what is known; None where it cannot be said."""
        return None


class Binary(Layer):
    """A function of two values that keeps their type; the base of several."""

    SLOTS: ClassVar[Mapping[str, str]] = {"x0": "*a", "x1": "*a"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Pointwise()

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        return combined(given)

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        found = self.apply(known["x0"], known["x1"]) if len(known) == 2 else None
        return None if found is None else {"y": found}

    def apply(self, left: Array, right: Array) -> Array | None:
        """The function of what is known; None where it cannot be said."""
        return None


class _Comparison(Binary):
    HOW: ClassVar[Comparison]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        return combined(given, "bool")

    def apply(self, left: Array, right: Array) -> Array | None:
        return compared(self.HOW, left, right)


class Equal(_Comparison):
    """``x0 == x1``; false where either is NaN."""

    HOW: ClassVar[Comparison] = "=="

    type: Literal["Equal"] = "Equal"


class NotEqual(_Comparison):
    """``x0 != x1``; true where either is NaN."""

    HOW: ClassVar[Comparison] = "!="

    type: Literal["NotEqual"] = "NotEqual"

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        return f.ends(Not(), f(Equal(), "x0", "x1"))


class Less(_Comparison):
    """``x0 < x1``; false where either is NaN."""

    HOW: ClassVar[Comparison] = "<"

    type: Literal["Less"] = "Less"


class LessOrEqual(_Comparison):
    """``x0 <= x1``; false where either is NaN."""

    HOW: ClassVar[Comparison] = "<="

    type: Literal["LessOrEqual"] = "LessOrEqual"


class Greater(_Comparison):
    """``x0 > x1``; false where either is NaN."""

    HOW: ClassVar[Comparison] = ">"

    type: Literal["Greater"] = "Greater"


class GreaterOrEqual(_Comparison):
    """``x0 >= x1``; false where either is NaN."""

    HOW: ClassVar[Comparison] = ">="

    type: Literal["GreaterOrEqual"] = "GreaterOrEqual"


class Not(Unary):
    """The opposite of a truth value."""

    type: Literal["Not"] = "Not"

    def apply(self, x: Array) -> Array | None:
        return ~x if numeric(x) else None


class And(Binary):
    """Whether both truth values hold."""

    type: Literal["And"] = "And"

    def apply(self, left: Array, right: Array) -> Array | None:
        return left & right


class Or(Binary):
    """Whether one or both of two truth values hold."""

    type: Literal["Or"] = "Or"

    def apply(self, left: Array, right: Array) -> Array | None:
        return left | right


class Xor(Binary):
    """Whether one of two truth values holds, but not both."""

    type: Literal["Xor"] = "Xor"


class BitwiseNot(Unary):
    """Every bit of an integer turned around: ``-x - 1`` for signed ones."""

    type: Literal["BitwiseNot"] = "BitwiseNot"


class BitwiseAnd(Binary):
    """The bits set in both integers."""

    type: Literal["BitwiseAnd"] = "BitwiseAnd"


class BitwiseOr(Binary):
    """The bits set in one or both integers."""

    type: Literal["BitwiseOr"] = "BitwiseOr"


class BitwiseXor(Binary):
    """The bits set in one integer, but not in both."""

    type: Literal["BitwiseXor"] = "BitwiseXor"


class BitShift(Binary):
    """The bits of x0 moved by x1 places, zeros coming in. For unsigned integers only: on signed ones, shifting to the
    right is `FloorDiv` by a power of two, to the left `Mul`. x1 must be less than the number of bits."""

    type: Literal["BitShift"] = "BitShift"
    direction: Literal["left", "right"]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        if not given["x0"].dtype.startswith("uint"):
            raise ValueError(f"shifts the bits of unsigned integers, got {given['x0'].dtype}")
        return combined(given)


class Where(Layer):
    """``x0`` where the condition holds, else ``x1``. A NaN or an infinity that is not chosen leaves no trace."""

    SLOTS: ClassVar[Mapping[str, str]] = {"condition": "*a", "x0": "*a", "x1": "*a"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Pointwise()

    type: Literal["Where"] = "Where"

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        if given["condition"].dtype != "bool":
            raise ValueError(f"the condition holds truth values, got {given['condition'].dtype}")
        chosen = combined({slot: given[slot] for slot in ("x0", "x1")})["y"]
        return {"y": ValueType(chosen.dtype, broadcast([given["condition"].shape, chosen.shape]))}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        return {"y": np.where(known["condition"], known["x0"], known["x1"])} if len(known) == 3 else None


class Cast(Layer):
    """The value as another element type. Numbers become truth values as ``x != 0``, truth values 0 and 1; a fraction is
    cut off towards zero where integers are wanted. Numbers that do not fit an integer type give what the machine gives.
    """

    BEHAVIOUR: ClassVar[AxisBehaviour] = Pointwise()

    type: Literal["Cast"] = "Cast"
    dtype: str

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        return {"y": ValueType(self.dtype, given["x"].shape)}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        if "x" not in known or (self.dtype == "bool" and not numeric(known["x"])):
            return None
        if self.dtype == "bool":
            return {"y": known["x"] != 0}
        found = known["x"] if "float" in self.dtype else integral(known["x"])
        return None if found is None else {"y": found}


class BitCast(Layer):
    """The bits of each element read as another element type of the same width (numpy's, PyTorch's ``view(dtype)``)."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = Pointwise()

    type: Literal["BitCast"] = "BitCast"
    dtype: str

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        widths = [numpy_dtype(dtype).itemsize for dtype in (given["x"].dtype, self.dtype)]
        if widths[0] != widths[1] or "bool" in (given["x"].dtype, self.dtype):
            raise ValueError(f"the bits of {given['x'].dtype} are no {self.dtype}")
        return {"y": ValueType(self.dtype, given["x"].shape)}
