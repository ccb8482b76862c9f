"""Foreign text for people: printed as it stands, but for what would do something to a terminal."""

from __future__ import annotations

import re

_RUNS = re.compile(r"\\*[|&;<>$`!]")
"""What lets a shell run or write something, where it is not quoted, and the backslashes before it."""


def shown(text: str) -> str:
    """Text in one line: control characters, ends of lines, marks that turn the direction of writing and half characters
    are escaped as Python escapes them.

    >>> print(shown("a\\x1b[31mb\\n"))
    a\\x1b[31mb\\n
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def pasted(text: str) -> str:
    """Text whose names are copied into commands: what would make a shell run something stands behind a backslash, and
    a backslash before it behind one of its own, so that it escapes nothing but itself.

    >>> print(pasted("input x|a;`b`: float32 (N, 6) NC"))
    input x\\|a\\;\\`b\\`: float32 (N, 6) NC
    """
    return _RUNS.sub(lambda found: "\\" * len(found[0]) + found[0], text)


def shown_json(text: str) -> str:
    """A JSON document with the same escaped as JSON escapes them; it means the same.

    >>> print(shown_json('{"a":\\n "\\u202e"}'))
    {"a":
     "\\u202e"}
    """
    plain = text.replace("\n", "")
    return text if plain.isprintable() else "".join(c if c.isprintable() or c == "\n" else _json(c) for c in text)


def _json(letter: str) -> str:
    raw = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{raw[i : i + 2].hex()}" for i in range(0, len(raw), 2))
