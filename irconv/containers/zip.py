"""Zip archives: members listed strictly, read in place where they are stored, inflated within their claimed size where
they are deflated, and checked against their CRC either way.

Nothing is extracted, so that a name such as ``../x`` can do no harm; it is refused all the same.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from irconv.containers.budget import text, unpacked
from irconv.containers.checked import CheckedRegion
from irconv.containers.files import Named, SourceFile
from irconv.containers.watch import once
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile, Refused

SIGNATURE = b"PK\x03\x04"
_LOCAL_HEADER = 30
_ENCRYPTED = 1
_DICTIONARY = 1 << 12  # more than the tables take that stand before the first bytes
_MOST_DEFLATED = 1032  # the most that deflate can shrink anything
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first a zip can say: the same content gives the same bytes
MALFORMED = (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error, EOFError, IndexError)


@dataclass(frozen=True, slots=True)
class Member:
    """Where the bytes of a member lie in the archive, and what they are claimed to be."""

    offset: int
    size: int
    """Bytes of its content."""
    stored: int
    """Bytes that it takes in the archive."""
    deflated: bool
    name: str
    crc: int | None
    """None where the archive was written without checksums: all of them are then 0 (PyTorch can be told so)."""


class Archive:
    """A zip file that stays open for reading its members.

    Raises `DamagedFile` for what is encrypted, doubled, overlapping or outside the file, and `Refused` for a
    compression other than deflate.
    """

    def __init__(self, path: Path, start: int = 0, size: int | None = None) -> None:
        """`start` and `size` say which part of the file the archive is; all of it unless they do."""
        self.path, self.file = path, SourceFile(path, start, size)
        try:
            with zipfile.ZipFile(path if size is None else _Window(self.file)) as archive:
                listed = archive.infolist()
        except MALFORMED as error:
            raise DamagedFile(str(path), f"expected a zip archive, got {error}") from error
        checked = any(info.CRC for info in listed)
        self.members: dict[str, Member] = {}
        for info in listed:
            if not info.filename:
                raise DamagedFile(str(path), "has a member without a name")
            if info.filename in self.members:
                raise DamagedFile(f"{path}: {info.filename}", "is in the archive twice")
            if not info.is_dir():
                self.members[info.filename] = self._member(info, checked)
        self._check_overlaps()
        self._check_appetite()

    def _member(self, info: zipfile.ZipInfo, checked: bool) -> Member:
        where, whole, named = f"{self.path}: {info.filename}", self.file, info.filename
        if named.startswith("/") or "\\" in named or ".." in named.split("/"):
            raise DamagedFile(where, "expected a name inside the archive, got one that leads outside")
        if info.flag_bits & _ENCRYPTED:
            raise Refused(where, "is encrypted", "Decrypt the archive first.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused(where, f"expected a stored or deflated member, got compression {info.compress_type}")
        deflated = info.compress_type == zipfile.ZIP_DEFLATED
        most = info.compress_size * _MOST_DEFLATED if deflated else info.compress_size
        if info.file_size > most or (not deflated and info.file_size != info.compress_size):
            raise DamagedFile(where, f"claims {info.file_size} bytes, but {info.compress_size} are stored")
        header = bytearray(_LOCAL_HEADER)
        if info.header_offset < 0 or info.header_offset + _LOCAL_HEADER > whole.size:
            raise DamagedFile(where, "its place in the archive is outside the file")
        whole.read_into(memoryview(header), info.header_offset)
        name, extra = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
        offset = info.header_offset + _LOCAL_HEADER + name + extra
        if header[:4] != SIGNATURE or offset + info.compress_size > whole.size:
            raise DamagedFile(where, "its place in the archive is outside the file")
        return Member(offset, info.file_size, info.compress_size, deflated, named, info.CRC if checked else None)

    def _check_overlaps(self) -> None:
        end = 0
        for name, member in sorted(self.members.items(), key=lambda item: (item[1].offset, item[1].stored)):
            if member.offset < end:
                raise DamagedFile(f"{self.path}: {name}", "overlaps another member of the archive")
            end = member.offset + member.stored

    def _check_appetite(self) -> None:
        total, most = sum(member.size for member in self.members.values() if member.deflated), unpacked(self.file.size)
        if total > most:
            what = f"inflates to {total} bytes, and irconv takes at most {most} from an archive of its size"
            raise Refused(str(self.path), what, "Store its members uncompressed.")

    def open(self, name: str) -> SourceFile:
        """A member for positioned reads; raises `DamagedFile` at the first read if its CRC is wrong.

        A deflated one is inflated whole at the first read, and kept.
        """
        member = self.members[name]
        where = self.path, member.name
        return _Inflated(self.file, member, where) if member.deflated else _Stored(self.file, member, where)

    def content(self, name: str, limit: int) -> bytes:
        """A member's bytes, checked. Raises `DamagedFile`, and for more than `limit` bytes."""
        where = f"{self.path}: {name}"
        member = self.members.get(name)
        if member is None:
            raise DamagedFile(where, "expected this member in the archive, which has none of its name")
        if member.size > limit:
            raise DamagedFile(where, f"expected at most {limit} bytes, got {member.size}")
        content = bytearray(member.size)
        self.open(name).read_into(memoryview(content), 0)
        return bytes(content)

    def text(self, name: str, limit: int) -> bytes:
        """The bytes of a member that is made objects of; raises `Refused` for zeros and their like, too."""
        member = self.members[name]
        if member.deflated and member.size > (most := text(member.stored)):
            what = f"inflates to {member.size} bytes, and irconv takes at most {most} from so small a member"
            raise Refused(f"{self.path}: {name}", what, "Store it uncompressed.")
        return self.content(name, limit)

    def head(self, name: str, count: int) -> bytes:
        """The first bytes of a member, at most `count`, without a check of the rest."""
        member = self.members[name]
        raw = bytearray(min(member.stored, count + (_DICTIONARY if member.deflated else 0)))
        self.file.read_into(memoryview(raw), member.offset)
        if not member.deflated:
            return bytes(raw)
        try:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(bytes(raw), count)
        except zlib.error as error:
            raise DamagedFile(f"{self.path}: {name}", f"cannot be inflated: {error}") from error


