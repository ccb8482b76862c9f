"""The hidden folder beside its outputs in which a run prepares them, and what is left of those that were killed.

``.irconv-XXXXXXXX/`` holds ``lock``, which the run that made it keeps locked as long as it lives, ``new`` (what is
written), ``old`` (what was replaced) and ``aside`` (a folder that is gone until the new one is in its place). A run
that starts in the same folder removes every such folder whose lock is free. The lock is made first and removed last,
and whoever gets a lock looks whether it is still there, so that no two runs take one for their own.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

PREFIX = ".irconv-"
_NAME = re.compile(re.escape(PREFIX) + r"[a-z0-9_]{8}")
_LOCK = "lock"
_PARTS = ("new", "old", "aside")


class Workspace:
    """A locked folder of this run; `new`, `old` and `aside` are folders in it. Raises `OSError`."""

    def __init__(self, parent: Path) -> None:
        remove_left(parent)
        self.folder, self._lock = _made(parent)
        self.new, self.old, self.aside = (self.folder / part for part in _PARTS)
        for part in (self.new, self.old, self.aside):
            part.mkdir()

    def remove(self) -> None:
        """Remove it with all that is in it, and free the lock."""
        _remove(self.folder)
        os.close(self._lock)


@contextmanager
def alone_in(folders: Iterable[Path]) -> Iterator[None]:
    """No other run moves its outputs into any of these folders meanwhile: several files of two runs do not mix.

    The folders themselves are locked, so that nothing is left of it; a run that ends, however it does, frees them.
    Where a system cannot lock folders, a run that meets another one's files says that they were replaced.
    """
    with ExitStack() as stack:
        for folder in sorted({folder.resolve() for folder in folders}):
            with suppress(OSError):
                lock = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, lock)
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remove_left(parent: Path) -> None:
    """Remove what killed runs left in a folder, after putting back what they had set aside."""
    with suppress(OSError):
        for entry in os.scandir(parent):
            if _NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                with suppress(OSError):
                    _remove_left(Path(entry.path))


def _remove_left(folder: Path) -> None:
    """Remove one such folder, unless its run still lives or it holds what no run puts there."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        folder.rmdir()  # killed before the lock was made, or after it was removed: it is empty
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_current(lock, folder) and set(os.listdir(folder)) <= {_LOCK, *_PARTS}:
            aside = folder / _PARTS[-1]
            for name in os.listdir(aside) if aside.is_dir() else ():
                if not os.path.lexists(folder.parent / name):
                    os.rename(aside / name, folder.parent / name)
            _remove(folder)
    finally:
        os.close(lock)


def _made(parent: Path) -> tuple[Path, int]:
    """A new folder and its lock, held. Another run may take it for a left-over before it is locked: then again."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        except OSError:  # a file system without locks: there, nothing that is left can be locked and removed either
            return folder, lock
        if _is_current(lock, folder):
            return folder, lock
        os.close(lock)


def _is_current(lock: int, folder: Path) -> bool:
    """Whether an open lock is still the one in the folder."""
    try:
        return os.path.samestat(os.fstat(lock), os.lstat(folder / _LOCK))
    except FileNotFoundError:
        return False


def _remove(folder: Path) -> None:
    """Remove such a folder, its lock last."""
    for part in _PARTS:
        shutil.rmtree(folder / part, ignore_errors=True)
    with suppress(OSError):
        os.unlink(folder / _LOCK)
        os.rmdir(folder)
