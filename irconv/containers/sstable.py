"""Tables of sorted keys and values, in LevelDB's format, which TensorFlow uses for the indexes of its checkpoints.

Blocks of entries (each key without what it shares with the one before), each followed by a byte for its compression and
a masked CRC32C; a block that says where they lie; and a footer that says where that one lies. The format is that of
google/leveldb, doc/table_format.md; TensorFlow's copy compresses with nothing or with Snappy.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from irconv.containers import snappy
from irconv.containers.files import SourceFile
from irconv.containers.varints import read_varint, varint
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile

FOOTER = 48
_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_TRAILER = 5
_NONE, _SNAPPY = 0, 1
_MOST_KEYS = 1 << 28
"""Bytes that all keys may take together: sharing lets a small file claim keys without end."""
_RESTART_INTERVAL = 16
_BLOCK_SIZE = 1 << 18  # what TensorFlow's own writer asks for


@dataclass(frozen=True)
class Block:
    """Where a block lies, and what is known of its keys: none is above `until`."""

    offset: int
    size: int
    number: int
    until: bytes


def masked(crc: int) -> int:
    """A CRC32C as tables and bundles store it, so that a CRC of what holds CRCs stays a good one."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def unmasked(stored: int) -> int:
    """What `masked` was given."""
    rotated = stored - 0xA282EAD8 & 0xFFFFFFFF
    return (rotated >> 17 | rotated << 15) & 0xFFFFFFFF


def checksum(data: memoryview | bytes, before: int = 0) -> int:
    """The CRC32C of some bytes, going on from that of what is before them."""
    import crc32c  # every file is asked whether it is a table; few are read

    return int(crc32c.crc32c(data, before))


def recognises(path: Path) -> bool:
    """Whether a file ends as a table does."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - 8, 0))
        return size >= FOOTER and file.read(8) == _MAGIC


class Table:
    """A table that stays open; its index is read at once, its blocks when they are asked for.

    Raises `DamagedFile` naming the block and the range of its keys.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.file = path, SourceFile(path)
        if self.file.size < FOOTER:
            raise DamagedFile(
                str(path), f"expected a table, which ends with {FOOTER} bytes, got {self.file.size} in all"
            )
        footer = memoryview(self._bytes(self.file.size - FOOTER, FOOTER))
        if bytes(footer[-8:]) != _MAGIC:
            raise DamagedFile(str(path), "expected a table of sorted keys, but its end says something else", _FETCH)
        try:
            _, position = read_varint(footer, 0)
            _, position = read_varint(footer, position)
            index = Block(*_handle(footer, position), -1, b"")
            entries = list(_entries(self.content(index)))
            self.blocks = tuple(
                Block(*_handle(memoryview(value), 0), number, key) for number, (key, value) in enumerate(entries)
            )
        except ValueError as error:
            raise DamagedFile(f"{path}: index", f"expected the places of blocks: {error}", _FETCH) from error

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Every key with its value, in order. Raises `DamagedFile`, also where keys are out of order."""
        last, total = None, 0
        for block in self.blocks:
            for key, value in self.entries(block):
                total += len(key)
                if (last is not None and key <= last) or total > _MOST_KEYS:
                    what = "expected keys in order, each once" if total <= _MOST_KEYS else "its keys never end"
                    raise DamagedFile(self.where(block), what, _FETCH)
                yield key, value
                last = key

    def entries(self, block: Block) -> Iterator[tuple[bytes, bytes]]:
        """The keys and values of one block. Raises `DamagedFile`."""
        try:
            yield from _entries(self.content(block))
        except ValueError as error:
            raise DamagedFile(self.where(block), f"expected keys and values: {error}", _FETCH) from error

    def find(self, key: bytes) -> bytes | None:
        """The value of a key. Raises `DamagedFile`."""
        block = next((block for block in self.blocks if key <= block.until), None)
        return None if block is None else next((v for k, v in self.entries(block) if k == key), None)

    def where(self, block: Block) -> str:
        """A block for a message: its number and between which keys it lies."""
        if block.number < 0:
            return f"{self.path}: the index of its blocks"
        before = _shown(self.blocks[block.number - 1].until) if block.number else "the first"
        until = _shown(block.until) if block.number < len(self.blocks) - 1 else "the last"
        return f"{self.path}: block {block.number} (names from {before} to {until})"

    def content(self, block: Block) -> bytes:
        """What a block holds, checked and decompressed. Raises `DamagedFile`."""
        if block.offset + block.size + _TRAILER > self.file.size:
            what = f"expected {block.size} bytes at offset {block.offset}, but the file has {self.file.size}"
            raise DamagedFile(self.where(block), what, _FETCH)
        raw = memoryview(self._bytes(block.offset, block.size + _TRAILER))
        stored, found = int.from_bytes(raw[-4:], "little"), masked(checksum(raw[:-4]))
        if stored != found:
            what = f"expected CRC {stored:08x}, got {found:08x}: the bytes have changed since it was written"
            raise DamagedFile(self.where(block), what, _FETCH)
        kind, packed = raw[block.size], raw[: block.size]
        if kind == _NONE:
            return bytes(packed)
        if kind != _SNAPPY:
            raise DamagedFile(self.where(block), f"expected no compression or Snappy's, got number {kind}")
        try:
            return snappy.decompress(packed)
        except ValueError as error:
            raise DamagedFile(self.where(block), f"cannot be decompressed: {error}", _FETCH) from error

    def _bytes(self, offset: int, size: int) -> bytes:
        found = bytearray(size)
        self.file.read_into(memoryview(found), offset)
        return bytes(found)


_FETCH = "Fetch the file again."


def _shown(key: bytes) -> str:
    return key.decode("utf-8", "backslashreplace")[:120] or "the first"


def _handle(data: memoryview, position: int) -> tuple[int, int]:
    offset, position = read_varint(data, position)
    size, _ = read_varint(data, position)
    return offset, size


def _entries(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The entries of a block. Raises `ValueError`."""
    count = int.from_bytes(content[-4:], "little")
    end = len(content) - 4 - 4 * count
    if len(content) < 4 or end < 0:
        raise ValueError(f"{count} restarts in {len(content)} bytes")
    position, key = 0, b""
    while position < end:
        shared, position = read_varint(content, position)
        fresh, position = read_varint(content, position)
        size, position = read_varint(content, position)
        if shared > len(key) or position + fresh + size > end:
            raise ValueError("an entry goes beyond its block")
        key = key[:shared] + content[position : position + fresh]
        position += fresh + size
        yield key, content[position - size : position]


