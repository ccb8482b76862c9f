"""Ops on shapes and slices: ONNX ops <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.onnx.table.rows import SizesInput, unary, whole
from irconv.ir.layers.base import ValueType
from irconv.ir.layers.shape_ops import Expand, Range, SizeOf, Squeeze, Tile, Unsqueeze
from irconv.ir.layers.slicing import Slice, Split
from irconv.ir.shapes import Dimension
from irconv.rows import TUPLE, Attribute, ConstantInput, Input

_OPEN = 2**63 - 1
"""The bound that ONNX takes for an open side, forward; its negative less one backward."""


def _expanded(fields: Mapping[str, Any], types: Mapping[str, ValueType]) -> list[Dimension]:
    """1 stands for the value's own size."""
    shape, own = fields["shape"], types["x"].shape
    before = len(shape) - len(own)
    return [1 if axis >= before and own[axis - before] == size else size for axis, size in enumerate(shape)]


def _starts(fields: Mapping[str, Any], types: Mapping[str, ValueType]) -> list[Dimension]:
    pairs = zip(fields["starts"], fields["steps"], strict=True)
    return [bound if bound is not None else 0 if step > 0 else _OPEN for bound, step in pairs]


def _ends(fields: Mapping[str, Any], types: Mapping[str, ValueType]) -> list[Dimension]:
    pairs = zip(fields["ends"], fields["steps"], strict=True)
    return [bound if bound is not None else _OPEN if step > 0 else -_OPEN - 1 for bound, step in pairs]


def _bounds(numbers: list[int]) -> tuple[int | None, ...]:
    """Numbers that only mean an open side become None; ONNX files have 2^31 - 1 for it, too."""
    return tuple(None if abs(number) >= 2**31 - 1 else number for number in numbers)


@dataclass(frozen=True)
class _SizeSlice(Row):
    """``start`` and ``end`` of a Shape that gives the size of one axis."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        start, end = native.config.pop("start", 0), native.config.pop("end", None)
        if end is None or end != start + 1 or start < 0:
            raise draft.refuse(f"expected the size of one axis, got those from {start} to {end}")
        draft.fields["axis"] = start

    def encode(self, draft: Draft, native: Workpiece) -> None:
        axis = draft.fields.pop("axis")
        native.config |= {"start": axis, "end": axis + 1}


CODECS: list[Codec] = [
    Codec("Squeeze", Squeeze, Input("x"), ConstantInput("axes", "axes", "int64", TUPLE)),
    Codec("Unsqueeze", Unsqueeze, Input("x"), ConstantInput("axes", "axes", "int64", TUPLE)),
    Codec("Expand", Expand, Input("x"), SizesInput("shape", "shape", _expanded, tuple)),
    Codec("Tile", Tile, Input("x"), SizesInput("repeats", "repeats", whole("repeats"), tuple)),
    Codec("Shape", SizeOf, Input("x"), _SizeSlice()),
    unary("Shape", "ShapeOf"),
    Codec(
        "Range",
        Range,
        SizesInput("start", "start", whole("start"), scalar=True),
        SizesInput("limit", "limit", whole("limit"), scalar=True),
        ConstantInput("delta", "step", "int64"),
    ),
    unary("EyeLike", "EyeLike", Attribute("k", "diagonal")),
    Codec(
        "Slice",
        Slice,
        Input("x"),
        SizesInput("starts", "starts", _starts, _bounds),
        SizesInput("ends", "ends", _ends, _bounds),
        ConstantInput("axes", "axes", "int64", TUPLE),
        ConstantInput("steps", "steps", "int64", TUPLE),
    ),
    Codec("Split", Split, Input("x"), SizesInput("split", "sizes", whole("sizes"), tuple), Attribute("axis")),
]
