"""What several commands print."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from irconv.shell import say

if TYPE_CHECKING:
    from irconv.ir.manifest import Fact


def tell(facts: Iterable[Fact]) -> None:
    """What was stated or assumed of a model, on stderr."""
    for fact in facts:
        say(f"{fact.name}: {fact.value} ({fact.evidence})", err=True)


def shape(sizes: tuple[int | str, ...]) -> str:
    """A shape as Python writes it, symbols without quotes."""
    return f"({', '.join(map(str, sizes))}{',' if len(sizes) == 1 else ''})"


class progress:
    """A progress bar on a terminal for work that takes longer than a moment, else nothing."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> Callable[[int, int], None] | None:
        self._bar: Any = None
        return self._show if sys.stderr.isatty() else None

    def _show(self, done: int, total: int) -> None:
        if self._bar is None and total > 64 * 2**20:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

            columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(self._what, total=total)
            self._bar.start()
        if self._bar is not None:
            self._bar.update(self._task, completed=done)

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()
