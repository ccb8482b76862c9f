"""The one layout in which bundles are archived: stored members in the order of their names, and nothing else.

An archive is this layout of its members, byte for byte, or it is not what irconv wrote: whatever its headers say twice
or need not say is fixed by the names, sizes and CRCs of the members.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from irconv.containers.checked import checksum_of
from irconv.containers.files import OutputFile, SourceFile
from irconv.containers.zip import MALFORMED, Member
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile, Problems

_LOCAL, _CENTRAL, _END, _END64, _LOCATOR = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_LOCAL_SIZE = 30
_UNIX, _MODE = 3, 0o644 << 16
_DAY = 0x21  # 1980-01-01, the first day a zip can say
_UTF8 = 0x800
_WIDE = 2**31 - 1  # above this, numbers stand in the wide fields
_FULL, _MANY = 0xFFFFFFFF, 0xFFFF
_BLOCK = 2**20
_REMEDY = "Fetch the archive again; one that was packed by another program is read after it is unpacked."


@dataclass(frozen=True)
class _Entry:
    """A member as its headers say it."""

    name: str
    size: int
    crc: int
    offset: int = 0
    """Of its local header."""


@dataclass(frozen=True)
class _Header:
    """Bytes that the layout fixes, where, and what they are in words."""

    offset: int
    content: bytes
    what: str


def pack(files: Mapping[str, Path], path: Path, crcs: Mapping[str, int]) -> None:
    """Put files into a new archive under the names given; `crcs` are those that are known already."""
    entries = []
    for name, file in sorted(files.items()):
        entries.append(_Entry(name, file.stat().st_size, crcs[name] if name in crcs else _crc(file)))
    output = OutputFile(path)
    try:
        for header in _headers(entries):
            output.write_bytes(header.content, header.offset)
        for entry in _placed(entries):
            source, start = SourceFile(files[entry.name]), entry.offset + len(_local(entry))
            if not output.copy(source, 0, entry.size, start):
                for offset in range(0, entry.size, _BLOCK):
                    part = bytearray(min(_BLOCK, entry.size - offset))
                    source.read_into(memoryview(part), offset)
                    output.write_bytes(bytes(part), start + offset)
    finally:
        output.close()


def members(path: Path) -> dict[str, Member]:
    """The members of an archive that `pack` wrote. Raises `DamagedFile` naming every header that is another."""
    found, problems = examine(path)
    problems.raise_any()
    return found


def examine(path: Path) -> tuple[dict[str, Member], Problems]:
    """The members, and every header that is not as `pack` writes it, with the place of the first byte that differs.

    Members are taken from the directory, or, where it does not fit the file, from the headers before them. Raises
    `DamagedFile` where neither fits.
    """
    file = SourceFile(path)
    entries = next((found for found in (_listed(path), _walk(file)) if _fits(found, file.size)), None)
    if entries is None:
        raise DamagedFile(str(path), "is not laid out as irconv packs a bundle", _REMEDY)
    problems = Problems()
    for name, count in Counter(entry.name for entry in entries).items():
        if count > 1:
            problems.add(f"{path}: {name}", "is in the archive twice", _REMEDY, DamagedFile)
    for header in _headers(entries):
        actual = bytearray(len(header.content))
        file.read_into(memoryview(actual), header.offset)
        if bytes(actual) != header.content:
            differs = next(i for i, byte in enumerate(header.content) if actual[i] != byte)
            place = f"at byte {header.offset + differs}, {header.what}"
            what = f"expected {header.content[differs]:#04x} {place}, got {actual[differs]:#04x}"
            problems.add(str(path), what, _REMEDY, DamagedFile)
    found = {}
    for entry in _placed(entries):
        start = entry.offset + len(_local(entry))
        found[entry.name] = Member(start, entry.size, entry.size, deflated=False, name=entry.name, crc=entry.crc)
    return found, problems


def _fits(entries: Sequence[_Entry], size: int) -> bool:
    """Whether these are the members, in order, of an archive of this size."""
    names = [entry.name for entry in entries]
    *_, last = _headers(entries)
    return bool(names) and names == sorted(names) and last.offset + len(last.content) == size


def _listed(path: Path) -> list[_Entry]:
    """The members as the directory says them; none where it cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [_Entry(info.filename, info.file_size, info.CRC) for info in archive.infolist()]
    except MALFORMED:
        return []


