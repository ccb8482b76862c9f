"""TensorFlow's older checkpoints: one table, whose first value lists the variables and whose others each hold a slice.

The format is that of tensorflow/core/util/saved_tensor_slice.proto: values are messages, so that a tensor is read with
the block that holds it, checked and decompressed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from irconv.containers import messages, sstable
from irconv.containers.sstable import Table
from irconv.containers.tensor_bundle import Checkpoint, Strings
from irconv.containers.tensor_protos import OtherTensor, StringTensor, tensor
from irconv.containers.tensor_slices import Slice, boxed, joined, slice_key, slice_of
from irconv.containers.tensor_types import element_type, type_name, type_number
from irconv.errors import DamagedFile, Problems
from irconv.ir.tensors import LazyTensor, take_box
from irconv.layout import Array, Box

_MESSAGE, _FETCH = "SavedTensorSlices", "Fetch the file again."
_MOST_AXES = 32


def recognises(path: Path) -> bool:
    """Whether a file is a table that lists variables."""
    if not sstable.recognises(path):
        return False
    try:
        return _listed(Table(path)) is not None
    except DamagedFile:
        return path.suffix != ".index"


def read(path: Path) -> Checkpoint:
    """A V1 checkpoint. Raises `DamagedFile` for a list of variables that is damaged."""
    table = Table(path)
    listed = _listed(table)
    if listed is None:
        raise DamagedFile(str(path), "expected a checkpoint, whose first entry lists the variables", _FETCH)
    tensors: dict[str, LazyTensor] = {}
    strings: dict[str, Strings] = {}
    others: dict[str, str] = {}
    slices: dict[str, tuple[Slice, ...]] = {}
    problems = Problems()
    for entry in listed.tensor:
        with problems.collect():
            where, dtype = f"{path}: {entry.name}", element_type(entry.type)
            shape = tuple(dim.size for dim in entry.shape.dim)
            if any(size < 0 for size in shape) or len(shape) > _MOST_AXES or entry.name in tensors:
                raise DamagedFile(where, f"expected a shape, once for each name, got {shape[:10]}", _FETCH)
            parts = tuple(map(slice_of, entry.slice)) or ((None,) * len(shape),)
            if type_name(entry.type) == "string":
                strings[entry.name] = _strings(table, entry.name, parts[0], shape)
            elif dtype is None:
                others[entry.name] = type_name(entry.type)
            else:
                tensors[entry.name] = _tensor(table, entry.name, dtype, shape, parts)
                slices |= {entry.name: parts} if len(parts) > 1 else {}
    problems.raise_any()
    return Checkpoint(path, (path,), "V1", tensors, strings, others, slices)


def _listed(table: Table) -> Any:
    """The list of variables; None where the table has no such entry."""
    first = next(table.entries(table.blocks[0]), None) if table.blocks else None
    if first is None or first[0] != b"":
        return None
    try:
        found = messages.parse("tensorflow", _MESSAGE, first[1], f"{table.path}: list of variables")
    except DamagedFile:
        return None
    return found.meta if found.HasField("meta") else None


def _tensor(table: Table, name: str, dtype: str, shape: tuple[int, ...], parts: tuple[Slice, ...]) -> LazyTensor:
    try:
        made: list[tuple[Slice, LazyTensor]] = []
        for part in parts:
            size = tuple(stop - start for start, stop in boxed(part, shape))
            made.append((part, LazyTensor(_Saved(table, name, part, dtype, size))))
        return made[0][1] if len(made) == 1 and made[0][1].shape == shape else joined(dtype, shape, made)
    except ValueError as error:
        raise DamagedFile(f"{table.path}: {name}", f"expected slices of {shape}, got {error}", _FETCH) from error


def _strings(table: Table, name: str, part: Slice, shape: tuple[int, ...]) -> Strings:
    def load() -> tuple[bytes, ...]:
        found = _data(table, name, part, "string", prod(shape))
        assert isinstance(found, StringTensor)
        return found.values

    return Strings(shape, load)


def _data(table: Table, name: str, part: Slice, dtype: str, count: int) -> LazyTensor | StringTensor | OtherTensor:
    """A slice as a vector of so many elements: the message says neither type nor shape. Raises `DamagedFile`."""
    where = f"{table.path}: {name}"
    try:
        value = table.find(slice_key(name.encode(), part))
    except DamagedFile as error:
        raise DamagedFile(where, f"cannot be read: {error}") from error
    if value is None:
        raise DamagedFile(where, f"expected its slice {part}, which is missing", _FETCH)
    data = messages.parse("tensorflow", _MESSAGE, value, where).data.data
    data.dtype = type_number(dtype)
    data.ClearField("tensor_shape")
    data.tensor_shape.dim.add(size=count)
    return tensor(data, where)


@dataclass(frozen=True)
class _Saved:
    """A source that is one slice as a message of the table; reading any of it reads all of it."""

    table: Table
    name: str
    part: Slice
    dtype: str
    shape: tuple[int, ...]

    def read(self, atoms: tuple[int, ...], box: Box) -> Array:
        """See `irconv.ir.tensors.Source.read`."""
        found = _data(self.table, self.name, self.part, self.dtype, prod(self.shape))
        assert isinstance(found, LazyTensor)
        return take_box(found.numpy().reshape(atoms), box)
