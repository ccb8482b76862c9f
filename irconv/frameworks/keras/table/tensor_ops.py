"""Ops that move or combine values: Keras layers <-> IR layers."""

from __future__ import annotations

from irconv.codec import Codec
from irconv.frameworks.keras.table.rows import (
    EVERY_LAYER,
    IMAGE,
    CropBounds,
    LiteralValue,
    TargetShape,
    spatial_pairs,
)
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Add, Concat, Constant, Flatten, Mul, Pad, Reshape, Transpose
from irconv.rows import Attribute, Axes, AxisNumber, Iso, Only


def _zero_padding(spatial: int) -> Codec:
    return Codec(
        f"ZeroPadding{spatial}D",
        Pad,
        EVERY_LAYER,
        Axes("data_format", IMAGE, slot_axes="n c *s"),
        Attribute("padding", "pads", spatial_pairs(spatial)),
        Only("mode", "constant"),
        Only("value", 0.0),
    )


def _cropping(spatial: int) -> Codec:
    return Codec(
        f"Cropping{spatial}D",
        Slice,
        EVERY_LAYER,
        Axes("data_format", IMAGE, slot_axes="n c *s"),
        Only("axes", tuple(range(2, spatial + 2))),
        Only("steps", (1,) * spatial),
        CropBounds(),
    )


#: Permute counts the axes from 1 and leaves out the batch.
_PERMUTED = Iso(lambda dims: (0, *dims), lambda order: list(order[1:]))

CODECS: list[Codec] = [
    # channels_first flattens in the order of channels_last, so that weights fit either (since 2.1.6)
    Codec(
        "Flatten",
        Flatten,
        EVERY_LAYER,
        Axes("data_format", IMAGE, slot_axes="n *s c", result_axes=""),
        Only("start_axis", 1),
    ),
    Codec("Reshape", Reshape, EVERY_LAYER, TargetShape()),
    Codec("Permute", Transpose, EVERY_LAYER, Attribute("dims", "permutation", _PERMUTED)),
    Codec("Add", Add, EVERY_LAYER),
    Codec("Multiply", Mul, EVERY_LAYER),
    Codec("Concatenate", Concat, EVERY_LAYER, AxisNumber("axis")),
    *(_zero_padding(spatial) for spatial in (2, 3)),
    *(_cropping(spatial) for spatial in (2, 3)),
    Codec("constant", Constant, LiteralValue()),
]
