"""A region of a file whose checksum its container states; it is compared before anything of the region is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

from irconv.containers.files import Named, SourceFile
from irconv.errors import DamagedFile

_BLOCK = 1 << 20

_LOCKS = tuple(Lock() for _ in range(61))
"""Each for many regions, of which a file may have a hundred thousand: one is read through by one thread."""

Checksum = Callable[[memoryview, int], int]
"""The checksum of some bytes, going on from that of what is before them (0 at the beginning)."""


class CheckedRegion(SourceFile):
    """Bytes of a file that are read once through before the first of them is given out.

    Reading raises `DamagedFile`, naming `where`, for bytes that have another checksum.
    """

    def __init__(self, whole: SourceFile, start: int, size: int, where: Named, checksum: Checksum, stated: int | None):
        """`stated` is None where the container was written without checksums."""
        self._named, self.size = where, size
        self._whole, self._start, self._compute, self._stated = whole, start, checksum, stated
        self._sound = stated is None
        if start < 0 or size < 0 or start + size > whole.size:
            what = f"expected {size} bytes at offset {start}, but the file has {whole.size} bytes"
            raise DamagedFile(str(self.path), what)

    def read_runs(self, buffer: memoryview, offsets: Sequence[int]) -> None:
        """See `SourceFile.read_runs`."""
        if len(offsets) == 1 and offsets[0] == 0 and len(buffer) == self.size:
            self._whole.read_runs(buffer, [self._start])
            self._compare(self._compute(buffer, 0))
            return
        self._check()
        self._whole.read_runs(buffer, [self._start + offset for offset in offsets])

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """See `SourceFile.read_into`."""
        if offset < 0 or offset + len(buffer) > self.size:
            raise DamagedFile(
                str(self.path), f"expected {len(buffer)} bytes at offset {offset}, but it ends at {self.size}"
            )
        self.read_runs(buffer, [offset])

    def place(self, start: int, count: int) -> tuple[int, int] | None:
        """See `SourceFile.place`; the checksum is compared before."""
        self._check()
        return self._whole.place(self._start + start, count)

    def _check(self) -> None:
        """Read it once through, unless that has been done."""
        with _LOCKS[self._start % len(_LOCKS)]:
            if not self._sound:
                self._compare(checksum_of(self._whole, self._start, self.size, self._compute))

    def _compare(self, found: int) -> None:
        if self._stated not in (None, found):
            what = f"expected CRC {self._stated:08x}, got {found:08x}: the bytes have changed since it was written"
            raise DamagedFile(str(self.path), what, "Fetch the file again.")
        self._sound = True


def checksum_of(file: SourceFile, start: int, size: int, checksum: Checksum) -> int:
    """The checksum of a part of a file, which is read in blocks."""
    found, block = 0, bytearray(min(_BLOCK, size))
    for offset in range(0, size, _BLOCK):
        part = memoryview(block)[: min(_BLOCK, size - offset)]
        file.read_into(part, start + offset)
        found = checksum(part, found)
    return found
