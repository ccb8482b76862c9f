"""Activations: Keras layers and names <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.keras.table.rows import EVERY_LAYER, FLOAT32, IMAGE
from irconv.ir.layers import layer_class
from irconv.ir.layers.activations import (
    Clip,
    Elu,
    GeneralRelu,
    LeakyRelu,
    PRelu,
    Relu,
    Softmax,
    ThresholdedRelu,
)
from irconv.ir.layers.base import Layer, ValueType
from irconv.rows import Attribute, Axes, AxisNumber, Ignored, LastAxis, Only, Selects, Weight

#: Word of Keras, IR type, and the fields that the word fixes. ``hard_sigmoid_of_keras_3`` is a word of `spelling`.
_ELEMENTWISE: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("linear", "Identity", {}),
    ("relu", "Relu", {}),
    ("hard_silu", "HardSwish", {}),
    ("hard_sigmoid_of_keras_3", "HardSigmoid", {"slope": 1 / 6, "offset": 0.5}),
    ("hard_sigmoid", "HardSigmoid", {"slope": 0.2, "offset": 0.5}),
    ("sparse_sigmoid", "HardSigmoid", {"slope": 0.5, "offset": 0.5}),
    ("leaky_relu", "LeakyRelu", {"slope": 0.2}),
    ("relu6", "Clip", {"low": 0.0, "high": 6.0}),
    ("hard_tanh", "Clip", {"low": -1.0, "high": 1.0}),
    ("sigmoid", "Sigmoid", {}),
    ("tanh", "Tanh", {}),
    ("softplus", "Softplus", {}),
    ("softsign", "Softsign", {}),
    ("selu", "Selu", {}),
    ("exponential", "Exp", {}),
    ("swish", "Silu", {}),
    ("silu", "Silu", {}),
    ("mish", "Mish", {}),
    ("gelu", "Gelu", {"approximation": "none"}),
    ("elu", "Elu", {"alpha": 1.0}),
    ("celu", "Celu", {"alpha": 1.0}),
    ("log_sigmoid", "LogSigmoid", {}),
    ("hard_shrink", "HardShrink", {"threshold": 0.5}),
    ("soft_shrink", "SoftShrink", {"threshold": 0.5}),
    ("tanh_shrink", "TanhShrink", {}),
    ("squareplus", "Squareplus", {"b": 4.0}),
    ("sparse_plus", "SparsePlus", {}),
)

#: Those that act along the last axis.
_ALONG: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("softmax", "Softmax", {}),
    ("log_softmax", "LogSoftmax", {}),
    ("sparsemax", "Sparsemax", {"tau_of": "keras"}),
)


def _activation(word: str, layer: str, fields: Mapping[str, Any], *rows: Row) -> Codec:
    only = (Only(name, value) for name, value in fields.items())
    return Codec("Activation", layer_class(layer), EVERY_LAYER, Selects("activation", word), *only, *rows)


@dataclass(frozen=True)
class SharedAxes(Row):
    """The axes, counted from 1, that one slope stands for: those along which it has length 1. It follows the slope."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        shared, slope = native.config.pop("shared_axes") or [], draft.types["slope"].shape
        order = draft.mapped["slope"].weight.data.shape
        if any(not 0 < axis <= len(order) or order[axis - 1] != 1 for axis in shared):
            raise draft.refuse(f"shared_axes is {shared}, but the slopes have shape {order}")
        if len(slope) != draft.ranks[0] - 1:
            raise draft.refuse(f"slopes of shape {order} do not fit a value of rank {draft.ranks[0]}")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        slope = draft.types["slope"].shape
        order = (*slope[1:], slope[0])  # as the weight is written, the channels last
        native.config["shared_axes"] = [axis for axis, size in enumerate(order, 1) if size == 1] or None

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return len(given["slope"].shape) == len(given["x"].shape) - 1


CODECS: list[Codec] = [
    *(_activation(*named) for named in _ELEMENTWISE),
    *(_activation(*named, LastAxis()) for named in _ALONG),
    Codec(
        "ReLU",
        Relu,
        EVERY_LAYER,
        Selects("max_value", None),
        Selects("negative_slope", 0.0),
        Selects("threshold", 0.0),
    ),
    Codec(
        "ReLU",
        LeakyRelu,
        EVERY_LAYER,
        Selects("max_value", None),
        Selects("threshold", 0.0),
        Attribute("negative_slope", "slope", FLOAT32),
    ),
    Codec(
        "ReLU",
        Clip,
        EVERY_LAYER,
        Selects("negative_slope", 0.0),
        Selects("threshold", 0.0),
        Attribute("max_value", "high", FLOAT32),
        Only("low", 0.0),
    ),
    Codec(
        "ReLU",
        GeneralRelu,
        EVERY_LAYER,
        Attribute("max_value", iso=FLOAT32),
        Attribute("negative_slope", iso=FLOAT32),
        Attribute("threshold", iso=FLOAT32),
    ),
    Codec("LeakyReLU", LeakyRelu, EVERY_LAYER, Attribute("alpha", "slope", FLOAT32)),
    Codec(
        "PReLU",
        PRelu,
        EVERY_LAYER,
        Ignored("alpha_initializer alpha_regularizer alpha_constraint"),
        Weight("alpha", "slope", {"channels_last": "*s c", "channels_first": "c *s"}, by="alpha_order"),
        SharedAxes(),
        Axes("data_format", IMAGE),
    ),
    Codec("ThresholdedReLU", ThresholdedRelu, EVERY_LAYER, Attribute("theta", "threshold", FLOAT32)),
    Codec("ELU", Elu, EVERY_LAYER, Attribute("alpha", iso=FLOAT32)),
    Codec("Softmax", Softmax, EVERY_LAYER, AxisNumber("axis")),
]

#: Keras' Activation layer takes its result to have the shape of its input, which ``glu`` halves.
READ: list[Codec] = [_activation("glu", "Glu", {}, LastAxis())]
