"""Bytes of a pickle, one after the other."""

from __future__ import annotations

from irconv.containers.files import SourceFile

_BLOCK = 1 << 18
_MAX_LINE = 1 << 20


class Stream:
    """Bytes of a file in order, read ahead in blocks: next comes ``buffer[at]``, once `fill` has brought it."""

    def __init__(self, file: SourceFile | bytes, position: int = 0) -> None:
        self._file = file
        self._end = file.size if isinstance(file, SourceFile) else len(file)
        self.buffer = b"" if isinstance(file, SourceFile) else file
        self._start, self.at = 0, position
        if isinstance(file, SourceFile):
            self._start, self.at = position, 0

    @property
    def position(self) -> int:
        """The offset of the next byte."""
        return self._start + self.at

    def take(self, count: int) -> bytes:
        """The next bytes. Raises `EOFError` where there are fewer."""
        stop = self.at + count
        if stop > len(self.buffer):
            self.fill(count)
            stop = self.at + count
        found = self.buffer[self.at : stop]
        self.at = stop
        return found

    def line(self) -> bytes:
        """The bytes up to the next line feed, without it. Raises `EOFError` where there is none."""
        found = self.buffer.find(b"\n", self.at)
        wanted = _BLOCK
        while found < 0:
            left = self._end - self.position
            if left <= len(self.buffer) - self.at or wanted > _MAX_LINE * 2:
                raise EOFError("no end of the line")
            self.fill(min(wanted, left))
            found, wanted = self.buffer.find(b"\n", self.at), wanted * 2
        line = self.buffer[self.at : found]
        self.at = found + 1
        return line

    def fill(self, count: int) -> None:
        """Have at least so many of the next bytes in the buffer. Raises `EOFError` where there are fewer."""
        position = self.position
        if not isinstance(self._file, SourceFile) or position + count > self._end:
            raise EOFError(f"{count} bytes at {position}, but there are {self._end}")
        block = bytearray(min(max(count, _BLOCK), self._end - position))
        self._file.read_into(memoryview(block), position)
        self.buffer, self._start, self.at = bytes(block), position, 0
