"""Python literals for the settings of emitted calls: numbers, words, element types, and sizes known at run time."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Code:
    """Python text that stands for itself."""

    text: str


@dataclass(frozen=True)
class Symbolic:
    """A dimension that depends on the sizes of the inputs, as `irconv.ir.shapes` spells it."""

    size: str


@dataclass(frozen=True)
class Dtype:
    """An element type; its logical name is also PyTorch's."""

    name: str


_COLLAPSED = ("kernel_size", "stride", "padding", "dilation", "output_padding")


def literal(value: Any) -> str:
    """A setting as Python text. Strings are quoted, so that nothing in them can become code.

    >>> literal((1, 2.5, "a\\"b")), literal(float("-inf")), literal(Dtype("int8"))
    ('(1, 2.5, "a\\\\"b")', 'float("-inf")', 'torch.int8')
    """
    if isinstance(value, Code):
        return value.text
    if isinstance(value, Dtype):
        return f"torch.{value.name}"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, tuple | list):
        parts = [literal(part) for part in value]
        text = ", ".join(parts) + ("," if isinstance(value, tuple) and len(parts) == 1 else "")
        return f"({text})" if isinstance(value, tuple) else f"[{text}]"
    return repr(value)


def collapsed(name: str, value: Any) -> Any:
    """One number for a window's tuple of equal ones, as PyTorch takes it."""
    return value[0] if name in _COLLAPSED and isinstance(value, tuple) and len(set(value)) == 1 else value


def plain_text(text: str) -> str:
    """Text from a file that may stand in a docstring: without quotes, backslashes and control characters."""
    safe = "".join(letter if letter.isprintable() else " " for letter in text)
    return safe.replace("\\", "/").replace('"', "'")
