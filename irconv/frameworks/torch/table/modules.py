"""``torch.nn``'s layers with weights <-> IR layers.

`lower` has run: paddings are the same on both sides, and a layer has both or none of the operands that PyTorch has
together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.torch.table.rows import LIST, MOMENTUM, SYMMETRIC, TrailingAxes, When, stored
from irconv.ir.layers.activations import PRelu
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.convolution import Bilinear, Conv, ConvTranspose, Linear
from irconv.ir.layers.embedding import Embedding
from irconv.ir.layers.normalisation import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm
from irconv.ir.layers.tensor_ops import Constant
from irconv.ir.layers.window import padding_to_compute
from irconv.ir.shapes import static
from irconv.rows import Attribute, Created, Derived, Fixed, Input, Present, Rank, Weight


def _size(role: str, axis: int) -> Any:
    return lambda draft: draft.types[role].shape[axis]


@dataclass(frozen=True)
class _OfAllGroups(Row):
    """Channels that the kernel has for one group. It stands before the row of `groups`, which takes the field."""

    native: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        got, want = native.config.pop(self.native), draft.types["kernel"].shape[1] * native.config["groups"]
        if got != want:
            raise draft.refuse(f"{self.native} is {got!r}, but the weights say {want!r}")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config[self.native] = draft.types["kernel"].shape[1] * draft.fields["groups"]


def _kernel_size(draft: Draft) -> Any:
    return tuple(draft.types["kernel"].shape[2:])


@dataclass(frozen=True)
class _NoOutputSize(Row):
    """`lower` has turned an output size into padding, or into a crop afterwards."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        assert isinstance(layer, ConvTranspose)
        shorter = zip(layer.output_padding, layer.stride, layer.dilation, strict=True)
        return all(more < max(s, d) for more, s, d in shorter) or layer.decompose(given) is None

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields["output_size"] = None

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if (size := draft.fields.pop("output_size")) is not None:
            raise draft.refuse(f"its output_size {size} depends on sizes that are not known")


def _rule(layer: Any, given: Mapping[str, ValueType]) -> bool:
    """Whether `irconv.passes.padding` can say the padding: by numbers, or by `SamePad` in front."""
    kernel = static(given["kernel"].shape[2:]) or ()
    unknown = padding_to_compute(layer.padding, given["x"].shape[2:], kernel, layer.stride, layer.dilation)
    return not unknown or layer.padding == "same_upper"


def _conv(rank: int) -> list[Codec]:
    settings: list[Row] = [
        Attribute("stride", iso=LIST),
        Attribute("padding", iso=SYMMETRIC),
        Attribute("dilation", iso=LIST),
    ]
    module = Codec(
        f"nn.Conv{rank - 2}d",
        Conv,
        Rank((rank,)),
        When(_rule),
        stored("kernel", "bias"),
        Weight("weight", "kernel", "out in *k"),
        Weight("bias", "bias", "out"),
        *settings,
        _OfAllGroups("in_channels"),
        Attribute("groups"),
        Present("bias", "bias"),
        Fixed("padding_mode", "zeros"),
        Derived("out_channels", _size("kernel", 0)),
        Derived("kernel_size", _kernel_size),
    )
    weights = (Weight("weight", "kernel", "out in *k", positional=True), Weight("bias", "bias", "out", positional=True))
    more = (When(_rule), Attribute("groups"))
    function = Codec(f"F.conv{rank - 2}d", Conv, Rank((rank,)), Input("x"), *weights, *settings, *more)
    return [module, function]


def _conv_transpose(rank: int) -> list[Codec]:
    settings: list[Row] = [
        _NoOutputSize(),
        Attribute("stride", iso=LIST),
        Attribute("padding", iso=SYMMETRIC),
        Attribute("output_padding", iso=LIST),
    ]
    module = Codec(
        f"nn.ConvTranspose{rank - 2}d",
        ConvTranspose,
        Rank((rank,)),
        stored("kernel", "bias"),
        Weight("weight", "kernel", "in out *k"),
        Weight("bias", "bias", "out"),
        *settings,
        _OfAllGroups("out_channels"),
        Attribute("groups"),
        Present("bias", "bias"),
        Attribute("dilation", iso=LIST),
        Fixed("padding_mode", "zeros"),
        Derived("in_channels", _size("kernel", 0)),
        Derived("kernel_size", _kernel_size),
    )
    weights = (Weight("weight", "kernel", "in out *k", positional=True), Weight("bias", "bias", "out", positional=True))
    more = (Attribute("groups"), Attribute("dilation", iso=LIST))
    function = Codec(
        f"F.conv_transpose{rank - 2}d", ConvTranspose, Rank((rank,)), Input("x"), *weights, *settings, *more
    )
    return [module, function]


def _batch_norm(ranks: tuple[int, ...], spatial: int) -> Codec:
    return Codec(
        f"nn.BatchNorm{spatial}d",
        BatchNorm,
        Rank(ranks),
        stored("gamma", "beta", "mean", "variance"),
        When(lambda _, given: "variance" in given),
        Weight("weight", "gamma", "c"),
        Weight("bias", "beta", "c"),
        Weight("running_mean", "mean", "c"),
        Weight("running_var", "variance", "c"),
        Created("num_batches_tracked", 0, "int64", "the number of batches seen in training"),
        Attribute("eps", "epsilon"),
        Attribute("momentum", iso=MOMENTUM),
        Present("affine", "gamma"),
        Fixed("track_running_stats", True),
        Derived("num_features", _size("mean", 0)),
    )


