"""The table of `irconv inspect` on a terminal: layers in their order, below the modules they lie in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from irconv.report.inspect import counted, number, results, settings_text
from irconv.report.plain import plain
from irconv.report.summary import Row
from irconv.terminal import shown

_WIDE = 110
"""Columns of a terminal from which on settings and multiply-adds have columns of their own."""


class Terminal:
    """Where the table is printed."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @property
    def fits(self) -> bool:
        """Whether it is a terminal, whose width the table has to fit."""
        return self.console.is_terminal

    @property
    def file(self) -> IO[str]:
        """Where a line goes that fits nothing."""
        return self.console.file

    def say(self, text: str) -> None:
        """A line of text."""
        self.console.print(plain(text))

    def head(self, files: str, rest: str) -> None:
        """The first line."""
        self.console.print(Text.assemble((shown(files), "bold"), shown(rest)))

    def tree(self, found: Iterable[Row]) -> None:
        """The table."""
        self.console.print(_tree(found, self.console.width))


def open_console(console: Console | None) -> Terminal:
    """The console that was given, or that of stdout."""
    return Terminal(console or Console())


def _tree(found: Iterable[Row], width: int) -> Table:
    """The layers in their order, below the modules they lie in."""
    wide = width >= _WIDE
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("layer", overflow="fold", ratio=3)
    table.add_column("type", overflow="fold")
    if wide:
        table.add_column("settings", overflow="fold", ratio=3)
    table.add_column("output", overflow="fold")
    table.add_column("parameters", justify="right")
    if wide:
        table.add_column("multiply-adds", justify="right")
    table.add_column("connected to", overflow="fold", ratio=2)
    before: tuple[str, ...] = ()
    for row in found:
        modules = row.path[:-1]
        common = _common(modules, before)
        if common < len(modules):
            table.add_row(Text("  " * common + shown(".".join(modules[common:])), style="bold"))
        before = row.path if row.type else modules
        cells: list[Text | str] = [Text("  " * len(modules) + shown(row.path[-1])), plain(row.type)]
        cells += [plain(settings_text(row))] if wide else []
        cells += [plain(results(row)), counted(row)]
        cells += [number(row.multiply_adds) if row.multiply_adds != 0 else ""] if wide else []
        table.add_row(*cells, plain(", ".join(row.sources)))
    return table


def _common(modules: Sequence[str], before: Sequence[str]) -> int:
    count = 0
    for one, other in zip(modules, before, strict=False):
        if one != other:
            break
        count += 1
    return count
