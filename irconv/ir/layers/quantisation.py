"""Numbers kept as small integers: ``real = (integer - zero_point) scale``."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from irconv.ir.layers.arithmetic import Div, Maximum, Minimum, Sub
from irconv.ir.layers.base import AxisBehaviour, Barrier, Decomposition, Layer, Parameter, ValueType
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.elementwise import Reciprocal, Round
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.ranges import Axis
from irconv.ir.layers.tensor_ops import Add, Mul, Reduce, Reshape
from irconv.ir.shapes import static

_SCALE: Mapping[str, Parameter] = {"scale": Parameter("*q"), "zero_point": Parameter("*q")}


def _check(layer: Layer, given: Mapping[str, ValueType], axis: int | None) -> None:
    """Raises `ValueError` where scale and zero point are not one number, or not one for each index of `axis`."""
    x, scale, zero = given["x"], given["scale"].shape, given["zero_point"].shape
    wanted = () if axis is None else (x.shape[axis],)
    if scale != zero or len(scale) != len(wanted) or (static(wanted) is not None and scale != wanted):
        raise ValueError(f"scale of shape {scale} and zero point of shape {zero} do not fit axis {axis} of {x.shape}")


def _along(f: Formula, given: Mapping[str, ValueType], axis: int | None, dtype: str) -> tuple[str, str]:
    """Scale and zero point as values of a type that broadcast along `axis` of x."""
    scale, zero = f.operand("scale"), f(Cast(dtype=dtype), f.operand("zero_point"))
    if axis is None:
        return scale, zero
    along = Reshape(shape=(*given["scale"].shape, *(1,) * (len(given["x"].shape) - axis - 1)))
    return f(along, scale), f(along, zero)


class QuantizeLinear(Layer):
    """x as integers of the zero point's type; halves round to even, and what does not fit becomes the end of the range.

    `rounds` says what is rounded: ``quotient`` is ``round(x / scale) + zero_point`` (ONNX), ``sum`` is
    ``round(x (1 / scale) + zero_point)`` (PyTorch), which differs at halves where the zero point is odd. Scale and zero
    point are one number each (`axis` None), or one for each index of `axis`.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = _SCALE
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()
    ALIKE: ClassVar[tuple[str, ...] | None] = ()

    type: Literal["QuantizeLinear"] = "QuantizeLinear"
    axis: Axis | None
    rounds: Literal["quotient", "sum"]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        _check(self, given, self.axis)
        return {"y": ValueType(given["zero_point"].dtype, given["x"].shape)}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        f, integers = Formula(self, given), given["zero_point"].dtype
        if not integers.lstrip("u").startswith("int"):  # float8 has other ends
            return None
        scale, zero = _along(f, given, self.axis, given["x"].dtype)
        if self.rounds == "quotient":
            whole = f(Add(), f(Round(), f(Div(), "x", scale)), zero)
        else:
            whole = f(Round(), f(Add(), f(Mul(), "x", f(Reciprocal(), scale)), zero))
        bits, signed = int(integers.lstrip("uint")), not integers.startswith("u")
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        inside = f(Minimum(), f(Maximum(), whole, f.number(float(low))), f.number(float(high)))
        return f.ends(Cast(dtype=integers), inside)


class DequantizeLinear(Layer):
    """``(x - zero_point) scale``, of the scale's type; one number each (`axis` None) or one for each index of it."""

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = _SCALE
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()
    ALIKE: ClassVar[tuple[str, ...] | None] = ("x zero_point",)

    type: Literal["DequantizeLinear"] = "DequantizeLinear"
    axis: Axis | None

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        _check(self, given, self.axis)
        return {"y": ValueType(given["scale"].dtype, given["x"].shape)}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        f, real = Formula(self, given), given["scale"].dtype
        scale, zero = _along(f, given, self.axis, real)
        return f.ends(Mul(), f(Sub(), f(Cast(dtype=real), "x"), zero), scale)


class FakeQuantize(Layer):
    """The real numbers that quantised ones mean: ``(min(max(q, low), high) - zero_point) scale`` with
    ``q = round(x (1 / scale)) + zero_point``; halves round to even.

    What networks are trained with before they are quantised. `low` and `high` are the ends of the integers' range, such
    as -128 and 127; scale and zero point as in `QuantizeLinear`. The reciprocal is PyTorch's, and decides near halves.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = _SCALE
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()
    ALIKE: ClassVar[tuple[str, ...] | None] = ("x scale",)

    type: Literal["FakeQuantize"] = "FakeQuantize"
    axis: Axis | None
    low: int
    high: int

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        _check(self, given, self.axis)
        return {"y": given["x"]}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        scale, zero = _along(f, given, self.axis, given["x"].dtype)
        whole = f(Add(), f(Round(), f(Mul(), "x", f(Reciprocal(), scale))), zero)
        inside = f(Minimum(), f(Maximum(), whole, f.number(float(self.low))), f.number(float(self.high)))
        return f.ends(Mul(), f(Sub(), inside, zero), scale)


class DynamicQuantizeLinear(Layer):
    """x as uint8, with the scale and zero point that its own smallest and largest element ask for.

    ``scale = (max(x, 0) - min(x, 0)) / 255``, ``zero_point = saturate(round(0 - min(x, 0) / scale))``; halves round to
    even. Results: y, scale (float32) and zero_point (uint8), one number each.
    """

    RESULTS: ClassVar[Mapping[str, str]] = {"y": "*a", "scale": "", "zero_point": ""}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["DynamicQuantizeLinear"] = "DynamicQuantizeLinear"

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        integers = ValueType("uint8", given["x"].shape)
        return {"y": integers, "scale": ValueType("float32", ()), "zero_point": ValueType("uint8", ())}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f, axes = Formula(self, given), tuple(range(len(given["x"].shape)))
        none, most = f.number(0.0), f.number(255.0)
        low = f(Minimum(), f(Reduce(op="min", axes=axes, keepdims=False), "x"), none)
        high = f(Maximum(), f(Reduce(op="max", axes=axes, keepdims=False), "x"), none)
        scale = f.result("scale", Div(), f(Sub(), high, low), most)
        zero = f(Minimum(), f(Maximum(), f(Round(), f(Div(), f(Sub(), none, low), scale)), none), most)
        f.result("zero_point", Cast(dtype="uint8"), zero)
        whole = f(Add(), f(Round(), f(Div(), "x", scale)), zero)
        return f.ends(Cast(dtype="uint8"), f(Minimum(), f(Maximum(), whole, none), most))
