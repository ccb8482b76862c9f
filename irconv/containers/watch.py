"""The files that a model is read from, as they were when each was first opened, to be refused if they change."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from irconv.errors import DamagedFile, Problems
from irconv.ir.stamps import Stamp

_REMEDY = "Wait until it is no longer written, and read it again."
_SEEN: ContextVar[dict[Path, Stamp] | None] = ContextVar("seen", default=None)


@contextmanager
def watched() -> Iterator[Mapping[Path, Stamp]]:
    """Collects what is noted inside the block, in this thread, by absolute path."""
    seen: dict[Path, Stamp] = {}
    token = _SEEN.set(seen)
    try:
        yield seen
    finally:
        _SEEN.reset(token)


def note(path: Path, status: os.stat_result | None = None) -> None:
    """Note a file before it is read, or what ``fstat`` says of the one that was opened.

    Raises `DamagedFile` where it is not as it was when noted before.
    """
    seen = _SEEN.get()
    if seen is None:
        return
    stamp = Stamp.of(path.stat() if status is None else status)
    if seen.setdefault(path.absolute(), stamp) != stamp:
        raise DamagedFile(str(path), "has changed while it was read", _REMEDY)


def check_unchanged(seen: Mapping[Path, Stamp]) -> None:
    """Raise `DamagedFile` naming every file that is no longer what it was when it was noted."""
    problems = Problems()
    for path, stamp in seen.items():
        try:
            same = Stamp.of(path.stat()) == stamp
        except OSError:
            same = False
        if not same:
            problems.add(str(path), "has changed since it was first read", _REMEDY, DamagedFile)
    problems.raise_any()
