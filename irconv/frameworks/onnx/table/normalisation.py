"""Normalisations: ONNX ops <-> IR layers."""

from __future__ import annotations

from irconv.codec import Codec
from irconv.ir.layers.normalisation import BatchNorm
from irconv.rows import Attribute, Input, Weight

CODECS: list[Codec] = [
    Codec(
        "BatchNormalization",
        BatchNorm,
        Input("x"),
        Weight("scale", "gamma", "c", positional=True),
        Weight("bias", "beta", "c", positional=True),
        Weight("mean", "mean", "c", positional=True),
        Weight("variance", "variance", "c", positional=True),
        Attribute("epsilon"),
        Attribute("momentum"),
    ),
]