def _crc(path: Path) -> int:
    file = SourceFile(path)
    return checksum_of(file, 0, file.size, zlib.crc32)


def _walk(file: SourceFile) -> list[_Entry]:
    """The members as their local headers say them, one after the other; none where they cannot be followed."""
    found: list[_Entry] = []
    offset = 0
    while offset + _LOCAL_SIZE <= file.size:
        raw = bytearray(_LOCAL_SIZE)
        file.read_into(memoryview(raw), offset)
        signature, *_, crc, _, size, name_size, extra_size = struct.unpack("<4sHHHHHIIIHH", raw)
        if signature != _LOCAL or offset + _LOCAL_SIZE + name_size + extra_size > file.size:
            break
        rest = bytearray(name_size + extra_size)
        file.read_into(memoryview(rest), offset + _LOCAL_SIZE)
        if size == _FULL and extra_size >= 12:
            size = int.from_bytes(rest[name_size + 4 : name_size + 12], "little")
        found.append(_Entry(rest[:name_size].decode("utf-8", "replace"), size, crc))
        offset += _LOCAL_SIZE + len(rest) + size
    return found


def _placed(entries: Sequence[_Entry]) -> list[_Entry]:
    """The members in the order of their names, one after the other."""
    placed, offset = [], 0
    for entry in sorted(entries, key=lambda entry: entry.name):
        placed.append(replace(entry, offset=offset))
        offset += len(_local(entry)) + entry.size
    return placed


def _headers(entries: Sequence[_Entry]) -> list[_Header]:
    """Everything in the archive but the members' content, in order."""
    placed = _placed(entries)
    headers = [_Header(entry.offset, _local(entry), f"in the header before {entry.name}") for entry in placed]
    begin = placed[-1].offset + len(headers[-1].content) + placed[-1].size if placed else 0
    offset = begin
    for entry in placed:
        content = _central(entry)
        headers.append(_Header(offset, content, f"in the entry of {entry.name} in the directory"))
        offset += len(content)
    return [*headers, _Header(offset, _ending(len(placed), begin, offset - begin), "in the end of the directory")]


def _is_wide(entry: _Entry) -> bool:
    """Whether its local header has the wide fields: room is kept for sizes that turn out larger."""
    return entry.size * 1.05 > _WIDE


def _flags(entry: _Entry) -> int:
    return 0 if entry.name.isascii() else _UTF8


def _local(entry: _Entry) -> bytes:
    name, wide = entry.name.encode(), _is_wide(entry)
    extra = struct.pack("<HHQQ", 1, 16, entry.size, entry.size) if wide else b""
    size, version = (_FULL, 45) if wide else (entry.size, 20)
    sizes = size, size, len(name), len(extra)
    return struct.pack("<4sHHHHHIIIHH", _LOCAL, version, _flags(entry), 0, 0, _DAY, entry.crc, *sizes) + name + extra


def _central(entry: _Entry) -> bytes:
    name = entry.name.encode()
    wide = [entry.size, entry.size] if entry.size > _WIDE else []
    wide += [entry.offset] if entry.offset > _WIDE else []
    extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    size = _FULL if entry.size > _WIDE else entry.size
    offset = _FULL if entry.offset > _WIDE else entry.offset
    version = 45 if wide or _is_wide(entry) else 20
    fixed = struct.pack(
        "<4sBBHHHHHIIIHHHHHII", _CENTRAL, version, _UNIX, version, _flags(entry), 0, 0, _DAY, entry.crc, size, size,
        len(name), len(extra), 0, 0, 0, _MODE, offset,
    )  # fmt: skip
    return fixed + name + extra


def _ending(count: int, start: int, size: int) -> bytes:
    wide = b""
    if count > _MANY or start > _WIDE or size > _WIDE:
        wide = struct.pack("<4sQHHIIQQQQ", _END64, 44, 45, 45, 0, 0, count, count, size, start)
        wide += struct.pack("<4sIQI", _LOCATOR, 0, start + size, 1)
        count, size, start = min(count, _MANY), min(size, _FULL), min(start, _FULL)
    return wide + struct.pack("<4sHHHHIIH", _END, 0, 0, count, count, size, start, 0)
