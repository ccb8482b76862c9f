"""Ops that make as many elements as the numbers in a value say: ONNX ops <-> IR layers."""

from __future__ import annotations

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.onnx.table.rows import with_field
from irconv.ir.layers.selection import Compress, CountUp, NonMaxSuppression, NonZero, Unique
from irconv.rows import Attribute, ConstantInput, Counted, Input, Iso, OptionalAttribute, Output, Weight


@dataclass(frozen=True)
class _Number(Row):
    """An input that is always this int64 number."""

    native: str
    value: int

    def encode(self, draft: Draft, native: Workpiece) -> None:
        ConstantInput(self.native, self.native, "int64").encode(with_field(draft, self.native, self.value), native)


CODECS: list[Codec] = [
    Codec("NonZero", NonZero, Input("x"), Counted()),
    Codec("Compress", Compress, Input("x"), Input("condition"), OptionalAttribute("axis", "axis"), Counted()),
    Codec(
        "Unique",
        Unique,
        Input("x"),
        OptionalAttribute("axis", "axis"),
        Attribute("sorted", iso=Iso(bool, int)),
        Counted(),
        *map(Output, Unique.RESULTS),
    ),
    Codec(
        "NonMaxSuppression",
        NonMaxSuppression,
        Input("boxes"),
        Input("scores"),
        Weight("max_output_boxes_per_class", "most", "i", positional=True),
        Weight("iou_threshold", "iou_threshold", "i", positional=True),
        Weight("score_threshold", "score_threshold", "i", positional=True),
        Attribute("center_point_box", "form", Iso(("corners", "centre").__getitem__, ("corners", "centre").index)),
        Counted(),
    ),
    Codec("Range", CountUp, _Number("start", 0), Input("x"), _Number("delta", 1), Counted()),
]
