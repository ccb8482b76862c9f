"""Normalisations without weights."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from irconv.ir.layers.activations import Clip
from irconv.ir.layers.arithmetic import Div, Pow, Sub
from irconv.ir.layers.base import (
    AxisBehaviour,
    AxisFields,
    Barrier,
    Decomposition,
    Layer,
    LiteralOperand,
    ValueType,
)
from irconv.ir.layers.convolution import Conv
from irconv.ir.layers.elementwise import Abs, Sqrt, Square
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.ranges import Axes, Count, Epsilon, written_out
from irconv.ir.layers.tensor_ops import Add, Reduce


class LocalResponseNorm(Layer):
    """Divides each element by the size of its neighbours on axis 1:
    ``y = x / (k + a (sum of squares))^beta`` over the channels from c - before to c + after, as far as there are such.

    `alpha_of` says what alpha is for. ``window``: a is ``alpha / (before + after + 1)``, channels that are not there
    included (PyTorch, ONNX, Caffe). ``element``: a is alpha (TensorFlow, Theano, Lasagne, the paper). TensorFlow's
    `depth_radius` is both before and after. Windows of even size n differ: PyTorch has n / 2 before, ONNX n / 2 after.
    Axes: x and y (n, c, \\*s).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["LocalResponseNorm"] = "LocalResponseNorm"
    before: Count
    after: Count
    alpha: float
    alpha_of: Literal["window", "element"]
    beta: float
    k: float

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        """The sums as a convolution with ones near the diagonal."""
        channels = given["x"].shape[1]
        if not isinstance(channels, int):
            return None
        f, rank = Formula(self, given), len(given["x"].shape)
        factor = self.alpha / (self.before + self.after + 1 if self.alpha_of == "window" else 1)
        written_out(channels**2, f"a sum over {channels} channels")
        band = [[factor * (-self.before <= j - i <= self.after) for j in range(channels)] for i in range(channels)]
        kernel = LiteralOperand(literal=_with_unit_axes(band, rank - 2), dtype=given["x"].dtype)
        unit = (1,) * (rank - 2)
        sums = Conv(stride=unit, dilation=unit, groups=1, padding=((0, 0),) * (rank - 2), operands={"kernel": kernel})
        base = f(Add(), f(sums, f(Square(), "x")), f.number(self.k))
        return f.ends(Div(), "x", f(Pow(), base, f.number(self.beta)))


class UnitNorm(Layer):
    """Divides by the norm over `axes`: ``sum(abs(x))`` for `order` 1, ``sqrt(sum(x x))`` for 2.

    `epsilon` keeps small norms from being divided by. ``least="norm"``: ``x / max(norm, epsilon)`` (PyTorch's
    F.normalize, Keras' UnitNormalization with 1e-12). ``least="square_sum"``: ``x / sqrt(max(sum(x x), epsilon))``
    (TensorFlow's l2_normalize, also 1e-12, which is another number here).
    """

    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("axes",))

    type: Literal["UnitNorm"] = "UnitNorm"
    axes: Axes
    order: Literal[1, 2]
    epsilon: Epsilon
    least: Literal["norm", "square_sum"]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        if self.order == 1 and self.least == "square_sum":
            raise ValueError("a norm of order 1 has no sum of squares")
        return {"y": given["x"]}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        size = f(Abs() if self.order == 1 else Square(), "x")
        total = f(Reduce(op="sum", axes=tuple(sorted(self.axes)), keepdims=True), size)
        least = Clip(low=self.epsilon, high=None)
        if self.order == 1:
            return f.ends(Div(), "x", f(least, total))
        norm = f(least, f(Sqrt(), total)) if self.least == "norm" else f(Sqrt(), f(least, total))
        return f.ends(Div(), "x", norm)


class MeanVarianceNorm(Layer):
    """``(x - mean) / (std + epsilon)`` over `axes`, or ``x - mean`` alone without `divide` (Caffe's MVN, ONNX's
    MeanVarianceNormalization with epsilon 1e-9). `LayerNorm` without gamma and beta has its epsilon under the root."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("axes",))

    type: Literal["MeanVarianceNorm"] = "MeanVarianceNorm"
    axes: Axes
    divide: bool
    epsilon: Epsilon

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        f = Formula(self, given)
        mean = Reduce(op="mean", axes=tuple(sorted(self.axes)), keepdims=True)
        if not self.divide:
            return f.ends(Sub(), "x", f(mean, "x"))
        centred = f(Sub(), "x", f(mean, "x"))
        std = f(Sqrt(), f(mean, f(Square(), centred)))
        return f.ends(Div(), centred, f(Add(), std, f.number(self.epsilon)))


def _with_unit_axes(matrix: list[list[float]], count: int) -> list[object]:
    """The matrix with as many axes of length 1 behind its own."""

    def wrapped(number: float) -> object:
        value: object = number
        for _ in range(count):
            value = [value]
        return value

    return [[wrapped(number) for number in row] for row in matrix]
