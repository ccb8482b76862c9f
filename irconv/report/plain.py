"""Foreign text in tables for people: nothing in it is markup, and nothing moves the cursor."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.text import Text

from irconv.terminal import shown

_WIDE = 160
"""Columns where nobody says how many there are: a file, or another program."""


def tables() -> Console:
    """Stdout for tables: as wide as the terminal, and wide where it is none."""
    return Console(width=None if sys.stdout.isatty() else _WIDE)


def plain(*lines: str) -> Text:
    """Text of a file, each of these on a line of its own."""
    return Text("\n".join(map(shown, lines)))
