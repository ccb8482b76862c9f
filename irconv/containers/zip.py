"""Zip archives whose members are stored uncompressed, so that tensors inside can be read in place.

A bundle's archive and nothing else so far: a compressed member is refused.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from irconv.containers.files import SourceFile
from irconv.errors import DamagedFile

SIGNATURE = b"PK\x03\x04"
_LOCAL_HEADER = 30
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first a zip can say: the same content gives the same bytes


@dataclass(frozen=True)
class Member:
    """Where the bytes of a member lie in the archive."""

    offset: int
    size: int


def members(path: Path) -> dict[str, Member]:
    """The members by name. Raises `DamagedFile` for what is compressed, encrypted, doubled or outside the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            listed = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DamagedFile(str(path), f"expected a zip archive, got {error}") from error
    whole, found = SourceFile(path), dict[str, Member]()
    for info in listed:
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 or info.file_size != info.compress_size:
            raise DamagedFile(f"{path}: {info.filename}", "expected a member stored uncompressed")
        if info.filename in found:
            raise DamagedFile(f"{path}: {info.filename}", "is in the archive twice")
        header = bytearray(_LOCAL_HEADER)
        whole.read_into(memoryview(header), info.header_offset)
        name, extra = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
        offset = info.header_offset + _LOCAL_HEADER + name + extra
        if header[:4] != SIGNATURE or offset + info.file_size > whole.size:
            raise DamagedFile(f"{path}: {info.filename}", "its place in the archive is outside the file")
        found[info.filename] = Member(offset, info.file_size)
    return found


def pack(folder: Path, path: Path, prefix: str) -> None:
    """Put every file of a folder into an archive under ``prefix/``, uncompressed, in the order of their names."""
    with zipfile.ZipFile(path, "x", zipfile.ZIP_STORED) as archive:
        for file in sorted(folder.iterdir()):
            info = zipfile.ZipInfo(f"{prefix}/{file.name}", _EPOCH)
            info.external_attr = 0o644 << 16
            info.file_size = file.stat().st_size
            with file.open("rb") as source, archive.open(info, "w", force_zip64=info.file_size > 2**31) as target:
                while block := source.read(2**20):
                    target.write(block)
