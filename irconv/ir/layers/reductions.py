"""Reductions that need a divisor, and those along computed axes."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from irconv.ir.layers.arithmetic import Div, Sub
from irconv.ir.layers.base import AxisBehaviour, Barrier, Decomposition, Layer, Reduction, ValueType
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.elementwise import Sqrt
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.ranges import Axes, Count
from irconv.ir.layers.shape_ops import SizeOf
from irconv.ir.layers.tensor_ops import Mul, Reduce, reduced_shape
from irconv.ir.shapes import Dimension, size_product


class Variance(Layer):
    """``sum((x - mean(x))^2) / (n - correction)`` over the n elements along whole axes.

    `correction`: 0 in Keras, TensorFlow and NumPy (biased), 1 in PyTorch unless asked (unbiased).
    """

    BEHAVIOUR: ClassVar[AxisBehaviour] = Reduction()

    type: Literal["Variance"] = "Variance"
    axes: Axes
    keepdims: bool
    correction: Count

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        return {"y": ValueType(x.dtype, reduced_shape(x.shape, self.axes, self.keepdims))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f, x = Formula(self, given), given["x"]
        away = f(Sub(), "x", f(Reduce(op="mean", axes=self.axes, keepdims=True), "x"))
        squares = f(Mul(), away, away)
        if not self.correction:
            return f.ends(Reduce(op="mean", axes=self.axes, keepdims=self.keepdims), squares)
        total = f(Reduce(op="sum", axes=self.axes, keepdims=self.keepdims), squares)
        count = size_product(x.shape[axis] for axis in self.axes).dimension
        if isinstance(count, int):
            return f.ends(Div(), total, f.number(float(count - self.correction)))
        elements = ""
        for axis in self.axes:
            size = f(Cast(dtype=x.dtype), f(SizeOf(axis=axis), "x"))
            elements = f(Mul(), elements, size) if elements else size
        divisor = f(Sub(), f(Reduce(op="sum", axes=(0,), keepdims=False), elements), f.number(float(self.correction)))
        return f.ends(Div(), total, divisor)


class StandardDeviation(Layer):
    """The square root of `Variance`, with the same fields."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = Reduction()

    type: Literal["StandardDeviation"] = "StandardDeviation"
    axes: Axes
    keepdims: bool
    correction: Count

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        return {"y": ValueType(x.dtype, reduced_shape(x.shape, self.axes, self.keepdims))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        return f.ends(Sqrt(), f(Variance(axes=self.axes, keepdims=self.keepdims, correction=self.correction), "x"))


class ReduceAlong(Layer):
    """`Reduce` along axes that the model computes; `op` and `keepdims` are its.

    `axes` may count from the end; where there are none, `empty` says whether that means ``all`` or ``none`` of them.
    `sizes` are those of the result: how long each axis is only running tells, where it may be one of those that are
    reduced.

    Axes: x (any), axes (i), int64.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "*a", "axes": "i"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()
    MAKES: ClassVar[tuple[str, ...]] = ("sizes",)

    type: Literal["ReduceAlong"] = "ReduceAlong"
    op: Literal["mean", "sum", "max", "min", "prod", "l1", "l2", "sum_square", "log_sum", "log_sum_exp", "any", "all"]
    keepdims: bool
    empty: Literal["all", "none"]
    sizes: tuple[Dimension, ...]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, axes = given["x"], given["axes"]
        count = axes.shape[0] if len(axes.shape) == 1 else None
        rank = len(x.shape) - (count if isinstance(count, int) and not self.keepdims else 0)
        if (self.op in ("any", "all")) != (x.dtype == "bool"):
            raise ValueError(f"{self.op} of values of type {x.dtype} has no meaning")
        if axes.dtype != "int64" or count is None or rank != len(self.sizes):
            raise ValueError(f"axes of {axes.dtype} {axes.shape} of a value {x.shape} do not leave sizes {self.sizes}")
        return {"y": ValueType(x.dtype, self.sizes)}
