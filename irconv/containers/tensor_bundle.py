"""TensorFlow's checkpoints of variables as lazy tensors: V2 bundles and the single files of V1.

A V2 bundle is ``PREFIX.index``, a table of ``BundleEntryProto`` by name, and shards ``PREFIX.data-0000k-of-0000n`` of
raw tensors (tensorflow/core/util/tensor_bundle). A V1 checkpoint is one table of ``SavedTensorSlices``
(`irconv.containers.tensor_bundle_v1`). Every tensor's CRC32C is compared before its bytes are used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

from irconv.containers import messages
from irconv.containers.checked import CheckedRegion
from irconv.containers.files import FileBytes, SourceFile
from irconv.containers.sstable import Table, checksum, masked, unmasked
from irconv.containers.tensor_slices import Slice, joined, slice_key, slice_of
from irconv.containers.tensor_strings import MOST_BYTES, read_strings
from irconv.containers.tensor_types import element_type, shape_of, type_name
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile, Problems
from irconv.ir.dtypes import item_size
from irconv.ir.tensors import LazyTensor

_FETCH = "Fetch the file again."
_MOST_SHARDS = 100_000


@dataclass(frozen=True)
class Strings:
    """A tensor of strings, read when it is asked for."""

    shape: tuple[int, ...]
    read: Callable[[], tuple[bytes, ...]]
    """The strings in order; raises `DamagedFile`."""

    @cached_property
    def values(self) -> tuple[bytes, ...]:
        """The strings in order. Raises `DamagedFile`."""
        return self.read()


@dataclass(frozen=True)
class Checkpoint:
    """All that a checkpoint holds, by name, in the order of the names."""

    prefix: Path
    """What TensorFlow calls the checkpoint; the name of the file for V1."""
    files: tuple[Path, ...]
    version: str
    """``V1`` or ``V2``."""
    tensors: Mapping[str, LazyTensor]
    strings: Mapping[str, Strings] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    """Name -> the type of what no bundle can hold, such as ``variant``."""
    slices: Mapping[str, tuple[Slice, ...]] = field(default_factory=dict)
    """Name of a partitioned variable -> the slices it is stored in."""
    types: Mapping[str, str] = field(default_factory=dict)
    """Name -> TensorFlow's type, where it says more than the elements', such as ``qint8``."""


def read(prefix: Path) -> Checkpoint:
    """A V2 bundle. Raises `DamagedFile` naming every variable that is damaged, outside its shard, or without one."""
    index = Path(f"{prefix}.index")
    if not index.is_file():
        raise DamagedFile(
            str(prefix), f"expected the index {index.name}, which is missing", "Put it beside the others."
        )
    table = Table(index)
    entries, header = _entries(table)
    return _Reader(prefix, table, entries, header).read()


def _entries(table: Table) -> tuple[dict[bytes, Any], Any]:
    entries: dict[bytes, Any] = {}
    header = None
    for key, value in table.items():
        if key == b"":
            header = messages.parse("tensorflow", "BundleHeaderProto", value, f"{table.path}: header")
        else:
            where = f"{table.path}: {key.decode('utf-8', 'backslashreplace')}"
            entries[key] = messages.parse("tensorflow", "BundleEntryProto", value, where)
    if header is None or not 0 < header.num_shards <= _MOST_SHARDS:
        what = "has no header, so that it is no index of a checkpoint" if header is None else "claims no shards"
        raise DamagedFile(str(table.path), what)
    if header.version.min_consumer > 1:
        what = (
            f"is a bundle of version {header.version.producer}, which needs a reader of {header.version.min_consumer}"
        )
        raise DamagedFile(str(table.path), what)
    return entries, header


class _Reader:
    """Makes lazy tensors of entries; opens each shard once."""

    def __init__(self, prefix: Path, table: Table, entries: Mapping[bytes, Any], header: Any) -> None:
        self.prefix, self.table, self.entries, self.header = prefix, table, entries, header
        self.big_endian = bool(header.endianness)
        self.shards: dict[int, SourceFile] = {}

    def read(self) -> Checkpoint:
        """Every entry that is no slice of another."""
        parts = {slice_key(key, slice_of(part)) for key, entry in self.entries.items() for part in entry.slices}
        tensors: dict[str, LazyTensor] = {}
        strings: dict[str, Strings] = {}
        others: dict[str, str] = {}
        slices: dict[str, tuple[Slice, ...]] = {}
        types: dict[str, str] = {}
        problems = Problems()
        missing: dict[int, list[str]] = {}
        for key, entry in self.entries.items():
            name = key.decode("utf-8", "backslashreplace")
            if key in parts:
                continue
            if not entry.slices and not self._has_shard(entry.shard_id):
                missing.setdefault(entry.shard_id, []).append(name)
                continue
            with problems.collect():
                if key[:1] == b"\0":
                    raise DamagedFile(f"{self.table.path}: {name}", "is a slice of no variable", _FETCH)
                dtype = element_type(entry.dtype)
                if type_name(entry.dtype) == "string":
                    strings[name] = self._strings(name, entry)
                elif dtype is None:
                    others[name] = type_name(entry.dtype)
                else:
                    tensors[name] = self._joined(key, name, entry) if entry.slices else self._tensor(name, entry)
                    slices |= {name: tuple(map(slice_of, entry.slices))} if entry.slices else {}
                    types |= {name: type_name(entry.dtype)} if type_name(entry.dtype) != dtype else {}
        for shard, names in missing.items():
            problems.add(str(self._path(shard)), _missing(names), "Put the shard beside the index.", DamagedFile)
        problems.raise_any()
        files = (self.table.path, *(file.path for _, file in sorted(self.shards.items())))
        return Checkpoint(self.prefix, files, "V2", tensors, strings, others, slices, types)

    def _path(self, shard: int) -> Path:
        return Path(f"{self.prefix}.data-{shard:05}-of-{self.header.num_shards:05}")

    def _has_shard(self, shard: int) -> bool:
        if not 0 <= shard < self.header.num_shards:
            return False
        if shard not in self.shards and self._path(shard).is_file():
            self.shards[shard] = SourceFile(self._path(shard))
        return shard in self.shards

    def _joined(self, key: bytes, name: str, entry: Any) -> LazyTensor:
        """A partitioned variable."""
        where, dtype = f"{self.table.path}: {name}", element_type(entry.dtype)
        parts: list[tuple[Slice, LazyTensor]] = []
        for message in entry.slices:
            part = slice_of(message)
            found = self.entries.get(slice_key(key, part))
            if found is None or not self._has_shard(found.shard_id):
                raise DamagedFile(where, f"expected its slice {part}, which is missing", _FETCH)
            parts.append((part, self._tensor(f"{name} (slice {part})", found)))
        try:
            assert dtype is not None
            return joined(dtype, shape_of(entry.shape, where), parts)
        except ValueError as error:
            raise DamagedFile(
                where, f"expected slices of {shape_of(entry.shape, where)}, got {error}", _FETCH
            ) from error

    def _tensor(self, name: str, entry: Any) -> LazyTensor:
        file = self.shards[entry.shard_id]
        where, dtype = f"{file.path}: {name}", element_type(entry.dtype)
        shape = shape_of(entry.shape, where)
        if dtype is None or entry.size != prod(shape) * item_size(dtype):
            raise DamagedFile(where, f"claims {entry.size} bytes for {type_name(entry.dtype)} of shape {shape}", _FETCH)
        region = CheckedRegion(file, entry.offset, entry.size, where, checksum, unmasked(entry.crc32c))
        return LazyTensor(FileBytes(region, 0, dtype, shape, self.big_endian))

    def _strings(self, name: str, entry: Any) -> Strings:
        file = self.shards[entry.shard_id]
        where, shape = f"{file.path}: {name}", shape_of(entry.shape, f"{file.path}: {name}")
        if entry.offset < 0 or not 0 <= entry.size <= MOST_BYTES or entry.offset + entry.size > file.size:
            what = f"claims {entry.size} bytes at offset {entry.offset}, but the file has {file.size}"
            raise DamagedFile(where, what, _FETCH)

        def load() -> tuple[bytes, ...]:
            content = bytearray(entry.size)
            file.read_into(memoryview(content), entry.offset)
            found, crc = read_strings(bytes(content), prod(shape), self.big_endian, where)
            if masked(crc) != entry.crc32c:
                what = f"expected CRC {entry.crc32c:08x}, got {masked(crc):08x}: the bytes have changed"
                raise DamagedFile(where, what, _FETCH)
            return found

        return Strings(shape, load)


def _missing(names: list[str]) -> str:
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"expected this shard with {shown}, but it is missing"
