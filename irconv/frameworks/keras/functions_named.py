"""What the compiled code of a Lambda says of itself, as text: it is looked through, never loaded and never run."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

#: A short string as `marshal` writes it: its kind (with or without the mark of one that is referred to), length, text.
_SHORT = re.compile(rb"[\x5a\xda\x7a\xfa](.)", re.DOTALL)
_LAMBDA = "<lambda>"


def named(code: Any) -> str:
    """The name of a function, and the file it was written in, as far as its code says so.

    Where the code says neither, it is "a lambda": Keras stores all functions that are not its own alike.
    """
    texts = _texts(code)
    files = [place for place, text in enumerate(texts) if text.endswith(".py")]
    if len(files) != 1 or files[0] + 1 >= len(texts):
        return "a lambda"
    file, name = texts[files[0]].replace("\\", "/"), texts[files[0] + 1]
    near = "/".join(file.split("/")[-2:])
    return f"a lambda of {near}" if name == _LAMBDA else f"{name} of {near}"


def _texts(code: Any) -> list[str]:
    """The short strings of compiled code, in order."""
    try:
        data = base64.b64decode(code) if isinstance(code, str) else b""
    except (binascii.Error, ValueError):
        return []
    found, place = [], 0
    while (match := _SHORT.search(data, place)) is not None:
        length = match[1][0]
        text = data[match.end() : match.end() + length]
        if length and len(text) == length and text.isascii() and text.decode().isprintable():
            found.append(text.decode())
            place = match.end() + length
        else:
            place = match.start() + 1
    return found
