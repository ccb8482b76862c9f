"""Activations that are made of simpler ones, named by their formulas.

`Glu`, `Crelu`, `Softmin` and `Sparsemax` act along an axis, the others on each element alone.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from irconv.ir.layers.activations import Clip, Relu, Sigmoid, Softmax, Softplus, Tanh
from irconv.ir.layers.base import AxisBehaviour, AxisFields, Decomposition, Layer, ValueType
from irconv.ir.layers.comparisons import Cast, Equal, Greater, Less, Unary, Where
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.ranges import Axis
from irconv.ir.layers.tensor_ops import Add, Concat, Mul, Reduce
from irconv.ir.shapes import Size


class Threshold(Unary):
    """``x`` where ``x > threshold``, else `value`; `ThresholdedRelu` is this with value 0."""

    type: Literal["Threshold"] = "Threshold"
    threshold: float
    value: float

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        above = f(Greater(), "x", f.number(self.threshold))
        return f.ends(Where(), above, "x", f.number(self.value))


class TanhShrink(Unary):
    """``x - tanh(x)``."""

    type: Literal["TanhShrink"] = "TanhShrink"

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        from irconv.ir.layers.arithmetic import Sub

        f = Formula(self, given)
        return f.ends(Sub(), "x", f(Tanh(), "x"))


class LogSigmoid(Unary):
    """``log(sigmoid(x))``, computed as ``-log(1 + exp(-x))``."""

    type: Literal["LogSigmoid"] = "LogSigmoid"

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        from irconv.ir.layers.elementwise import Neg

        f = Formula(self, given)
        return f.ends(Neg(), f(Softplus(), f(Neg(), "x")))


class ScaledSoftplus(Unary):
    """``log(1 + exp(beta x)) / beta``: PyTorch's Softplus with a beta.

    `Softplus` is this with beta 1. PyTorch's `threshold`, above which it returns x, changes no digit at its default 20.
    """

    type: Literal["ScaledSoftplus"] = "ScaledSoftplus"
    beta: float

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        from irconv.ir.layers.arithmetic import Div

        f = Formula(self, given)
        beta = f.number(self.beta)
        return f.ends(Div(), f(Softplus(), f(Mul(), "x", beta)), beta)


class Squareplus(Unary):
    """``(x + sqrt(x x + b)) / 2``; Keras: b is 4 unless said."""

    type: Literal["Squareplus"] = "Squareplus"
    b: float

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        from irconv.ir.layers.elementwise import Sqrt, Square

        f = Formula(self, given)
        root = f(Sqrt(), f(Add(), f(Square(), "x"), f.number(self.b)))
        return f.ends(Mul(), f(Add(), "x", root), f.number(0.5))


class SparsePlus(Unary):
    """0 up to -1, ``(x + 1)^2 / 4`` between -1 and 1, x from 1 on (Keras). Keras' sparse_sigmoid is `HardSigmoid` with
    slope and offset 0.5."""

    type: Literal["SparsePlus"] = "SparsePlus"

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        from irconv.ir.layers.elementwise import Square

        f = Formula(self, given)
        one = f.number(1.0)
        bend = f(Mul(), f(Square(), f(Add(), f(Clip(low=-1.0, high=1.0), "x"), one)), f.number(0.25))
        return f.ends(Where(), f(Less(), "x", one), bend, "x")


class ScaledTanh(Unary):
    """``scale_out tanh(scale_in x)``: LeCun's 1.7159 tanh(2 x / 3), Lasagne's ScaledTanh (which has 1 and 1 unless
    said) and its LeCunTanh."""

    type: Literal["ScaledTanh"] = "ScaledTanh"
    scale_in: float
    scale_out: float

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        return f.ends(Mul(), f(Tanh(), f(Mul(), "x", f.number(self.scale_in))), f.number(self.scale_out))


class Swish(Unary):
    """``x sigmoid(beta x)``. With beta 1 it is `Silu`; with beta 1.702 it is the "quick gelu" of CLIP, an approximation
    that differs from both formulas of `Gelu`."""

    type: Literal["Swish"] = "Swish"
    beta: float

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        return f.ends(Mul(), "x", f(Sigmoid(), f(Mul(), "x", f.number(self.beta))))


class _AlongAxis(Layer):
    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("axis",))


class Glu(_AlongAxis):
    """``a sigmoid(b)``, where a and b are the first and the second half of x along `axis`."""

    type: Literal["Glu"] = "Glu"
    axis: Axis

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        size = x.shape[self.axis]
        if isinstance(size, int) and size % 2:
            raise ValueError(f"axis {self.axis} of shape {x.shape} does not halve")
        half = Size.of(size).floor_divide(2).dimension
        return {"y": ValueType(x.dtype, (*x.shape[: self.axis], half, *x.shape[self.axis + 1 :]))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        from irconv.ir.layers.slicing import Slice

        f = Formula(self, given)
        half = Size.of(given["x"].shape[self.axis]).floor_divide(2)
        middle, end = half.dimension, (half * 2).dimension
        first = f(Slice(axes=(self.axis,), starts=(0,), ends=(middle,), steps=(1,)), "x")
        second = f(Slice(axes=(self.axis,), starts=(middle,), ends=(end,), steps=(1,)), "x")
        return f.ends(Mul(), first, f(Sigmoid(), second))


class Crelu(_AlongAxis):
    """``max(x, 0)`` and ``max(-x, 0)`` joined along `axis`, which gets twice as long (TensorFlow)."""

    type: Literal["Crelu"] = "Crelu"
    axis: Axis

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        doubled = (Size.of(x.shape[self.axis]) * 2).dimension
        return {"y": ValueType(x.dtype, (*x.shape[: self.axis], doubled, *x.shape[self.axis + 1 :]))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        from irconv.ir.layers.elementwise import Neg

        f = Formula(self, given)
        return f.ends(Concat(axis=self.axis), f(Relu(), "x"), f(Relu(), f(Neg(), "x")))


class Softmin(_AlongAxis):
    """``softmax(-x)`` along one axis."""

    type: Literal["Softmin"] = "Softmin"
    axis: Axis

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        from irconv.ir.layers.elementwise import Neg

        f = Formula(self, given)
        return f.ends(Softmax(axis=self.axis), f(Neg(), "x"))


class Sparsemax(_AlongAxis):
    """``max(x - tau, 0)`` along one axis, sparse where `Softmax` is merely small.

    With x in falling order, k is the last place for which ``1 + k x[k] > x[1] + ... + x[k]``. ``tau_of`` says whose tau
    it is. ``simplex``: ``(x[1] + ... + x[k] - 1) / k``, so that the result is the point of the probability simplex
    nearest to x (Martins and Astudillo 2016; TensorFlow Addons). ``keras``: Keras 3 adds up the k running sums instead
    of taking the last, and its results do not sum to 1.
    """

    type: Literal["Sparsemax"] = "Sparsemax"
    axis: Axis
    tau_of: Literal["simplex", "keras"]

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        from irconv.ir.layers.arithmetic import CumSum, Div, Sub
        from irconv.ir.layers.indexing import Sort

        f = Formula(self, given)
        dtype, one = given["x"].dtype, f.number(1.0)
        running = CumSum(axis=self.axis, exclusive=False, reverse=False)
        total = Reduce(op="sum", axes=(self.axis,), keepdims=True)
        falling = f(Sort(axis=self.axis, descending=True), "x")
        rank = f(running, f(Cast(dtype=dtype), f(Equal(), falling, falling)))
        sums = f(running, falling)
        counts = f(Greater(), f(Add(), one, f(Mul(), rank, falling)), sums)
        count = f(total, f(Cast(dtype=dtype), counts))
        added = falling if self.tau_of == "simplex" else sums
        counted = f(total, f(Where(), counts, added, f.number(0.0)))
        tau = f(Div(), f(Sub(), counted, one), count)
        return f.ends(Relu(), f(Sub(), "x", tau))
