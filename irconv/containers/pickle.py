"""Pickles as plain data, protocols 0 to 5 and Python 2's: nothing is imported, looked up or called.

Numbers, text, containers and numpy arrays become themselves; every other object an `Instance` where the reader's
`Rules` allow it; any other name is refused. Python 2 strings are read as latin1, the longer ones stay bytes.
"""

from __future__ import annotations

import struct
from typing import Any

from irconv.containers.files import SourceFile
from irconv.containers.pickle_machine import Machine
from irconv.containers.pickle_values import Global, Instance, OrderedItems, Rules
from irconv.errors import MALFORMED, DamagedFile, IrconvError

__all__ = ["Global", "Instance", "OrderedItems", "Rules", "Stream", "unpickle", "unpickle_bytes"]

_BLOCK = 1 << 18
_MAX_LINE = 1 << 20


class Stream:
    """Bytes of a file in order, read ahead in blocks; `position` is where the next ones come from."""

    def __init__(self, file: SourceFile | bytes, position: int = 0) -> None:
        self._file = file
        self._end = file.size if isinstance(file, SourceFile) else len(file)
        self._buffer = b"" if isinstance(file, SourceFile) else file
        self._start, self._next = 0, position
        if isinstance(file, SourceFile):
            self._start, self._next = position, 0

    @property
    def position(self) -> int:
        """The offset of the next byte."""
        return self._start + self._next

    def take(self, count: int) -> bytes:
        """The next bytes. Raises `EOFError` where there are fewer."""
        stop = self._next + count
        if stop > len(self._buffer):
            self._fill(count)
            stop = self._next + count
        found = self._buffer[self._next : stop]
        self._next = stop
        return found

    def line(self) -> bytes:
        """The bytes up to the next line feed, without it. Raises `EOFError` where there is none."""
        found = self._buffer.find(b"\n", self._next)
        wanted = _BLOCK
        while found < 0:
            left = self._end - self.position
            if left <= len(self._buffer) - self._next or wanted > _MAX_LINE * 2:
                raise EOFError("no end of the line")
            self._fill(min(wanted, left))
            found, wanted = self._buffer.find(b"\n", self._next), wanted * 2
        line = self._buffer[self._next : found]
        self._next = found + 1
        return line

    def _fill(self, count: int) -> None:
        position = self.position
        if not isinstance(self._file, SourceFile) or position + count > self._end:
            raise EOFError(f"{count} bytes at {position}, but there are {self._end}")
        block = bytearray(min(max(count, _BLOCK), self._end - position))
        self._file.read_into(memoryview(block), position)
        self._buffer, self._start, self._next = bytes(block), position, 0


def unpickle_bytes(content: bytes, where: str, rules: Rules | None = None) -> Any:
    """The value of a pickle in memory; see `unpickle`."""
    return unpickle(Stream(content), where, rules)


def unpickle(stream: Stream, where: str, rules: Rules | None = None) -> Any:
    """The value of the next pickle of a stream, which then stands behind it.

    Raises `Refused` naming what is not on the list of plain data, and `DamagedFile`.
    """
    machine = Machine(stream.take, stream.line, rules or Rules(), where, lambda: stream.position)
    try:
        return machine.run()
    except IrconvError:
        raise
    except (EOFError, struct.error, RecursionError, OverflowError, MemoryError, *MALFORMED) as error:
        what = f"expected a pickle, which ends or breaks off at byte {stream.position}: {_short(error)}"
        raise DamagedFile(where, what, "The file is truncated or damaged; fetch it again.") from error


def _short(error: Exception) -> str:
    return f"{type(error).__name__} {str(error)[:200]}".strip()
