"""Functions that make as many elements as the numbers in a value say <-> IR layers."""

from __future__ import annotations

from irconv.codec import Codec
from irconv.frameworks.torch.table.rows import Makes, Taken, attributes, function, unary
from irconv.ir.layers.selection import NonMaxSuppression
from irconv.rows import Attribute, Weight

SELECTION: list[Codec] = [
    unary("nonzero", "NonZero", Makes(1)),
    function("compress", "Compress", "x condition", Makes(None), *attributes("dim=axis")),
    function(
        "unique",
        "Unique",
        "x",
        Makes(None),
        *attributes("dim=axis", "ordered=sorted"),
        results="y first inverse counts",
    ),
    function(
        "non_max_suppression",
        "NonMaxSuppression",
        "boxes scores",
        *(Weight(role, role, "i", positional=True) for role in NonMaxSuppression.PARAMETERS),
        Makes(0),
        Attribute("form"),
    ),
    function(
        "reduce_along", "ReduceAlong", "x axes", Taken(("sizes",)), *attributes("op", "keepdim=keepdims", "empty")
    ),
    unary("count_up", "CountUp", Makes(0)),
]
