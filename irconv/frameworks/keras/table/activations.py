"""Activations: Keras layers and names <-> IR layers."""

from __future__ import annotations

from irconv.codec import Codec, Row
from irconv.frameworks.keras.table.rows import EVERY_LAYER, FLOAT32
from irconv.ir.layers import layer_class
from irconv.ir.layers.activations import (
    Clip,
    Elu,
    Gelu,
    GeneralRelu,
    HardSigmoid,
    LeakyRelu,
    Relu,
    Softmax,
    ThresholdedRelu,
)
from irconv.ir.layers.tensor_ops import Identity
from irconv.rows import Attribute, AxisNumber, LastAxis, Only, Selects


def _activation(word: str, layer: str, *rows: Row) -> Codec:
    return Codec("Activation", layer_class(layer), EVERY_LAYER, Selects("activation", word), *rows)


CODECS: list[Codec] = [
    Codec("Activation", Identity, EVERY_LAYER, Selects("activation", "linear")),
    _activation("relu", "Relu"),
    _activation("hard_silu", "HardSwish"),
    Codec(
        "Activation",
        HardSigmoid,
        EVERY_LAYER,
        Selects("activation", "hard_sigmoid_of_keras_3"),
        Only("slope", 1 / 6),
        Only("offset", 0.5),
    ),
    Codec("Activation", LeakyRelu, EVERY_LAYER, Selects("activation", "leaky_relu"), Only("slope", 0.2)),
    Codec("Activation", Clip, EVERY_LAYER, Selects("activation", "relu6"), Only("low", 0.0), Only("high", 6.0)),
    _activation("sigmoid", "Sigmoid"),
    _activation("tanh", "Tanh"),
    _activation("softplus", "Softplus"),
    _activation("softsign", "Softsign"),
    _activation("selu", "Selu"),
    _activation("exponential", "Exp"),
    _activation("swish", "Silu"),
    _activation("silu", "Silu"),
    Codec("Activation", Gelu, EVERY_LAYER, Selects("activation", "gelu"), Only("approximation", "none")),
    Codec("Activation", Elu, EVERY_LAYER, Selects("activation", "elu"), Only("alpha", 1.0)),
    Codec("Activation", Softmax, EVERY_LAYER, Selects("activation", "softmax"), LastAxis()),
    Codec(
        "Activation",
        HardSigmoid,
        EVERY_LAYER,
        Selects("activation", "hard_sigmoid"),
        Only("slope", 0.2),
        Only("offset", 0.5),
    ),
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
    Codec("ThresholdedReLU", ThresholdedRelu, EVERY_LAYER, Attribute("theta", "threshold", FLOAT32)),
    Codec("ELU", Elu, EVERY_LAYER, Attribute("alpha", iso=FLOAT32)),
    Codec("Softmax", Softmax, EVERY_LAYER, AxisNumber("axis")),
]
