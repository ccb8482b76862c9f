"""Logical element types: one table of names, numpy types and safetensors codes.

Names are numpy's and ml_dtypes' own (``float32``, ``bfloat16``, ``float8_e4m3fn``), always little-endian in a bundle.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

#: Logical name -> safetensors code.
SAFETENSORS_CODES = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "uint16": "U16",
    "int16": "I16",
    "uint32": "U32",
    "int32": "I32",
    "uint64": "U64",
    "int64": "I64",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "float8_e8m0fnu": "F8_E8M0",
    "bfloat16": "BF16",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "complex64": "C64",
}
FROM_SAFETENSORS = {code: name for name, code in SAFETENSORS_CODES.items()}
PAIRS = {"complex128": "float64"}
"""Element types that safetensors lacks -> the type of the pair (real, imaginary) that a bundle keeps of each."""
ELEMENT_TYPES = (*SAFETENSORS_CODES, *PAIRS)
"""The one list of element types a bundle can hold."""
HALVES = ("float16", "bfloat16")
FLOATS = (*HALVES, "float32", "float64")
"""The floating types that layers compute in."""


@cache
def numpy_dtype(name: str) -> np.dtype[Any]:
    """The little-endian numpy type of a logical name.

    Raises `KeyError` for a name that no bundle can hold.
    """
    if name not in ELEMENT_TYPES:
        raise KeyError(name)
    if name.startswith(("bfloat", "float8")):
        import ml_dtypes

        special: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return special
    return np.dtype(name).newbyteorder("<")


def logical_name(dtype: np.dtype[Any]) -> str | None:
    """The logical name of a numpy type of either byte order, or None if a bundle cannot hold it."""
    name = dtype.newbyteorder("=").name if dtype.kind in "biufcV" else ""
    return name if name in ELEMENT_TYPES else None


_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


def shortest_float32(value: Any) -> Any:
    """The shortest decimals that are the same float32 numbers: 0.2 for 0.20000000298023224.

    Files keep settings as float32 and write them out as float64. Numbers that are no float32 stay as they are.
    """
    if isinstance(value, np.ndarray):
        return [shortest_float32(v) for v in value] if value.ndim else shortest_float32(value.item())
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, float) or not np.isfinite(value) or np.float32(value) != value:
        return value
    shortest = float(np.format_float_positional(np.float32(value), unique=True, trim="0"))
    # the decimals of the largest float32 are above it, and what takes no larger number refuses them
    return shortest if abs(shortest) <= _LARGEST_FLOAT32 else value


def item_size(name: str) -> int:
    """Bytes an element takes."""
    return numpy_dtype(name).itemsize
