"""Normalisations: ONNX ops <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.normalisation import BatchNorm, GroupNorm, InstanceNorm, LayerNorm
from irconv.ir.layers.plain_norms import LocalResponseNorm
from irconv.rows import Attribute, Input, Weight


@dataclass(frozen=True)
class _Needs(Row):
    """Operands that the op cannot do without."""

    roles: tuple[str, ...]

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return all(role in given for role in self.roles)


@dataclass(frozen=True)
class _AxesToTheLast(Row):
    """The normalised axes are all from ``axis`` on."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        axes, rank = layer.settings()["axes"], len(given["x"].shape)
        return bool(axes) and axes == tuple(range(axes[0], rank))

    def decode(self, native: Workpiece, draft: Draft) -> None:
        rank = draft.ranks[0]
        draft.fields["axes"] = tuple(range(native.config.pop("axis") % rank, rank))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config["axis"] = draft.fields.pop("axes")[0]


@dataclass(frozen=True)
class _Window(Row):
    """The window of an LRN, half of it (rounded down) before the channel, and alpha, which is for the whole window.

    onnxruntime takes rank 4 only.
    """

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        settings = layer.settings()
        return settings["after"] - settings["before"] in (0, 1) and len(given["x"].shape) == 4

    def decode(self, native: Workpiece, draft: Draft) -> None:
        size = native.config.pop("size")
        draft.fields |= {"before": (size - 1) // 2, "after": size // 2, "alpha_of": "window"}
        draft.fields["alpha"] = native.config.pop("alpha")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        size = draft.fields.pop("before") + draft.fields.pop("after") + 1
        alpha, alpha_of = draft.fields.pop("alpha"), draft.fields.pop("alpha_of")
        native.config |= {"size": size, "alpha": alpha if alpha_of == "window" else alpha * size}


@dataclass(frozen=True)
class _ReadOnly(Row):
    """The op is understood, but its decomposition is written. onnxruntime and onnx's reference evaluator compute the
    variance of a GroupNormalization as ``mean(x x) - mean(x)^2``: two digits are left where the mean is 300 deviations.
    """

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return False


_AFFINE = (Weight("scale", "gamma", "c", positional=True), Weight("bias", "beta", "c", positional=True))

CODECS: list[Codec] = [
    Codec(
        "BatchNormalization",
        BatchNorm,
        _Needs(("variance",)),
        Input("x"),
        *_AFFINE,
        Weight("mean", "mean", "c", positional=True),
        Weight("variance", "variance", "c", positional=True),
        Attribute("epsilon"),
        Attribute("momentum"),
    ),
    Codec(
        "LayerNormalization",
        LayerNorm,
        _Needs(("gamma",)),
        Input("x"),
        Weight("scale", "gamma", "*k", positional=True),
        Weight("bias", "beta", "*k", positional=True),
        _AxesToTheLast(),
        Attribute("epsilon"),
    ),
    Codec(
        "GroupNormalization",
        GroupNorm,
        _ReadOnly(),
        Input("x"),
        *_AFFINE,
        Attribute("num_groups", "groups"),
        Attribute("epsilon"),
        since=21,
    ),
    Codec(
        "InstanceNormalization",
        InstanceNorm,
        _Needs(("gamma", "beta")),
        Input("x"),
        *_AFFINE,
        Attribute("epsilon"),
    ),
    Codec("LRN", LocalResponseNorm, Input("x"), _Window(), Attribute("beta"), Attribute("bias", "k")),
]
