"""Files whose bytes are proved as they are read: there is a digest for each block, which is proved when first touched.

Reading a part proves the blocks that it touches and no others, in any order, so that it costs what it reads.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from irconv.containers.files import SourceFile
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile

BLOCK = 2**20
"""Bytes that one digest is of at most, in what is written."""
_LEAST = 2**12
_MOST_BLOCKS = 256

_LOCKS = 64


@dataclass(frozen=True)
class Digests:
    """What the bytes of a file are to be: SHA-256 in hexadecimal of each block and of all, and the CRC-32."""

    block: int
    blocks: tuple[str, ...]
    """One for each `block` bytes, the last for the rest."""
    whole: str
    crc: int | None = None


class VerifiedFile(SourceFile):
    """A file, or a region of one, that raises `DamagedFile` where a block that is read is not what it is to be."""

    def __init__(
        self, path: Path, digests: Digests, where: str = "", start: int = 0, size: int | None = None, remedy: str = ""
    ) -> None:
        """`where` names it in messages. Raises `DamagedFile` where there are more or fewer blocks than digests."""
        super().__init__(path, start, size)
        self._named = where or path
        self._digests, self._remedy = digests, remedy
        count = -(-self.size // digests.block)
        if count != len(digests.blocks):
            what = f"expected {len(digests.blocks)} blocks of {digests.block} bytes, got {self.size} bytes"
            raise DamagedFile(str(self.path), what, remedy)
        self._proved = bytearray(count)
        self._locks = tuple(Lock() for _ in range(min(count, _LOCKS)))

    def read_runs(self, buffer: memoryview, offsets: Sequence[int]) -> None:
        """See `SourceFile.read_runs`."""
        super().read_runs(buffer, offsets)
        length = len(buffer) // len(offsets)
        if length == 0 or 0 not in self._proved:
            return
        if len(offsets) == 1:
            self._prove_read(buffer, offsets[0])
            return
        for block in sorted({b for offset in offsets for b in self._touched(offset, length)}):
            self._prove(block)

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """See `SourceFile.read_into`."""
        super().read_into(buffer, offset)
        if len(buffer) and 0 in self._proved:
            self._prove_read(buffer, offset)

    def place(self, start: int, count: int) -> tuple[int, int] | None:
        """See `SourceFile.place`; the blocks that the system is to copy are proved before.

        To read them for that and let the system copy takes half of what reading and writing takes.
        """
        if count and 0 in self._proved:
            buffer = bytearray(min(BLOCK, self._digests.block))
            for block in self._touched(start, count):
                self._prove(block, spare=buffer)
        return super().place(start, count)

    def problems(self, describe: Callable[[int, int], str]) -> list[tuple[str, str]]:
        """The place and fault of every block that is not what it is to be; `describe` says what lies between two bytes.

        All blocks are read.
        """
        found: list[tuple[str, str]] = []
        for block in range(len(self._proved)):
            try:
                self._prove(block)
            except DamagedFile as error:
                start, stop = self._bounds(block)
                (problem,) = error.problems
                found.append((problem.where, problem.what + describe(start, stop)))
        return found

    def _touched(self, offset: int, length: int) -> range:
        return range(offset // self._digests.block, (offset + length - 1) // self._digests.block + 1)

    def _bounds(self, block: int) -> tuple[int, int]:
        return block * self._digests.block, min((block + 1) * self._digests.block, self.size)

    def _prove_read(self, buffer: memoryview, offset: int) -> None:
        """Prove what has just been read, from the buffer where it holds a block whole."""
        for block in self._touched(offset, len(buffer)):
            start, stop = self._bounds(block)
            inside = offset <= start and stop <= offset + len(buffer)
            self._prove(block, buffer[start - offset : stop - offset] if inside else None)

    def _prove(self, block: int, content: memoryview | None = None, spare: bytearray | None = None) -> None:
        """Prove a block, from its `content` or as it is read; `spare` is a buffer for many blocks."""
        if self._proved[block]:
            return
        with self._locks[block % _LOCKS]:
            if self._proved[block]:
                return
            start, stop = self._bounds(block)
            digest, crc = hashlib.sha256(), 0
            check_crc = self._digests.crc is not None and len(self._proved) == 1
            for part in [content] if content is not None else self._parts(start, stop, spare):
                digest.update(part)
                crc = zlib.crc32(part, crc) if check_crc else 0
            expected, got = self._digests.blocks[block], digest.hexdigest()
            if got != expected:
                what = (
                    f"bytes {start} to {stop} are not those that were written: expected SHA-256 {expected}, got {got}"
                )
                raise DamagedFile(str(self.path), what, self._remedy)
            if check_crc and crc != self._digests.crc:
                what = f"expected the CRC {self._digests.crc:08x} that the archive says, got {crc:08x}"
                raise DamagedFile(str(self.path), what, self._remedy)
            self._proved[block] = 1

    def _parts(self, start: int, stop: int, spare: bytearray | None) -> Iterator[memoryview]:
        """The bytes of the file between two places, in pieces of one buffer."""
        buffer = spare or bytearray(min(BLOCK, stop - start))
        for offset in range(start, stop, BLOCK):
            part = memoryview(buffer)[: min(BLOCK, stop - offset)]
            SourceFile.read_into(self, part, offset)
            yield part


def block_size(size: int) -> int:
    """Bytes that one digest is of, where there are so many in all: small ones in a small file, so that a change is
    found close to where it is.

    >>> block_size(24_000), block_size(250_000_000)
    (4096, 1048576)
    """
    block = _LEAST
    while block < BLOCK and size > block * _MOST_BLOCKS:
        block *= 2
    return min(block, BLOCK)


def digests(path: Path, with_crc: bool, block: int | None = None) -> Digests:
    """The digests of a file, which is read once: of its blocks and of all of it on two cores at once."""
    length = block or BLOCK
    blocks: list[str] = []
    whole, crc = hashlib.sha256(), 0
    with ThreadPoolExecutor(1) as pool, path.open("rb") as file:
        while content := file.read(length):
            beside = pool.submit(whole.update, content)
            blocks.append(hashlib.sha256(content).hexdigest())
            crc = zlib.crc32(content, crc) if with_crc else 0
            beside.result()
        return Digests(length, tuple(blocks), whole.hexdigest(), crc if with_crc else None)
