"""Normalisations: Keras layers <-> IR layers."""

from __future__ import annotations

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.keras.table.rows import EVERY_LAYER, FLOAT32, AdaptedCount, LiteralVector
from irconv.ir.layers.normalisation import BatchNorm, GroupNorm, LayerNorm, RMSNorm, Standardization
from irconv.ir.layers.plain_norms import UnitNorm
from irconv.ir.layers.tensor_ops import Identity
from irconv.rows import (
    Attribute,
    AxisNumbers,
    ChannelAxis,
    Created,
    Fixed,
    Ignored,
    Only,
    Present,
    Weight,
)

_AFFINE_TRAINING = Ignored(
    "beta_initializer gamma_initializer beta_regularizer gamma_regularizer beta_constraint gamma_constraint"
)


@dataclass(frozen=True)
class Groups(Row):
    """How many groups there are; -1 is one for each channel."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        groups = native.config.pop("groups")
        channels = draft.given[0].shape[draft.input_axes["x"][0].split().index("c")]
        if groups == -1 and not isinstance(channels, int):
            raise draft.refuse(f"has a group for each of {channels} channels, a number that is not known")
        draft.fields["groups"] = channels if groups == -1 else groups

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config["groups"] = draft.fields.pop("groups")


@dataclass(frozen=True)
class TrailingAxes(Row):
    """Keras multiplies by a scale that lies along the last axes, whichever axes it has normalised."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        axes, rank = draft.fields["axes"], draft.ranks[0]
        if tuple(axes) != tuple(range(rank - len(axes), rank)):
            raise draft.refuse(f"normalises axes {axes} and scales along the last ones, which irconv does not copy")


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
        Weight("moving_deviation", "std", "c"),
        Present("scale", "gamma"),
        Present("center", "beta"),
    ),
    Codec(
        "LayerNormalization",
        LayerNorm,
        EVERY_LAYER,
        _AFFINE_TRAINING,
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
    Codec(
        "GroupNormalization",
        GroupNorm,
        EVERY_LAYER,
        _AFFINE_TRAINING,
        ChannelAxis("axis"),
        Attribute("epsilon", iso=FLOAT32),
        Weight("gamma", "gamma", "c"),
        Weight("beta", "beta", "c"),
        Present("scale", "gamma"),
        Present("center", "beta"),
        Groups(),
    ),
    Codec(
        "RMSNormalization",
        RMSNorm,
        EVERY_LAYER,
        AxisNumbers("axis"),
        TrailingAxes(),
        Attribute("epsilon", iso=FLOAT32),
        Weight("scale", "gamma", "*k"),
    ),
    Codec(
        "UnitNormalization",
        UnitNorm,
        EVERY_LAYER,
        AxisNumbers("axis"),
        Attribute("least"),
        Only("order", 2),
        Only("epsilon", 1e-12),
    ),
    Codec(
        "SpectralNormalization",  # what comes after the layer it wraps
        Identity,
        EVERY_LAYER,
        Ignored("layer power_iterations"),
        Created("vector_u", 1.0, "float32", "the vector by which training estimates the norm of the kernel"),
    ),
]
