"""Normalisations: Keras layers <-> IR layers."""

from __future__ import annotations

from irconv.codec import Codec
from irconv.frameworks.keras.table.rows import EVERY_LAYER, FLOAT32
from irconv.ir.layers.normalisation import BatchNorm, Dropout
from irconv.rows import Attribute, ChannelAxis, Fixed, Ignored, Present, Weight

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
    Codec("Dropout", Dropout, EVERY_LAYER, Ignored("noise_shape seed"), Attribute("rate", iso=FLOAT32)),
]
