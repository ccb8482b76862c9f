"""Activations, named by their formulas: those that ONNX has, too. `Softmax` and `LogSoftmax` act along an axis."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from irconv.ir.layers.base import (
    AxisBehaviour,
    AxisFields,
    Barrier,
    Decomposition,
    Layer,
    LiteralOperand,
    Parameter,
    Pointwise,
    Step,
    ValueType,
)
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.ranges import Axis
from irconv.ir.layers.tensor_ops import Add, Constant, Mul
from irconv.ir.shapes import Dimension


class _Activation(Layer):
    BEHAVIOUR: ClassVar[AxisBehaviour] = Pointwise()


class Relu(_Activation):
    """``max(x, 0)``."""

    type: Literal["Relu"] = "Relu"


class LeakyRelu(_Activation):
    """``x`` where positive, else ``slope x``. Defaults differ: Keras layer 0.3, tf.nn 0.2, PyTorch and ONNX 0.01."""

    type: Literal["LeakyRelu"] = "LeakyRelu"
    slope: float


class ThresholdedRelu(_Activation):
    """``x`` where ``x > threshold``, else 0."""

    type: Literal["ThresholdedRelu"] = "ThresholdedRelu"
    threshold: float


class Clip(_Activation):
    """``min(max(x, low), high)``; None leaves that side open. ReLU6 is ``low=0, high=6``."""

    type: Literal["Clip"] = "Clip"
    low: float | None
    high: float | None


class GeneralRelu(_Activation):
    """Keras' ReLU with all its settings: ``min(x, max_value)`` where ``x > threshold``, else
    ``negative_slope (x - threshold)``; `max_value` None leaves the top open."""

    type: Literal["GeneralRelu"] = "GeneralRelu"
    max_value: float | None
    negative_slope: float
    threshold: Annotated[float, Field(ge=0)]

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        low = LiteralOperand(literal=-self.threshold, dtype="float32")
        slope = LiteralOperand(literal=self.negative_slope, dtype="float32")
        return [
            Step(ThresholdedRelu(threshold=self.threshold), {"x": "x"}, {"y": "above"}),
            Step(Clip(low=0.0, high=self.max_value), {"x": "above"}, {"y": "top"}),
            Step(Constant(operands={"value": low}), {}, {"y": "low"}),
            Step(Add(), {"x0": "x", "x1": "low"}, {"y": "shifted"}),
            Step(Clip(low=None, high=0.0), {"x": "shifted"}, {"y": "below"}),
            Step(Constant(operands={"value": slope}), {}, {"y": "slope"}),
            Step(Mul(), {"x0": "below", "x1": "slope"}, {"y": "bottom"}),
            Step(Add(), {"x0": "top", "x1": "bottom"}, {"y": "y"}),
        ]


class Elu(_Activation):
    """``x`` where positive, else ``alpha (exp(x) - 1)``."""

    type: Literal["Elu"] = "Elu"
    alpha: float


class Selu(_Activation):
    """``scale x`` where positive, else ``scale alpha (exp(x) - 1)``, with alpha 1.6732632423543772 and scale
    1.0507009873554805 (Klambauer et al. 2017)."""

    type: Literal["Selu"] = "Selu"


class Sigmoid(_Activation):
    """``1 / (1 + exp(-x))``."""

    type: Literal["Sigmoid"] = "Sigmoid"


class HardSigmoid(_Activation):
    """``min(max(slope x + offset, 0), 1)``.

    Theano, TensorFlow and Keras up to 2: slope 0.2; Keras 3 and PyTorch: slope 1/6; offset 0.5 in both.
    """

    type: Literal["HardSigmoid"] = "HardSigmoid"
    slope: float
    offset: float


class Tanh(_Activation):
    """``tanh(x)``."""

    type: Literal["Tanh"] = "Tanh"


class Softplus(_Activation):
    """``log(1 + exp(x))``."""

    type: Literal["Softplus"] = "Softplus"


class Softsign(_Activation):
    """``x / (1 + abs(x))``."""

    type: Literal["Softsign"] = "Softsign"


class Exp(_Activation):
    """``exp(x)``."""

    type: Literal["Exp"] = "Exp"


class Silu(_Activation):
    """``x sigmoid(x)``, also called swish."""

    type: Literal["Silu"] = "Silu"

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        return [
            Step(Sigmoid(), {"x": "x"}, {"y": "gate"}),
            Step(Mul(), {"x0": "x", "x1": "gate"}, {"y": "y"}),
        ]


class Gelu(_Activation):
    """``x Phi(x)`` with the normal distribution function Phi, exact (``none``, by erf) or by its ``tanh`` formula.

    Keras, PyTorch: exact unless asked; GPT-2 and TF1 BERT code: tanh.
    """

    type: Literal["Gelu"] = "Gelu"
    approximation: Literal["none", "tanh"]


class HardSwish(_Activation):
    """``x min(max(x / 6 + 0.5, 0), 1)``: PyTorch's Hardswish, Keras' hard_silu and hard_swish."""

    type: Literal["HardSwish"] = "HardSwish"


class HardShrink(_Activation):
    """``x`` where ``abs(x) > threshold``, else 0."""

    type: Literal["HardShrink"] = "HardShrink"
    threshold: float


class SoftShrink(_Activation):
    """``x - threshold`` above `threshold`, ``x + threshold`` below ``-threshold``, else 0."""

    type: Literal["SoftShrink"] = "SoftShrink"
    threshold: float


class Celu(_Activation):
    """``x`` where positive, else ``alpha (exp(x / alpha) - 1)``: smooth at 0 for every alpha, which `Elu` is not."""

    type: Literal["Celu"] = "Celu"
    alpha: float


class Mish(_Activation):
    """``x tanh(log(1 + exp(x)))``."""

    type: Literal["Mish"] = "Mish"


class PRelu(Layer):
    """``x`` where positive, else ``slope x`` with a learned slope.

    Axis i of the slope lies along axis i + 1 of x; an axis of length 1 is shared, and so are axes that the slope does
    not have. PyTorch: one slope (1) or one for each channel (c). Keras: one for each element but for the `shared_axes`,
    which have length 1, such as (c, 1, 1); its file has them in the order of the source's axes.

    Axes: x and y (n, c, \\*s), slope (c, \\*s).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"slope": Parameter("c *s")}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["PRelu"] = "PRelu"

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, slope = given["x"], given["slope"].shape
        if len(slope) >= len(x.shape) or not all(map(_shared_or_equal, slope, x.shape[1:])):
            raise ValueError(f"a slope of shape {slope} does not lie along the axes of {x.shape} after the first")
        return {"y": x}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        """The slope as an operand that numpy's broadcasting puts in the right place."""
        rank, slope = len(given["x"].shape), given["slope"].shape
        if len(slope) == rank - 1:
            return None
        f = Formula(self, given)
        return f.ends(PRelu(), "x", f.along("slope", tuple(range(1, len(slope) + 1)), rank))


def _shared_or_equal(slope: Dimension, size: Dimension) -> bool:
    return slope in (1, size) or isinstance(size, str)


class Softmax(Layer):
    """``exp(x) / sum of exp(x)`` along one axis. Keras: the last one; ONNX before opset 13 flattened from `axis` on."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("axis",))

    type: Literal["Softmax"] = "Softmax"
    axis: Axis


class LogSoftmax(Layer):
    """``log(softmax(x))`` along one axis: ``x - log(sum of exp(x))``."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("axis",))

    type: Literal["LogSoftmax"] = "LogSoftmax"
    axis: Axis
