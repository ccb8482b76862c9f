"""Native layers, and the codecs that carry them to IR layers and back. A codec is made of rows (`irconv.rows`).

A framework's ``table.py`` is a list of `Codec`; a `Table` finds the one for a native or an IR type. After decode a
native key without a row is an error; after encode an IR field without a row is an error: the table *is* the list of
what the framework can express.
"""

from __future__ import annotations

from irconv.codec.draft import Draft, Fields, MappedTensor, Row, Workpiece
from irconv.codec.native import (
    Given,
    Native,
    NativeModel,
    NativeUse,
    NativeWeight,
    NumbersOf,
    OfShape,
    Precision,
    Reference,
    SizeOf,
    TypeOf,
)
from irconv.codec.table import Codec, Table, reasons

__all__ = [
    "Codec",
    "Draft",
    "Fields",
    "Given",
    "MappedTensor",
    "Native",
    "NativeModel",
    "NativeUse",
    "NativeWeight",
    "NumbersOf",
    "OfShape",
    "Precision",
    "Reference",
    "Row",
    "SizeOf",
    "Table",
    "TypeOf",
    "Workpiece",
    "reasons",
]
