"""Shards that are finished and wait for the rest, so that a run that was ended early need not begin anew.

``.irconv-shards-NAME/`` beside the output NAME holds ``asked`` (what was to be converted, from what and how), the
finished shards under their own names, one that is being written as ``NAME.part``, and ``lock``, which the run that
writes them keeps locked. It is there only where ``--resume`` was given, and goes with the run that finishes the output.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path

from irconv.errors import OutputFailed

PREFIX = ".irconv-shards-"
_ASKED, _LOCK = "asked", "lock"


class KeptShards:
    """The finished shards of one output. Raises `OutputFailed` where they are those of another conversion, or another
    run writes them now."""

    def __init__(self, output: Path, asked: str) -> None:
        self.folder = output.with_name(PREFIX + output.name)
        with suppress(FileExistsError):
            self.folder.mkdir()
        if self.folder.is_symlink() or not self.folder.is_dir():
            raise OutputFailed(str(self.folder), "is no folder of shards", "Move it away first.")
        self._lock = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._begin(asked)
        except BlockingIOError as error:
            os.close(self._lock)
            raise OutputFailed(str(output), "another run writes it now", "Wait for its end.") from error
        except BaseException:
            os.close(self._lock)
            raise

    def _begin(self, asked: str) -> None:
        place = self.folder / _ASKED
        if not place.exists():
            if set(os.listdir(self.folder)) - {_LOCK, f"{_ASKED}.part"}:
                raise OutputFailed(str(self.folder), "is a folder that irconv did not write", "Move it away first.")
            part = self.folder / f"{_ASKED}.part"
            part.write_text(asked, encoding="utf-8")
            os.replace(part, place)
        elif place.read_text(encoding="utf-8") != asked:
            what = "holds shards of another conversion: what is read has changed, or other options were given"
            raise OutputFailed(str(self.folder), what, "Give the same command again, or remove this folder.")

    def take(self, place: Path, head: bytes, size: int) -> bool:
        """Whether the shard that goes to a place is finished: it has its size, and begins as it should."""
        kept = self.folder / place.name
        try:
            with kept.open("rb") as file:
                return os.fstat(file.fileno()).st_size == size and file.read(len(head)) == head
        except FileNotFoundError:
            return False

    def begun(self, place: Path) -> Path:
        """Where the shard that goes to a place is written; what an earlier run left there is gone."""
        part = self.folder / f"{place.name}.part"
        part.unlink(missing_ok=True)
        return part

    def finished(self, place: Path) -> None:
        """The shard is written: make sure that it is on the disk, and keep it."""
        part = self.folder / f"{place.name}.part"
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, self.folder / place.name)

    def give(self, place: Path) -> None:
        """Put a finished shard to its place, too; the folder keeps it until all is done."""
        kept = self.folder / place.name
        try:
            os.link(kept, place)
        except OSError:  # a file system without links
            os.rename(kept, place)

    def remove(self, done: bool) -> None:
        """Free the lock; once all is `done` the folder goes."""
        if done:
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)
