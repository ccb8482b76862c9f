"""Pickles that are compressed, as ``joblib.dump(compress=...)`` and ``gzip.open`` write them: unpacked into memory.

Nothing says how large a packed file is inside; it may unpack to what `irconv.containers.budget` allows for its size.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from irconv.containers import budget
from irconv.containers.files import BytesFile, SourceFile
from irconv.errors import DamagedFile, Refused

_BLOCK = 1 << 20
_FIRST = 1 << 7
_MEMORY = 1 << 28
"""Of which xz may keep what it has unpacked."""
_PICKLES = (b"\x80", b"(", b"]", b"}", b"c")
_DAMAGED = (zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError, ValueError)


class _Machine(Protocol):
    """What unpacks, as `bz2.BZ2Decompressor` does."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Deflate:
    """zlib and gzip, with the methods of the others."""

    def __init__(self) -> None:
        self._inner, self._waiting = zlib.decompressobj(zlib.MAX_WBITS | 32), b""

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._waiting and not self.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        made = self._inner.decompress(self._waiting + data, max_length)
        self._waiting = self._inner.unconsumed_tail
        return made


def _xz() -> Any:
    return lzma.LZMADecompressor(memlimit=_MEMORY)


def _lz4() -> Any:
    import lz4.frame  # an extra of its own, which `packing` has looked for

    return lz4.frame.LZ4FrameDecompressor()


_PACKINGS: tuple[tuple[bytes, str, Callable[[], _Machine]], ...] = (
    (b"\x1f\x8b", "gzip", _Deflate),
    *((bytes((0x78, level)), "zlib", _Deflate) for level in (0x01, 0x5E, 0x9C, 0xDA)),
    (b"BZh", "bzip2", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", "xz", _xz),
    (b"\x5d\x00\x00", "lzma", _xz),
    (b"\x04\x22\x4d\x18", "lz4", _lz4),
)


def packing(path: Path) -> str:
    """How a pickle is packed (``gzip``, ``lz4``); empty for what is not packed, is no pickle, or needs what is not
    installed."""
    found = _found(path)
    return found[0] if found else ""


def head(path: Path, count: int) -> bytes:
    """The first bytes of a file; of a packed pickle the first that it unpacks to, fewer where it is damaged."""
    found = _found(path)
    if found is None:
        with path.open("rb") as file:
            return file.read(count)
    return _first(path, found[1], count)


def opened(path: Path) -> SourceFile:
    """The file, or in memory what a packed pickle unpacks to. Raises `DamagedFile`, and `Refused` for what would unpack
    to far more than its size."""
    found = _found(path)
    if found is None:
        return SourceFile(path)
    file = SourceFile(path)
    most, made = budget.unpacked(file.size), bytearray()
    try:
        for part in _parts(file, found[1]):
            made += part
            if len(made) > most:
                what = f"unpacks to more than {most} bytes, from {file.size} packed with {found[0]}"
                raise Refused(str(path), what, "Weights do not pack as well; unpack it if you trust it.")
    except _DAMAGED as error:
        what = f"cannot be unpacked with {found[0]}: {error}"
        raise DamagedFile(str(path), what, "The file is truncated or damaged; fetch it again.") from error
    return BytesFile(made, path)


def _found(path: Path) -> tuple[str, Callable[[], _Machine]] | None:
    with path.open("rb") as file:
        start = file.read(8)
    for mark, name, make in _PACKINGS:
        if start.startswith(mark) and _first(path, make, 1).startswith(_PICKLES):
            return name, make
    return None


def _first(path: Path, make: Callable[[], _Machine], count: int) -> bytes:
    made = bytearray()
    try:
        for part in _parts(SourceFile(path), make, _FIRST):
            made += part
            if len(made) >= count:
                break
    except (*_DAMAGED, ImportError):
        pass  # which whoever opens it is told
    return bytes(made[:count])


def _parts(file: SourceFile, make: Callable[[], _Machine], block: int = _BLOCK) -> Iterator[bytes]:
    """What it unpacks to, some at a time. Raises `EOFError`, and what the machine raises."""
    machine, at, waiting = make(), 0, b""
    while True:
        if not waiting and at < file.size and (machine.needs_input or machine.eof):
            piece = bytearray(min(block, file.size - at))
            file.read_into(memoryview(piece), at)
            at, waiting = at + len(piece), bytes(piece)
        if machine.eof:
            if not waiting.strip(b"\0"):
                return
            machine = make()  # gzip and xz may be several, one after the other
        elif not waiting and machine.needs_input:
            raise EOFError("it breaks off")
        part = machine.decompress(waiting, block)
        waiting = (machine.unused_data or b"") if machine.eof else b""
        yield part
