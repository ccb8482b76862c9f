"""Snappy's raw format, decompressed: the length, then literals and copies of what stands before them.

The format is that of google/snappy, format_description.txt. Blocks of a table are small, so that Python is fast enough.
"""

from __future__ import annotations

from irconv.containers.varints import read_varint

_MOST_SHRUNK = 32
"""More than Snappy can shrink anything: a copy of 64 bytes takes three."""


def decompress(packed: memoryview) -> bytes:
    """The content. Raises `ValueError` for what is no Snappy, before memory is taken for a length that cannot be."""
    size, position = read_varint(packed, 0)
    if size > _MOST_SHRUNK * len(packed):
        raise ValueError(f"{size} bytes cannot come out of {len(packed)}")
    made = bytearray()
    while position < len(packed):
        tag = packed[position]
        position += 1
        step = _copy if tag & 3 else _literal
        position = step(made, packed, position, tag)
        if len(made) > size:
            break
    if len(made) != size:
        raise ValueError(f"expected {size} bytes decompressed, got {len(made)}")
    return bytes(made)


def _literal(made: bytearray, packed: memoryview, position: int, tag: int) -> int:
    length = tag >> 2
    if length >= 60:  # the length stands in as many bytes
        wide = length - 59
        length = int.from_bytes(packed[position : position + wide], "little")
        position += wide
    found = packed[position : position + length + 1]
    if len(found) != length + 1:
        raise ValueError("a literal goes beyond the end")
    made += found
    return position + length + 1


def _copy(made: bytearray, packed: memoryview, position: int, tag: int) -> int:
    wide = (0, 1, 2, 4)[tag & 3]
    offset = int.from_bytes(packed[position : position + wide], "little")
    length = (tag >> 2) + 1
    if wide == 1:
        length, offset = (tag >> 2 & 7) + 4, offset | tag >> 5 << 8
    if position + wide > len(packed) or not 0 < offset <= len(made):
        raise ValueError("a copy of what is not there")
    start = len(made) - offset
    found = made[start : start + length]
    made += (found * (length // offset + 1))[:length] if offset < length else found
    return position + wide
