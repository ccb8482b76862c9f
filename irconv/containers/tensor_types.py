"""TensorFlow's element types: their numbers in files, and what a bundle calls them."""

from __future__ import annotations

from functools import cache
from math import prod
from typing import Any

from irconv.containers import messages
from irconv.errors import DamagedFile

_MOST_AXES = 32
_MOST_ELEMENTS = 1 << 58
"""More than any file holds; numpy counts the bytes of an array in 63 bits, axes of no elements left out."""

NAMES = {
    "DT_FLOAT": "float32",
    "DT_DOUBLE": "float64",
    "DT_HALF": "float16",
    "DT_BFLOAT16": "bfloat16",
    "DT_FLOAT8_E5M2": "float8_e5m2",
    "DT_FLOAT8_E4M3FN": "float8_e4m3fn",
    "DT_FLOAT8_E4M3FNUZ": "float8_e4m3fnuz",
    "DT_FLOAT8_E5M2FNUZ": "float8_e5m2fnuz",
    "DT_INT8": "int8",
    "DT_INT16": "int16",
    "DT_INT32": "int32",
    "DT_INT64": "int64",
    "DT_UINT8": "uint8",
    "DT_UINT16": "uint16",
    "DT_UINT32": "uint32",
    "DT_UINT64": "uint64",
    "DT_BOOL": "bool",
    "DT_COMPLEX64": "complex64",
    "DT_COMPLEX128": "complex128",
    "DT_QINT8": "int8",
    "DT_QUINT8": "uint8",
    "DT_QINT16": "int16",
    "DT_QUINT16": "uint16",
    "DT_QINT32": "int32",
}
"""TensorFlow's name -> the logical name of the same elements."""
QUANTISED = {"DT_QINT8", "DT_QUINT8", "DT_QINT16", "DT_QUINT16", "DT_QINT32"}


def type_name(number: int) -> str:
    """A type by its number: the logical name where a bundle can hold it, else TensorFlow's own in lower case.

    >>> type_name(1), type_name(101), type_name(7), type_name(11), type_name(999)
    ('float32', 'float32_ref', 'string', 'qint8', 'type 999')
    """
    name = _numbers().get(number, "")
    if not name:
        return f"type {number}"
    bare = name.removesuffix("_REF")
    known = bare.removeprefix("DT_").lower() if bare in QUANTISED or bare not in NAMES else NAMES[bare]
    return known + ("_ref" if bare != name else "")


def element_type(number: int) -> str | None:
    """The logical name of the elements as they are stored, or None where a bundle cannot hold them."""
    return NAMES.get(_numbers().get(number, ""))


def type_number(dtype: str) -> int:
    """The number of a logical name or of a name of `type_name`. Raises `KeyError`."""
    return _by_name()[dtype]


def shape_of(message: Any, where: str) -> tuple[int, ...]:
    """The shape in a ``TensorShapeProto``, all of it known. Raises `DamagedFile` for one that no array can have."""
    shape = tuple(dim.size for dim in message.dim)
    sizes = prod(max(size, 1) for size in shape) if len(shape) <= _MOST_AXES else _MOST_ELEMENTS + 1
    if message.unknown_rank or any(size < 0 for size in shape) or sizes > _MOST_ELEMENTS:
        what = f"expected a shape of at most {_MOST_AXES} axes and {_MOST_ELEMENTS} elements, got {shape[:10]}"
        raise DamagedFile(where, what)
    return shape


@cache
def _numbers() -> dict[int, str]:
    return messages.enum("tensorflow", "DataType")


@cache
def _by_name() -> dict[str, int]:
    return {type_name(number): number for number in _numbers()}