def _instance_norm(rank: int) -> Codec:
    """PyTorch refuses a single element for each channel, which may come where sizes are not known."""
    return Codec(
        f"nn.InstanceNorm{rank - 2}d",
        InstanceNorm,
        Rank((rank,)),
        stored("gamma", "beta"),
        When(lambda _, given: isinstance(given["x"].shape[1], int)),
        When(lambda _, given: any(size != 1 for size in static(given["x"].shape[2:]) or (1,))),
        Weight("weight", "gamma", "c"),
        Weight("bias", "beta", "c"),
        Attribute("eps", "epsilon"),
        Present("affine", "gamma"),
        Fixed("track_running_stats", False),
        Derived("num_features", _channels),
    )


def _channels(draft: Draft) -> Any:
    return draft.types["x"].shape[1] if "x" in draft.types else draft.given[0].shape[1]


def _vectors(axes: str) -> tuple[Row, ...]:
    return Weight("weight", "gamma", axes), Weight("bias", "beta", axes)


@dataclass(frozen=True)
class _BiasAlone(Row):
    """``bias=False`` of a norm with factors alone, which PyTorch has from 2.1 on."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        native.config.pop("bias", True)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if "gamma" in draft.types and "beta" not in draft.types:
            native.config["bias"] = False


@dataclass(frozen=True)
class _Slopes(Row):
    """``weight``: one slope, or one for each channel; the axes of length 1 behind are not PyTorch's."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        slope, x = given["slope"].shape, given["x"].shape
        return "slope" in layer.operands and all(size == 1 for size in slope[1:]) and slope[0] in (1, x[1])

    def decode(self, native: Workpiece, draft: Draft) -> None:
        Weight("weight", "slope", "c *s").decode(native, draft)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        ones = " ".join(f"u{axis}" for axis in range(1, len(draft.types["slope"].shape)))
        Weight("weight", "slope", f"(c {ones})" if ones else "c", target=f"c {ones}".strip()).encode(draft, native)


MODULES: list[Codec] = [
    *(codec for rank in (3, 4, 5) for codec in _conv(rank)),
    *(codec for rank in (3, 4, 5) for codec in _conv_transpose(rank)),
    Codec(
        "nn.Linear",
        Linear,
        stored("kernel", "bias"),
        Weight("weight", "kernel", "out in"),
        Weight("bias", "bias", "out"),
        Present("bias", "bias"),
        Derived("in_features", _size("kernel", 1)),
        Derived("out_features", _size("kernel", 0)),
    ),
    Codec(
        "F.linear",
        Linear,
        Input("x"),
        Weight("weight", "kernel", "out in", positional=True),
        Weight("bias", "bias", "out", positional=True),
    ),
    Codec(
        "nn.Bilinear",
        Bilinear,
        Input("left"),
        Input("right"),
        stored("kernel", "bias"),
        When(lambda _, given: given["left"].shape[:-1] == given["right"].shape[:-1]),
        Weight("weight", "kernel", "out left right"),
        Weight("bias", "bias", "out"),
        Present("bias", "bias"),
        Derived("in1_features", _size("kernel", 1)),
        Derived("in2_features", _size("kernel", 2)),
        Derived("out_features", _size("kernel", 0)),
    ),
    Codec(
        "nn.Embedding",
        Embedding,
        Input("x"),
        stored("table"),
        When(lambda _, given: given["x"].dtype in ("int32", "int64")),
        Weight("weight", "table", "vocabulary features"),
        Attribute("padding_idx", "padding_index"),
        Derived("num_embeddings", _size("table", 0)),
        Derived("embedding_dim", _size("table", 1)),
    ),
    _batch_norm((2, 3), 1),
    _batch_norm((4,), 2),
    _batch_norm((5,), 3),
    Codec(
        "nn.LayerNorm",
        LayerNorm,
        stored("gamma", "beta"),
        TrailingAxes(),
        *_vectors("*k"),
        Attribute("eps", "epsilon"),
        Present("elementwise_affine", "gamma"),
        _BiasAlone(),
    ),
    Codec(
        "nn.RMSNorm",
        RMSNorm,
        stored("gamma"),
        TrailingAxes(),
        Weight("weight", "gamma", "*k"),
        Attribute("eps", "epsilon"),
        Present("elementwise_affine", "gamma"),
    ),
    Codec(
        "nn.GroupNorm",
        GroupNorm,
        stored("gamma", "beta"),
        When(lambda _, given: isinstance(given["x"].shape[1], int)),
        *_vectors("c"),
        Attribute("num_groups", "groups"),
        Attribute("eps", "epsilon"),
        Present("affine", "gamma"),
        Derived("num_channels", _channels),
    ),
    *(_instance_norm(rank) for rank in (3, 4, 5)),
    Codec(
        "nn.PReLU",
        PRelu,
        _Slopes(),
        Derived("num_parameters", _size("slope", 0)),
    ),
    Codec(
        "prelu",
        PRelu,
        When(lambda _, given: len(given["slope"].shape) == len(given["x"].shape) - 1),
        Input("x"),
        Weight("weight", "slope", "c *s", positional=True),
    ),
    Codec("buffer", Constant, Weight("value", "value", "*a")),
]
"""Layers that become submodules where they hold weights, and their functions for weights that the graph computes."""
