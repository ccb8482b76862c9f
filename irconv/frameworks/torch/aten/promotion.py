"""The element type that PyTorch computes in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irconv.ir.dtypes import FLOATS, item_size


def promote(tensors: Sequence[tuple[str, int]], numbers: Sequence[Any]) -> str:
    """The element type of an operation: the highest kind wins, in it the widest type; tensors without axes count only
    where no other has their kind, numbers only where no tensor has it.

    >>> promote([("float16", 2), ("float32", 0)], []), promote([("int64", 1)], [0.5]), promote([("bool", 1)], [2])
    ('float16', 'float32', 'int64')
    """
    kind = max([_kind(dtype) for dtype, _ in tensors] + [_kind_of(number) for number in numbers])
    whole = [dtype for dtype, rank in tensors if _kind(dtype) == kind and rank > 0]
    scalars = [dtype for dtype, rank in tensors if _kind(dtype) == kind]
    found = whole or scalars
    if not found:
        return ("bool", "int64", "float32")[kind]
    if {"float16", "bfloat16"} <= set(found):
        return "float32"
    return max(found, key=item_size)


def _kind(dtype: str) -> int:
    return 0 if dtype == "bool" else 2 if dtype in FLOATS or "float" in dtype else 1


def _kind_of(number: Any) -> int:
    return 0 if isinstance(number, bool) else 2 if isinstance(number, float) else 1
