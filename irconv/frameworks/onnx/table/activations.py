"""Activations: ONNX ops <-> IR layers."""

from __future__ import annotations

from irconv.codec import Codec
from irconv.frameworks.onnx.table.rows import unary
from irconv.ir.layers.activations import Clip, Elu, Gelu, HardSigmoid, LeakyRelu, Softmax, ThresholdedRelu
from irconv.rows import Attribute, ConstantInput, Input

CODECS: list[Codec] = [
    unary("Relu", "Relu"),
    Codec("LeakyRelu", LeakyRelu, Input("x"), Attribute("alpha", "slope")),
    Codec("ThresholdedRelu", ThresholdedRelu, Input("x"), Attribute("alpha", "threshold")),
    Codec("Clip", Clip, Input("x"), ConstantInput("min", "low", "float32"), ConstantInput("max", "high", "float32")),
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
]
