"""Activations: ONNX ops <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.onnx.table.rows import unary
from irconv.ir.dtypes import shortest_float32
from irconv.ir.layers.activations import (
    Celu,
    Clip,
    Elu,
    Gelu,
    HardShrink,
    HardSigmoid,
    LeakyRelu,
    LogSoftmax,
    PRelu,
    Softmax,
    SoftShrink,
    ThresholdedRelu,
)
from irconv.ir.layers.base import Layer, ValueType
from irconv.rows import Attribute, ConstantInput, Input, Selects, Weight


@dataclass(frozen=True)
class _BiasOfShrink(Row):
    """The bias of a SoftShrink is its threshold."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        if (bias := native.config.pop("bias")) != (threshold := native.config["lambd"]):
            raise draft.refuse(f"expected the bias of a Shrink to be 0 or its lambd, {threshold}, got {bias}")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config["bias"] = draft.fields["threshold"]


@dataclass(frozen=True)
class _Bound(Row):
    """A bound of Clip: a constant input of the type of x, or none."""

    native: str
    field: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        bound = native.tensors.pop(self.native, None)
        draft.fields[self.field] = None if bound is None else shortest_float32(bound.data.numpy())

    def encode(self, draft: Draft, native: Workpiece) -> None:
        ConstantInput(self.native, self.field, draft.types["x"].dtype).encode(draft, native)


@dataclass(frozen=True)
class _SlopeOfFullRank(Row):
    """ONNX broadcasts the slope as numpy does, so it must have all axes of x but the first."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return len(given["slope"].shape) == len(given["x"].shape) - 1


CODECS: list[Codec] = [
    unary("Relu", "Relu"),
    Codec("LeakyRelu", LeakyRelu, Input("x"), Attribute("alpha", "slope")),
    Codec("ThresholdedRelu", ThresholdedRelu, Input("x"), Attribute("alpha", "threshold")),
    Codec("Clip", Clip, Input("x"), _Bound("min", "low"), _Bound("max", "high")),
    Codec("Elu", Elu, Input("x"), Attribute("alpha")),
    unary("Selu", "Selu"),
    unary("Sigmoid", "Sigmoid"),
    Codec("HardSigmoid", HardSigmoid, Input("x"), Attribute("alpha", "slope"), Attribute("beta", "offset")),
    unary("Tanh", "Tanh"),
    unary("Softplus", "Softplus"),
    unary("Softsign", "Softsign"),
    unary("Exp", "Exp"),
    Codec("Gelu", Gelu, Input("x"), Attribute("approximate", "approximation"), since=20),
    Codec("Softmax", Softmax, Input("x"), Attribute("axis")),
    Codec("LogSoftmax", LogSoftmax, Input("x"), Attribute("axis")),
    unary("HardSwish", "HardSwish"),
    unary("Mish", "Mish"),
    Codec("Celu", Celu, Input("x"), Attribute("alpha")),
    Codec("Shrink", HardShrink, Input("x"), Attribute("lambd", "threshold"), Selects("bias", 0.0)),
    Codec("Shrink", SoftShrink, Input("x"), _BiasOfShrink(), Attribute("lambd", "threshold")),
    Codec("PRelu", PRelu, _SlopeOfFullRank(), Input("x"), Weight("slope", "slope", "c *s", positional=True)),
]