def table(entries: Iterator[tuple[bytes, bytes]]) -> bytes:
    """A table of entries whose keys are sorted and different, as TensorFlow writes it."""
    made = bytearray()
    index: list[tuple[bytes, bytes]] = []
    waiting: list[tuple[bytes, bytes]] = []
    size = 0
    for key, value in entries:
        if size >= _BLOCK_SIZE:
            index.append((_between(waiting[-1][0], key), _put(made, waiting, _RESTART_INTERVAL)))
            waiting, size = [], 0
        waiting.append((key, value))
        size += len(key) + len(value)
    if waiting:
        index.append((_after(waiting[-1][0]), _put(made, waiting, _RESTART_INTERVAL)))
    meta = _put(made, [], _RESTART_INTERVAL)
    footer = meta + _put(made, index, 1)
    return bytes(made) + footer.ljust(FOOTER - len(_MAGIC), b"\0") + _MAGIC


def _put(made: bytearray, entries: list[tuple[bytes, bytes]], interval: int) -> bytes:
    """Add a block; returns where it lies."""
    block = bytearray()
    restarts: list[int] = []
    last = b""
    for number, (key, value) in enumerate(entries):
        shared = 0
        if number % interval == 0:
            restarts.append(len(block))
        else:
            shared = next(
                (n for n, (a, b) in enumerate(zip(last, key, strict=False)) if a != b), min(map(len, (last, key)))
            )
        block += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    restarts = restarts or [0]
    block += struct.pack(f"<{len(restarts)}II", *restarts, len(restarts)) + bytes([_NONE])
    handle = varint(len(made)) + varint(len(block) - 1)
    made += block + masked(checksum(bytes(block))).to_bytes(4, "little")
    return handle


def _between(last: bytes, following: bytes) -> bytes:
    """A short key from `last` on and below `following`, as LevelDB chooses it."""
    at = next((n for n, (a, b) in enumerate(zip(last, following, strict=False)) if a != b), None)
    if at is not None and last[at] < 0xFF and last[at] + 1 < following[at]:
        return last[:at] + bytes([last[at] + 1])
    return last


def _after(last: bytes) -> bytes:
    """A short key that is not below `last`."""
    at = next((n for n, byte in enumerate(last) if byte != 0xFF), None)
    return last if at is None else last[:at] + bytes([last[at] + 1])