def archive(path: Path) -> Archive:
    """The archive that a file is, listed once for all who ask while it is recognised and read."""
    return once(path, "zip", lambda: Archive(path))


class _Window(io.RawIOBase):
    """A region of a file as Python's zip library reads it."""

    def __init__(self, file: SourceFile) -> None:
        self._file, self._at = file, 0

    def readable(self) -> bool:
        """See `io.IOBase`."""
        return True

    def seekable(self) -> bool:
        """See `io.IOBase`."""
        return True

    def tell(self) -> int:
        """See `io.IOBase`."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See `io.IOBase`."""
        self._at = max({io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence] + offset, 0)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """See `io.RawIOBase`."""
        view = memoryview(buffer)[: max(self._file.size - self._at, 0)]
        self._file.read_into(view, self._at)
        self._at += len(view)
        return len(view)


class _Stored(CheckedRegion):
    """A member stored as it is. Its CRC is checked once, when the first of it is read."""

    def __init__(self, whole: SourceFile, member: Member, where: Named) -> None:
        super().__init__(whole, member.offset, member.size, where, zlib.crc32, member.crc)
        self.checksum = member.crc


class _Inflated(SourceFile):
    """A deflated member, inflated at the first read."""

    def __init__(self, whole: SourceFile, member: Member, where: Named) -> None:
        self._named, self.size = where, member.size
        self._whole, self._member, self._lock = whole, member, Lock()

    def place(self, start: int, count: int) -> tuple[int, int] | None:
        """See `SourceFile.place`."""
        return None

    def read_runs(self, buffer: memoryview, offsets: Sequence[int]) -> None:
        """See `SourceFile.read_runs`."""
        length = len(buffer) // len(offsets)
        for start, offset in zip(range(0, len(buffer), length or 1), offsets, strict=False):
            self.read_into(buffer[start : start + length], offset)

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """See `SourceFile.read_into`."""
        with self._lock:
            content = self._content
        if offset < 0 or offset + len(buffer) > len(content):
            raise DamagedFile(
                str(self.path), f"expected {len(buffer)} bytes at offset {offset}, but it ends at {self.size}"
            )
        buffer[:] = content[offset : offset + len(buffer)]

    @cached_property
    def _content(self) -> memoryview:
        """All of it; never more than was claimed is inflated."""
        packed = bytearray(self._member.stored)
        self._whole.read_into(memoryview(packed), self._member.offset)
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = inflate.decompress(packed, self.size + 1)
        except zlib.error as error:
            raise DamagedFile(str(self.path), f"cannot be inflated: {error}") from error
        if len(content) != self.size or not (inflate.eof or inflate.decompress(b"", 1) == b""):
            raise DamagedFile(str(self.path), f"claims {self.size} bytes, but it does not inflate to that many")
        if self._member.crc not in (None, crc := zlib.crc32(content)):
            raise DamagedFile(str(self.path), f"expected CRC {self._member.crc:08x}, got {crc:08x}")
        return memoryview(content)


def members(path: Path) -> dict[str, Member]:
    """The members by name of an archive that stores all of them. Raises `DamagedFile` for one that is compressed."""
    found = archive(path).members
    for name, member in found.items():
        if member.deflated:
            raise DamagedFile(f"{path}: {name}", "expected a member stored uncompressed")
    return found


def pack_files(files: Mapping[str, Path], path: Path) -> None:
    """Put files into a new archive, uncompressed, under the names and in the order given."""
    with zipfile.ZipFile(path, "x", zipfile.ZIP_STORED) as archive:
        for name, file in files.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = 0o644 << 16
            info.file_size = file.stat().st_size
            with file.open("rb") as source, archive.open(info, "w", force_zip64=info.file_size > 2**31) as target:
                while block := source.read(2**20):
                    target.write(block)
