"""Ops that move or combine values: Keras layers <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.keras.table.rows import (
    EVERY_LAYER,
    IMAGE,
    AxisOfEach,
    CropBounds,
    LiteralValue,
    MergedRanks,
    TargetShape,
    spatial_pairs,
)
from irconv.ir.layers.arithmetic import Maximum, Mean, Minimum, Sub
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.matrix import Dot
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Add, Concat, Constant, Flatten, Mul, Pad, Reshape, Transpose
from irconv.rows import Attribute, Axes, AxisNumber, Fixed, Iso, Only, Rank, Weight


def _zero_padding(spatial: int) -> Codec:
    return Codec(
        f"ZeroPadding{spatial}D",
        Pad,
        EVERY_LAYER,
        Rank((spatial + 2,)),
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
        Rank((spatial + 2,)),
        Axes("data_format", IMAGE, slot_axes="n c *s"),
        Only("axes", tuple(range(2, spatial + 2))),
        Only("steps", (1,) * spatial),
        CropBounds(),
    )


#: Layers that merge values element by element.
_MERGES: tuple[tuple[str, type[Layer]], ...] = (
    ("Add", Add),
    ("Multiply", Mul),
    ("Subtract", Sub),
    ("Maximum", Maximum),
    ("Minimum", Minimum),
    ("Average", Mean),
)


def _merge(native: str, layer: type[Layer]) -> Codec:
    return Codec(native, layer, EVERY_LAYER, MergedRanks())


@dataclass(frozen=True)
class _BatchFirst(Row):
    """The native layer leaves the first axis where it is."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return isinstance(layer, Transpose) and layer.permutation[:1] == (0,)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        """See `Row.encode`."""
        if draft.fields["permutation"][:1] != (0,):
            raise draft.refuse("keeps the batch as its first axis, which is moved here")


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
    Codec("Permute", Transpose, EVERY_LAYER, _BatchFirst(), Attribute("dims", "permutation", _PERMUTED)),
    *(_merge(*named) for named in _MERGES),
    Codec("Dot", Dot, EVERY_LAYER, Fixed("normalize", False), AxisOfEach("axes")),
    Codec("Concatenate", Concat, EVERY_LAYER, AxisNumber("axis")),
    *(_zero_padding(spatial) for spatial in (1, 2, 3)),
    *(_cropping(spatial) for spatial in (1, 2, 3)),
    Codec("constant", Constant, LiteralValue()),
    Codec("variable", Constant, EVERY_LAYER, Weight("value", "value", "*a")),
]
