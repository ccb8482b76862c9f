"""The files that a model is read from: as they were when each was first opened, to be refused if they change, and what
was found in them, for all readers that look."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from irconv.errors import DamagedFile, Problems
from irconv.ir.stamps import Stamp

_REMEDY = "Wait until it is no longer written, and read it again."
_SEEN: ContextVar[dict[Path, Stamp] | None] = ContextVar("seen", default=None)
_FOUND: ContextVar[dict[tuple[Path, str], tuple[Stamp, Any]] | None] = ContextVar("found", default=None)
_Found = TypeVar("_Found")


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


@contextmanager
def keeping() -> Iterator[None]:
    """Inside the block, in this thread, `once` keeps what it is given: every reader is asked about every file, and most
    of them look at the same things."""
    token = _FOUND.set({} if _FOUND.get() is None else _FOUND.get())
    try:
        yield
    finally:
        _FOUND.reset(token)


def once(path: Path, kind: str, find: Callable[[], _Found]) -> _Found:
    """What `find` gives of a file; inside `keeping` it is called once for each kind while the file stays as it is."""
    found = _FOUND.get()
    if found is None:
        return find()
    stamp, key = Stamp.of(path.stat()), (path.absolute(), kind)
    if key not in found or found[key][0] != stamp:
        found[key] = stamp, find()
    note(path)
    result: _Found = found[key][1]
    return result


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
