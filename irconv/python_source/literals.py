"""Python literals and docstrings of foreign values: whatever they hold, it stays inside."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from irconv.data_classes import dataclass

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True)
class Code:
    """Python text of irconv's own, or made by this package, that stands for itself."""

    text: str


def literal(value: Any, portable: bool = False) -> str:
    """A setting as Python text; `portable` is `quoted`'s.

    >>> literal((1, 2.5, 'a"b')), literal(float("-inf")), literal([None, True])
    ('(1, 2.5, "a\\\\"b")', 'float("-inf")', '[None, True]')

    Raises `TypeError` for what is no number, text, or sequence or dictionary of these.
    """
    if isinstance(value, Code):
        return value.text
    if isinstance(value, str):
        return quoted(value, portable)
    if isinstance(value, tuple | list):
        parts = [literal(part, portable) for part in value]
        text = ", ".join(parts) + ("," if isinstance(value, tuple) and len(parts) == 1 else "")
        return f"({text})" if isinstance(value, tuple) else f"[{text}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(k, portable)}: {literal(v, portable)}" for k, v in value.items()) + "}"
    if value is None or isinstance(value, bool | np.bool_):
        return repr(value if value is None else bool(value))
    if isinstance(value, int | np.integer):
        return repr(int(value))
    if isinstance(value, float | np.floating):
        return repr(float(value)) if math.isfinite(value) else f"float({quoted(str(float(value)))})"
    raise TypeError(f"no Python literal is known for a {type(value).__name__}")


def quoted(text: str, portable: bool = False) -> str:
    """A string in double quotes. What is not printed as it stands (control characters, marks that turn the direction
    of writing) is escaped; `portable` escapes all that is not ASCII, and is then a unicode string in Python 2, too.

    >>> print(quoted('a"; b()\\n'), quoted("ä", portable=True))
    "a\\"; b()\\n" u"\\xe4"
    """
    letters = "".join(_ESCAPES.get(letter) or _shown(letter, portable) for letter in text)
    return f'u"{letters}"' if portable and not text.isascii() else f'"{letters}"'


def docstring(*lines: str) -> list[str]:
    """The lines of a docstring, the closing quotes on a line of their own where there are several."""
    shown = [plain(line) for line in lines]
    return [f'"""{shown[0]}"""'] if len(shown) == 1 else [f'"""{shown[0]}', *shown[1:], '"""']


def plain(text: str) -> str:
    """Foreign text among other words: in one line, without quotes, backslashes and control characters."""
    safe = "".join(letter if letter.isprintable() else " " for letter in text)
    return safe.replace("\\", "/").replace('"', "'")


def _shown(letter: str, portable: bool) -> str:
    if letter.isprintable() and (letter.isascii() or not portable):
        return letter
    number = ord(letter)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"
