"""PyTorch's modules and functions <-> IR layers. The native spelling is the ``torch.nn`` module where there is one.

`lower` has run: paddings are the same on both sides, a BatchNorm has both or none of gamma and beta.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from irconv.codec import Codec, Draft, Row, Table, Workpiece
from irconv.ir.layers import layer_class
from irconv.ir.layers.activations import Clip, Elu, Gelu, HardSigmoid, LeakyRelu, Softmax, ThresholdedRelu
from irconv.ir.layers.arithmetic import Div, Sub
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.convolution import Conv, Linear
from irconv.ir.layers.normalisation import BatchNorm, Dropout, LayerNorm
from irconv.ir.layers.pooling import AveragePool, MaxPool
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Add, Concat, Constant, Flatten, Mul, Pad, Reduce, Reshape, SamePad, Transpose
from irconv.ir.shapes import static
from irconv.rows import Attribute, Created, Derived, Fixed, Iso, Only, Present, Rank, Weight


def _symmetric(pairs: Any) -> tuple[int, ...]:
    if isinstance(pairs, str) or any(before != after for before, after in pairs):
        raise ValueError(f"PyTorch pads both sides alike, got {pairs}")
    return tuple(before for before, _ in pairs)


def _one_minus(value: float | None) -> float | None:
    """PyTorch's momentum is the weight of the new average, the IR's of the old; None is a cumulative average."""
    return None if value is None else round(1 - value, 12)


SYMMETRIC = Iso(lambda sizes: tuple((size, size) for size in sizes), _symmetric)
MOMENTUM = Iso(_one_minus, _one_minus)
LIST = Iso(tuple, tuple)


@dataclass(frozen=True)
class LastAxisFirst(Row):
    """The ``pad`` of F.pad: (before, after) of the last axis first; leading axes without padding may be left out."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        flat, rank = native.config.pop("pad"), draft.ranks[0]
        pairs = [(flat[i], flat[i + 1]) for i in range(0, len(flat), 2)][::-1]
        draft.fields["pads"] = (((0, 0),) * (rank - len(pairs))) + tuple(pairs)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        pairs = draft.fields.pop("pads")
        first = next((axis for axis, pair in enumerate(pairs) if any(pair)), len(pairs) - 1)
        native.config["pad"] = tuple(n for pair in reversed(pairs[first:]) for n in pair)


@dataclass(frozen=True)
class TrailingAxes(Row):
    """The ``normalized_shape`` of a LayerNorm, whose axes must be the last ones."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        rank = len(given["x"].shape)
        axes: tuple[int, ...] = layer.settings()["axes"]
        return axes == tuple(range(rank - len(axes), rank)) and static(given["x"].shape[axes[0] :]) is not None

    def decode(self, native: Workpiece, draft: Draft) -> None:
        count, rank = len(native.config.pop("normalized_shape")), draft.ranks[0]
        draft.fields["axes"] = tuple(range(rank - count, rank))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config["normalized_shape"] = tuple(draft.types["x"].shape[axis] for axis in draft.fields.pop("axes"))


@dataclass(frozen=True)
class PositiveSteps(Row):
    """PyTorch's slices only walk forwards, between bounds that are numbers."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        settings = layer.settings()
        bounds = (*settings["starts"], *settings["ends"])
        return min(settings["steps"]) > 0 and not any(isinstance(bound, str) for bound in bounds)


@dataclass(frozen=True)
class ReshapeSizes(Row):
    """The sizes of a reshape, with -1 for the one that is not known."""

    def encode(self, draft: Draft, native: Workpiece) -> None:
        sizes = draft.fields.pop("shape")
        if sum(not isinstance(n, int) for n in sizes) > 1:
            raise draft.refuse(f"a reshape takes one unknown size, got {sizes}")
        native.config["shape"] = tuple(n if isinstance(n, int) else -1 for n in sizes)


def _channels_in(draft: Draft) -> Any:
    return draft.types["kernel"].shape[1]


def _channels_in_all_groups(draft: Draft) -> Any:
    """Stands before the row of `groups`, which takes the field."""
    return draft.types["kernel"].shape[1] * draft.fields["groups"]


def _channels_out(draft: Draft) -> Any:
    return draft.types["kernel"].shape[0]


def _kernel_size(draft: Draft) -> Any:
    return tuple(draft.types["kernel"].shape[2:])


def _features(draft: Draft) -> Any:
    return draft.types["mean"].shape[0]


def _conv(rank: int) -> Codec:
    return Codec(
        f"nn.Conv{rank - 2}d",
        Conv,
        Rank((rank,)),
        Weight("weight", "kernel", "out in *k"),
        Weight("bias", "bias", "out"),
        Attribute("stride", iso=LIST),
        Attribute("padding", iso=SYMMETRIC),
        Attribute("dilation", iso=LIST),
        Derived("in_channels", _channels_in_all_groups),
        Attribute("groups"),
        Present("bias", "bias"),
        Fixed("padding_mode", "zeros"),
        Derived("out_channels", _channels_out),
        Derived("kernel_size", _kernel_size),
    )


