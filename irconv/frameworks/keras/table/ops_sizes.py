"""Functions of TensorFlow on sizes, and values made of sizes alone. They are read; Keras has no operators for them."""

from __future__ import annotations

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.keras.table.op_rows import EVERY_OP
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.shape_ops import Full, Range, ShapeOf
from irconv.rows import Attribute, Iso

_SHAPE = Iso(lambda sizes: (sizes,) if isinstance(sizes, int | str) else tuple(sizes), list)


@dataclass(frozen=True)
class CountedAs(Row):
    """The element type of numbers that are counted in int64."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        if (dtype := native.config.pop("dtype")) != "int64":
            draft.after["y"] = (Cast(dtype=dtype),)


CODECS: list[Codec] = [
    Codec("ops.Shape", ShapeOf, EVERY_OP),
    Codec(
        "ops.Full", Full, Attribute("dtype"), EVERY_OP, Attribute("shape", iso=_SHAPE), Attribute("fill_value", "value")
    ),
    Codec(
        "ops.Arange",
        Range,
        CountedAs(),
        EVERY_OP,
        Attribute("start"),
        Attribute("stop", "limit"),
        Attribute("step"),
    ),
]
