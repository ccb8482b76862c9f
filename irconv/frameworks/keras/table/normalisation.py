"""Normalisations: Keras layers <-> IR layers."""

from __future__ import annotations

from irconv.codec import Codec
from irconv.frameworks.keras.table.rows import EVERY_LAYER, FLOAT32, AdaptedCount, LiteralVector
from irconv.ir.layers.normalisation import BatchNorm, Dropout, LayerNorm, Standardization
from irconv.rows import (
    Attribute,
    AxisNumbers,
    ChannelAxis,
    Fixed,
    Ignored,
    Only,
    Present,
    Weight,
)

CODECS: list[Codec] = [
    Codec(
        "BatchNormalization",
        BatchNorm,
        EVERY_LAYER,
        Ignored(
            "beta_initializer gamma_initializer moving_mean_initializer moving_variance_initializer "
            "beta_regularizer gamma_regularizer beta_constraint gamma_constraint synchronized fused"
        ),
        Fixed("renorm", False),
        Ignored("renorm_clipping renorm_momentum"),
        Fixed("virtual_batch_size", None),
        ChannelAxis("axis"),
        Attribute("epsilon", iso=FLOAT32),
        Attribute("momentum", iso=FLOAT32),
        Weight("gamma", "gamma", "c"),
        Weight("beta", "beta", "c"),
        Weight("moving_mean", "mean", "c"),
        Weight("moving_variance", "variance", "c"),
        Present("scale", "gamma"),
        Present("center", "beta"),
    ),
    Codec(
        "LayerNormalization",
        LayerNorm,
        EVERY_LAYER,
        Ignored(
            "beta_initializer gamma_initializer beta_regularizer gamma_regularizer beta_constraint gamma_constraint"
        ),
        AxisNumbers("axis"),
        Attribute("epsilon", iso=FLOAT32),
        Fixed("rms_scaling", False),
        Weight("gamma", "gamma", "*k"),
        Weight("beta", "beta", "*k"),
        Present("scale", "gamma"),
        Present("center", "beta"),
    ),
    Codec(
        "Normalization",
        Standardization,
        EVERY_LAYER,
        ChannelAxis("axis"),
        Attribute("invert"),
        LiteralVector("mean"),
        LiteralVector("variance"),
        Only("epsilon", 1e-7),
        Weight("mean", "mean", "c"),
        Weight("variance", "variance", "c"),
        AdaptedCount("count", 0, "int64", "the number of samples that adapt() has seen"),
    ),
    Codec("Dropout", Dropout, EVERY_LAYER, Ignored("noise_shape seed"), Attribute("rate", iso=FLOAT32)),
]
