"""Operators on the spatial axes of images: pools and resizing: ``keras.ops`` <-> IR layers."""

from __future__ import annotations

from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.keras.table.op_rows import EVERY_OP, Defaults
from irconv.frameworks.keras.table.resampling import resize_rows
from irconv.frameworks.keras.table.rows import IMAGE, padding_of_rank
from irconv.ir.layers.convolution import Conv
from irconv.ir.layers.pooling import AveragePool, MaxPool
from irconv.ir.layers.resampling import Resize
from irconv.rows import Axes, Fixed, Input, KernelGroups, Only, Weight, through

_DEFAULTS = {"strides": None, "padding": "valid", "data_format": "channels_last"}


@dataclass(frozen=True)
class Window(Row):
    """The size and the steps of a window, one number for all axes or one for each; it steps by its size unless said."""

    dilated: bool

    def decode(self, native: Workpiece, draft: Draft) -> None:
        spatial = draft.ranks[0] - 2
        size, stride = native.config.pop("pool_size"), native.config.pop("strides", None)
        kernel = self._each(draft, size, spatial)
        draft.fields["kernel"] = kernel
        draft.fields["stride"] = kernel if stride is None else self._each(draft, stride, spatial)
        word = native.config.pop("padding")
        draft.fields["padding"] = through(draft, "padding", padding_of_rank(spatial).decode, word)
        if self.dilated:
            draft.fields["dilation"] = (1,) * spatial

    def encode(self, draft: Draft, native: Workpiece) -> None:
        kernel, stride = draft.fields.pop("kernel"), draft.fields.pop("stride")
        native.config["pool_size"], native.config["strides"] = list(kernel), list(stride)
        encode = padding_of_rank(len(kernel)).encode
        native.config["padding"] = through(draft, "padding", encode, draft.fields.pop("padding"))
        dilation = draft.fields.pop("dilation") if self.dilated else ()
        if any(step != 1 for step in dilation):
            raise draft.refuse(f"Keras has no dilated pools, got {dilation}")

    def _each(self, draft: Draft, value: Any, spatial: int) -> tuple[int, ...]:
        values = (value,) * spatial if isinstance(value, int) else tuple(value)
        if len(values) != spatial:
            raise draft.refuse(f"a window of {list(values)} does not slide over {draft.given[0].shape}")
        return values


def _pool(native: str, layer: type[AveragePool] | type[MaxPool], *rows: Row) -> Codec:
    axes = Axes("data_format", IMAGE)
    return Codec(f"ops.{native}", layer, EVERY_OP, Defaults(_DEFAULTS), *rows, axes, Only("ceil_mode", False))


def _resize(word: str, antialias: bool) -> Codec:
    return Codec(
        "ops.Resize",
        Resize,
        EVERY_OP,
        Defaults({"data_format": "channels_last", "antialias": False}),
        *resize_rows(word, antialias),
        Fixed("fill_mode", "constant"),
        Fixed("fill_value", 0.0),
    )


@dataclass(frozen=True)
class Steps(Row):
    """One number for all spatial axes, or one for each; 1 unless said."""

    native: str
    field: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        said, spatial = native.config.pop(self.native, None) or 1, draft.ranks[0] - 2
        draft.fields[self.field] = (said,) * spatial if isinstance(said, int) else tuple(said)


@dataclass(frozen=True)
class ConvPadding(Row):
    """The word for padding."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        rule, word = padding_of_rank(draft.ranks[0] - 2).decode, native.config.pop("padding")
        draft.fields["padding"] = through(draft, "padding", rule, word)


READ = [
    Codec(
        "ops.Conv",
        Conv,
        EVERY_OP,
        Defaults(_DEFAULTS),
        Input("x"),
        Axes("data_format", IMAGE),
        Weight("kernel", "kernel", "*k in out", positional=True),
        Steps("strides", "stride"),
        Steps("dilation_rate", "dilation"),
        KernelGroups(),
        ConvPadding(),
    )
]
"""Is read only: what is written are layers with their own kernels."""

CODECS: list[Codec] = [
    _pool("MaxPool", MaxPool, Window(dilated=True)),
    _pool("AveragePool", AveragePool, Window(dilated=False), Only("count_padding", False)),
    _resize("nearest", antialias=False),
    *(_resize(word, antialias) for word in ("bilinear", "bicubic_of_tensorflow") for antialias in (False, True)),
]
