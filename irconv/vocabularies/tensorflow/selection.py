"""Ops that make as many elements as the numbers in a value say.

`irconv.frameworks.tensorflow.selection` writes what stands around them, `irconv.frameworks.tensorflow.ops.selection`
reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from irconv.codec import Codec
from irconv.ir.layers.base import ValueType
from irconv.ir.layers.selection import NonMaxSuppression, Unique
from irconv.ir.shapes import static
from irconv.rows import Attribute, Counted, Input, Output, Weight
from irconv.vocabularies.tensorflow.rows import Kernel, op

_MOST = 64
"""Classes of images whose boxes are written out one after the other."""


def _elements(fields: Mapping[str, Any], given: Mapping[str, ValueType]) -> bool:
    return "x" in given and (not fields["sorted"] or fields["axis"] is None)


def _few(fields: Mapping[str, Any], given: Mapping[str, ValueType]) -> bool:
    count = static(given["scores"].shape[:2])
    return "form" in fields and count is not None and prod(count) <= _MOST


_ELEMENTS = Kernel("sorts elements, and no slices along an axis", _elements)
_FEW = Kernel(f"takes boxes of one class of one image: {_MOST} of these at most, whose number is known", _few)
CODECS: list[Codec] = [
    op("Where", "NonZero", Input("x"), Counted()),
    op(
        "UniqueWithCountsV2",
        "Unique",
        _ELEMENTS,
        Input("x"),
        Attribute("axis"),
        Attribute("sorted"),
        Counted(),
        *map(Output, Unique.RESULTS),
    ),
    op(
        "NonMaxSuppressionV3",
        "NonMaxSuppression",
        _FEW,
        Input("boxes"),
        Input("scores"),
        *(Weight(role, role, "i", positional=True) for role in NonMaxSuppression.PARAMETERS),
        Attribute("form"),
        Counted(),
        types="T=boxes",
    ),
]
