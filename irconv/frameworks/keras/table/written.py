"""Spellings that only the way out needs: IR layers that already act on channels-last values, and operators whose
settings follow from the types of their inputs when they are read."""

from __future__ import annotations

from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.keras.implicit_masks import Masked
from irconv.frameworks.keras.table.op_rows import EVERY_OP
from irconv.frameworks.keras.table.ops_shapes import PadMode
from irconv.frameworks.keras.table.rows import EVERY_LAYER, FLOAT32, CropBounds
from irconv.ir.layers.indexing import TopK
from irconv.ir.layers.normalisation import InstanceNorm
from irconv.ir.layers.shape_ops import Expand, Squeeze, Tile, Unsqueeze
from irconv.ir.layers.slicing import Slice, Stack
from irconv.ir.layers.tensor_ops import Flatten, Pad, Reduce, Reshape, Transpose
from irconv.rows import TUPLE, Attribute, ChannelAxis, Fixed, Iso, LastAxis, Only, Output, Present, Rank, Weight

_RANKS = (1, 2, 3)
_LAST = Fixed("data_format", "channels_last")


@dataclass(frozen=True)
class Sizes(Row):
    """A shape of which one size may be unknown: -1."""

    native: str

    def encode(self, draft: Draft, native: Workpiece) -> None:
        shape = draft.fields.pop("shape")
        unknown = [size for size in shape if not isinstance(size, int)]
        if len(unknown) > 1:
            raise draft.refuse(f"Keras takes one unknown size, got {', '.join(map(str, unknown))}")
        native.config[self.native] = [size if isinstance(size, int) else -1 for size in shape]


def _middle(spatial: int) -> Iso:
    """(before, after) of the spatial axes of channels-last values, of every axis in the IR."""

    def encode(pairs: Any) -> list[list[int]]:
        if len(pairs) != spatial + 2 or any(pairs[0]) or any(pairs[-1]):
            raise ValueError(f"expected padding of {spatial} spatial axes only, got {pairs!r}")
        return [list(pair) for pair in pairs[1:-1]]

    return Iso(lambda pairs: ((0, 0), *map(tuple, pairs), (0, 0)), encode)


def _global_pool(native: str, op: str, spatial: int, keepdims: bool) -> Codec:
    axes = tuple(range(1, spatial + 1))
    fields = (Only("op", op), Only("axes", axes), Only("keepdims", keepdims))
    return Codec(
        f"{native}{spatial}D", Reduce, EVERY_LAYER, Rank((spatial + 2,)), Fixed("keepdims", keepdims), _LAST, *fields
    )


def _zero_padding(spatial: int) -> Codec:
    fields = (Only("mode", "constant"), Only("value", 0.0))
    padding = Attribute("padding", "pads", _middle(spatial))
    return Codec(f"ZeroPadding{spatial}D", Pad, EVERY_LAYER, Rank((spatial + 2,)), _LAST, padding, *fields)


def _cropping(spatial: int) -> Codec:
    fields = (Only("axes", tuple(range(1, spatial + 1))), Only("steps", (1,) * spatial))
    return Codec(f"Cropping{spatial}D", Slice, EVERY_LAYER, Rank((spatial + 2,)), _LAST, *fields, CropBounds())


def _op(native: str, layer: Any, *rows: Row) -> Codec:
    return Codec(f"ops.{native}", layer, EVERY_OP, *rows)


_POOLS = (("GlobalAveragePooling", "mean"), ("GlobalMaxPooling", "max"))

#: Layers, which stand before operators.
LAYERS: list[Codec] = [
    Codec("Masking", Masked, EVERY_LAYER, Attribute("mask_value")),
    *(_global_pool(kind, op, spatial, keep) for kind, op in _POOLS for spatial in _RANKS for keep in (False, True)),
    *(_zero_padding(spatial) for spatial in _RANKS),
    *(_cropping(spatial) for spatial in _RANKS),
    Codec("Flatten", Flatten, EVERY_LAYER, _LAST, Only("start_axis", 1)),
    Codec(
        "GroupNormalization",
        InstanceNorm,
        EVERY_LAYER,
        Fixed("groups", -1),
        ChannelAxis("axis"),
        Attribute("epsilon", iso=FLOAT32),
        Weight("gamma", "gamma", "c"),
        Weight("beta", "beta", "c"),
        Present("scale", "gamma"),
        Present("center", "beta"),
    ),
]

OPERATORS: list[Codec] = [
    _op("Transpose", Transpose, Attribute("axes", "permutation", TUPLE)),
    _op("Reshape", Reshape, Sizes("newshape")),
    _op("Squeeze", Squeeze, Attribute("axis", "axes", TUPLE)),
    _op("ExpandDims", Unsqueeze, Attribute("axis", "axes", TUPLE)),
    _op("Stack", Stack, Attribute("axis")),
    _op("Tile", Tile, Attribute("repeats", iso=TUPLE)),
    _op("BroadcastTo", Expand, Attribute("shape", iso=TUPLE)),
    _op("Pad", Pad, Attribute("pad_width", "pads", Iso(tuple, lambda pads: [list(pair) for pair in pads])), PadMode()),
    _op(
        "TopK",
        TopK,
        Attribute("k"),
        Attribute("sorted"),
        Only("largest", True),
        LastAxis(),
        Output("values"),
        Output("indices"),
    ),
]
