"""Writes zip archives of stored members: tensors streamed in tiles, every member's data aligned."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from os import cpu_count
from pathlib import Path
from typing import TypeAlias

from irconv.containers.checked import checksum_of
from irconv.containers.files import FileBytes, OutputFile, Progress, SourceFile, write_tensors
from irconv.data_classes import dataclass
from irconv.ir.tensors import LazyTensor

_LOCAL, _CENTRAL, _END, _END64, _LOCATOR = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_UTF8 = 1 << 11
_EPOCH = 0x21  # 1980-01-01, the first day a zip can say: the same content gives the same bytes
_FULL = 0xFFFFFFFF
_MANY = 0xFFFF
_SMALL = 1 << 15  # bytes whose checksum takes less time than to hand them to another thread
_BLOCK = 1 << 20  # bytes of a frame that are copied at a time
_PADDING = 0x4246  # the id of the extra field with which PyTorch pads, too


@dataclass(frozen=True)
class Framed:
    """A member whose framing a library has written to a file of its own, with room for tensors."""

    frame: Path
    placed: Sequence[tuple[LazyTensor, int]]
    """The tensors, and where each goes."""

    @property
    def nbytes(self) -> int:
        """Bytes of the member."""
        return max([self.frame.stat().st_size, *(offset + tensor.nbytes for tensor, offset in self.placed)])

    def rest(self) -> Iterator[tuple[int, int]]:
        """The ranges of the file that no tensor takes."""
        end = 0
        for tensor, offset in sorted(self.placed, key=lambda one: one[1]):
            yield end, offset
            end = offset + tensor.nbytes
        yield end, self.frame.stat().st_size


Content: TypeAlias = bytes | LazyTensor | Framed


@dataclass(frozen=True)
class _Member:
    name: bytes
    content: Content
    header: int
    """Where its local header begins."""
    data: int
    size: int


def write(
    path: Path,
    members: Sequence[tuple[str, Content]],
    alignment: int,
    progress: Progress | None = None,
) -> None:
    """Write an archive; checksums are taken from what was written, so that no tensor is held whole."""
    laid, end = _lay_out(members, alignment)
    file = OutputFile(path)
    try:
        placed: list[tuple[LazyTensor, int]] = []
        for member in laid:
            match member.content:
                case bytes(content):
                    file.write_bytes(content, member.data)
                case Framed() as framed:
                    _write_frame(file, framed, member.data)
                    placed += [(tensor, member.data + offset) for tensor, offset in framed.placed]
                case tensor:
                    placed.append((tensor, member.data))
        write_tensors(file, placed, progress)
        written = SourceFile(path)
        large = [member for member in laid if member.size > _SMALL]
        with ThreadPoolExecutor(min(8, cpu_count() or 1)) as pool:
            checksums = dict(zip(map(id, large), pool.map(partial(_checksum, written), large), strict=True))
        directory = bytearray()
        for member in laid:
            crc = checksums[id(member)] if id(member) in checksums else _checksum(written, member)
            file.write_bytes(_local_header(member, crc), member.header)
            directory += _central_header(member, crc)
        file.write_bytes(bytes(directory) + _ending(len(laid), end, len(directory)), end)
    finally:
        file.close()


def _write_frame(file: OutputFile, framed: Framed, position: int) -> None:
    """Copy what is no tensor's."""
    with framed.frame.open("rb") as frame:
        for start, stop in framed.rest():
            frame.seek(start)
            for begin in range(start, stop, _BLOCK):
                file.write_bytes(frame.read(min(_BLOCK, stop - begin)), position + begin)


def _lay_out(members: Sequence[tuple[str, Content]], alignment: int) -> tuple[list[_Member], int]:
    laid: list[_Member] = []
    position = 0
    for text, content in members:
        name = text.encode()
        size = len(content) if isinstance(content, bytes) else content.nbytes
        least = position + 30 + len(name) + (20 if size >= _FULL else 0) + 4
        data = -(-least // alignment) * alignment
        laid.append(_Member(name, content, position, data, size))
        position = data + size
    return laid, position


def _checksum(file: SourceFile, member: _Member) -> int:
    if isinstance(member.content, bytes):
        return zlib.crc32(member.content)
    if isinstance(member.content, LazyTensor) and not member.content.changes:
        source = member.content.source
        if isinstance(source, FileBytes) and (known := source.checksum()) is not None:
            return known
    return checksum_of(file, member.data, member.size, zlib.crc32)


def _local_header(member: _Member, crc: int) -> bytes:
    extra = struct.pack("<HHQQ", 1, 16, member.size, member.size) if member.size >= _FULL else b""
    padding = member.data - member.header - 30 - len(member.name) - len(extra) - 4
    extra += struct.pack("<HH", _PADDING, padding) + b"Z" * padding
    size, version = min(member.size, _FULL), 45 if member.size >= _FULL else 20
    lengths = len(member.name), len(extra)
    fixed = struct.pack("<4sHHHHHIIIHH", _LOCAL, version, _UTF8, 0, 0, _EPOCH, crc, size, size, *lengths)
    return fixed + member.name + extra


def _central_header(member: _Member, crc: int) -> bytes:
    wide = [n for n in (member.size, member.size, member.header) if n >= _FULL]
    extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    size, header, version = min(member.size, _FULL), min(member.header, _FULL), 45 if wide else 20
    fixed = struct.pack(
        "<4sHHHHHHIIIHHHHHII", _CENTRAL, version, version, _UTF8, 0, 0, _EPOCH, crc, size, size,
        len(member.name), len(extra), 0, 0, 0, 0, header,
    )  # fmt: skip
    return fixed + member.name + extra


def _ending(count: int, start: int, size: int) -> bytes:
    """The end of the directory, preceded by the wide one where a number does not fit."""
    wide = b""
    if count >= _MANY or start >= _FULL or size >= _FULL:
        wide = struct.pack("<4sQHHIIQQQQ", _END64, 44, 45, 45, 0, 0, count, count, size, start)
        wide += struct.pack("<4sIQI", _LOCATOR, 0, start + size, 1)
    few = min(count, _MANY)
    return wide + struct.pack("<4sHHHHIIH", _END, 0, 0, few, few, min(size, _FULL), min(start, _FULL), 0)
