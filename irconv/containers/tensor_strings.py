"""Tensors of strings in bundles: their lengths as varints, a checksum of the lengths, then the strings."""

from __future__ import annotations

import struct

from irconv.containers.sstable import checksum, masked
from irconv.containers.varints import read_varint, varint
from irconv.errors import DamagedFile

MOST_BYTES = 1 << 30
"""More than any checkpoint has of strings; they are metadata, such as the graph of objects."""


def read_strings(content: bytes, count: int, big_endian: bool, where: str) -> tuple[tuple[bytes, ...], int]:
    """The strings, and the CRC32C of them all as an entry states it. Raises `DamagedFile`.

    The checksums are of the lengths as four bytes (eight from 4 GB on), not as they are stored.
    """
    order = ">" if big_endian else "<"
    if count > len(content):
        raise DamagedFile(where, f"claims {count} strings in {len(content)} bytes")
    lengths: list[int] = []
    position, crc = 0, 0
    try:
        for _ in range(count):
            length, position = read_varint(content, position)
            lengths.append(length)
            crc = checksum(struct.pack(f"{order}{'I' if length < 1 << 32 else 'Q'}", length), crc)
    except ValueError as error:
        raise DamagedFile(where, f"expected the lengths of {count} strings: {error}") from error
    stored = content[position : position + 4]
    if len(stored) != 4 or struct.unpack(f"{order}I", stored)[0] != masked(crc):
        raise DamagedFile(where, "the lengths of its strings have another CRC than it says: they have changed")
    position += 4
    if position + sum(lengths) != len(content):
        raise DamagedFile(where, f"expected {sum(lengths)} bytes of strings, got {len(content) - position}")
    crc = checksum(content[position - 4 :], crc)
    found: list[bytes] = []
    for length in lengths:
        found.append(content[position : position + length])
        position += length
    return tuple(found), crc


def written_strings(values: tuple[bytes, ...]) -> tuple[bytes, int]:
    """The bytes of a tensor of strings, and the CRC32C of them."""
    crc = 0
    for value in values:
        crc = checksum(struct.pack("<I" if len(value) < 1 << 32 else "<Q", len(value)), crc)
    rest = masked(crc).to_bytes(4, "little") + b"".join(values)
    return b"".join(varint(len(value)) for value in values) + rest, checksum(rest, crc)
