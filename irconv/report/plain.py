"""Foreign text in tables for people: nothing in it is markup, and nothing moves the cursor."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from irconv.terminal import shown

ENDLESS = 1 << 20
"""Columns in a file or in a pipe: a row is a line, so that ``grep`` finds whole names."""


def tables() -> Console:
    """Stdout for tables: as wide as the terminal, and endless where it is none."""
    return Console(width=None if sys.stdout.isatty() else ENDLESS)


def print_table(table: Table, console: Console) -> None:
    """Print a table; outside of a terminal without spaces at the ends of lines."""
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as kept:
        console.print(table)
    for line in kept.get().splitlines():
        console.print(Text(line.rstrip()), soft_wrap=True)


def plain(*lines: str) -> Text:
    """Text of a file, each of these on a line of its own."""
    return Text("\n".join(map(shown, lines)))
