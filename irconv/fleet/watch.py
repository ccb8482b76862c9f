"""What a process and those that it has started hold and have used, as Linux counts it; elsewhere nothing is known."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from irconv.data_classes import dataclass

_PROCESSES = Path("/proc")


@dataclass(frozen=True)
class Held:
    """Bytes in memory that are no file's, and seconds of processor time."""

    memory: int
    seconds: float


def held(pid: int) -> Held:
    """What the tree of a process holds and has used, ended ones that were waited for included."""
    page, ticks = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
    memory, seconds = 0, 0.0
    for one in _tree(pid):
        with suppress(OSError, ValueError, IndexError):  # it has ended meanwhile
            counts = (_PROCESSES / str(one) / "statm").read_bytes().split()
            memory += (int(counts[1]) - int(counts[2])) * page
            used = (_PROCESSES / str(one) / "stat").read_bytes().rpartition(b")")[2].split()
            seconds += sum(map(int, used[11:15])) / ticks
    return Held(memory, seconds)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for task in os.listdir(_PROCESSES / str(pid) / "task"):
            with suppress(OSError):
                for child in (_PROCESSES / str(pid) / "task" / task / "children").read_bytes().split():
                    yield from _tree(int(child))