def _batch_norm(ranks: tuple[int, ...], spatial: int) -> Codec:
    return Codec(
        f"nn.BatchNorm{spatial}d",
        BatchNorm,
        Rank(ranks),
        Weight("weight", "gamma", "c"),
        Weight("bias", "beta", "c"),
        Weight("running_mean", "mean", "c"),
        Weight("running_var", "variance", "c"),
        Created("num_batches_tracked", 0, "int64", "the number of batches seen in training"),
        Attribute("eps", "epsilon"),
        Attribute("momentum", iso=MOMENTUM),
        Present("affine", "gamma"),
        Fixed("track_running_stats", True),
        Derived("num_features", _features),
    )


def _pool(native: str, layer: type[Layer], rank: int, *rows: Row) -> Codec:
    kernel, stride = Attribute("kernel_size", "kernel", LIST), Attribute("stride", iso=LIST)
    padding, ceil_mode = Attribute("padding", iso=SYMMETRIC), Attribute("ceil_mode")
    return Codec(f"nn.{native}{rank - 2}d", layer, Rank((rank,)), kernel, stride, padding, ceil_mode, *rows)


def _reduce(native: str, op: str) -> Codec:
    return Codec(native, Reduce, Attribute("dim", "axes", LIST), Attribute("keepdim", "keepdims"), Only("op", op))


def _plain(native: str, layer: str, *rows: Row) -> Codec:
    return Codec(native, layer_class(layer), *rows)


TABLE = Table(
    "PyTorch",
    [
        *(_conv(rank) for rank in (3, 4, 5)),
        Codec(
            "nn.Linear",
            Linear,
            Weight("weight", "kernel", "out in"),
            Weight("bias", "bias", "out"),
            Present("bias", "bias"),
            Derived("in_features", _channels_in),
            Derived("out_features", _channels_out),
        ),
        _batch_norm((2, 3), 1),
        _batch_norm((4,), 2),
        _batch_norm((5,), 3),
        Codec(
            "nn.LayerNorm",
            LayerNorm,
            TrailingAxes(),
            Weight("weight", "gamma", "*k"),
            Weight("bias", "beta", "*k"),
            Attribute("eps", "epsilon"),
            Present("elementwise_affine", "gamma"),
        ),
        *(_pool("MaxPool", MaxPool, rank, Attribute("dilation", iso=LIST)) for rank in (3, 4, 5)),
        *(_pool("AvgPool", AveragePool, rank, Attribute("count_include_pad", "count_padding")) for rank in (3, 4, 5)),
        _reduce("torch.mean", "mean"),
        _reduce("torch.sum", "sum"),
        _reduce("torch.amax", "max"),
        _reduce("torch.amin", "min"),
        Codec("nn.Dropout", Dropout, Attribute("p", "rate")),
        Codec("torch.flatten", Flatten, Attribute("start_dim", "start_axis")),
        Codec("torch.reshape", Reshape, ReshapeSizes()),
        Codec("torch.permute", Transpose, Attribute("dims", "permutation", LIST)),
        Codec("torch.add", Add),
        Codec("torch.mul", Mul),
        Codec("torch.sub", Sub),
        Codec("torch.div", Div),
        _plain("torch.sqrt", "Sqrt"),
        _plain("torch.square", "Square"),
        Codec(
            "slice",
            Slice,
            PositiveSteps(),
            *(Attribute(name, iso=LIST) for name in ("axes", "starts", "ends", "steps")),
        ),
        Codec("torch.cat", Concat, Attribute("dim", "axis")),
        Codec("buffer", Constant, Weight("value", "value", "*a")),
        Codec("F.pad", Pad, LastAxisFirst(), Only("mode", "constant"), Attribute("value")),
        Codec(
            "same_pad",
            SamePad,
            Attribute("kernel_size", "kernel", LIST),
            Attribute("stride", iso=LIST),
            Attribute("dilation", iso=LIST),
            Attribute("value"),
        ),
        _plain("nn.Identity", "Identity"),
        _plain("nn.ReLU", "Relu"),
        Codec("nn.LeakyReLU", LeakyRelu, Attribute("negative_slope", "slope")),
        Codec("nn.Threshold", ThresholdedRelu, Attribute("threshold"), Fixed("value", 0.0)),
        Codec("nn.ReLU6", Clip, Only("low", 0.0), Only("high", 6.0)),
        Codec("torch.clamp", Clip, Attribute("min", "low"), Attribute("max", "high")),
        Codec("nn.ELU", Elu, Attribute("alpha")),
        _plain("nn.SELU", "Selu"),
        _plain("nn.Sigmoid", "Sigmoid"),
        Codec("nn.Hardsigmoid", HardSigmoid, Only("slope", 1 / 6), Only("offset", 0.5)),
        Codec("hard_sigmoid", HardSigmoid, Attribute("slope"), Attribute("offset")),
        _plain("nn.Tanh", "Tanh"),
        _plain("nn.Softplus", "Softplus", Fixed("beta", 1.0)),
        _plain("nn.Softsign", "Softsign"),
        _plain("torch.exp", "Exp"),
        _plain("nn.SiLU", "Silu"),
        _plain("nn.Hardswish", "HardSwish"),
        Codec("nn.GELU", Gelu, Attribute("approximate", "approximation")),
        Codec("nn.Softmax", Softmax, Attribute("dim", "axis")),
    ],
)
"""Every PyTorch module and function irconv writes."""
