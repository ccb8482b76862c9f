"""TensorFlow's older checkpoints: one table, whose first value lists the variables and whose others each hold a slice.

The format is that of tensorflow/core/util/saved_tensor_slice.proto: values are messages, so that a tensor is read with
the block that holds it, checked and decompressed.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

from irconv.containers import messages, sstable
from irconv.containers.sstable import Table
from irconv.containers.tensor_bundle import Checkpoint, Strings
from irconv.containers.tensor_protos import OtherTensor, StringTensor, tensor
from irconv.containers.tensor_slices import Slice, boxed, joined, slice_key, slice_of
from irconv.containers.tensor_types import element_type, shape_of, type_name, type_number
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile, Problems
from irconv.ir.tensors import LazyTensor, take_box
from irconv.layout import Array, Box

_MESSAGE, _FETCH = "SavedTensorSlices", "Fetch the file again."


def recognises(path: Path) -> bool:
    """Whether a file is a table whose first entry, without a key, may list variables; damaged ones are such tables."""
    if path.suffix == ".index" or not sstable.recognises(path):
        return False
    try:
        table = Table(path)
        return bool(table.blocks) and next(table.entries(table.blocks[0]), (b"x", b""))[0] == b""
    except DamagedFile:
        return True


def read(path: Path, *others: Path) -> Checkpoint:
    """A V1 checkpoint, in one file or in several. Raises `DamagedFile` for a list of variables that is damaged."""
    problems = Problems()
    found: dict[str, _Variable] = {}
    for file in (path, *others):
        table = Table(file)
        listed = _listed(table)
        if listed is None:
            raise DamagedFile(str(file), "expected a checkpoint, whose first entry lists the variables", _FETCH)
        for entry in listed.tensor:
            with problems.collect():
                _note(found, table, entry)
    tensors: dict[str, LazyTensor] = {}
    strings: dict[str, Strings] = {}
    unread: dict[str, str] = {}
    for name, variable in sorted(found.items()):
        with problems.collect():
            dtype = element_type(variable.type)
            if type_name(variable.type) == "string":
                strings[name] = _strings(variable)
            elif dtype is None:
                unread[name] = type_name(variable.type)
            else:
                tensors[name] = _tensor(variable, dtype)
    problems.raise_any()
    slices = {name: tuple(part for _, part in v.parts) for name, v in found.items() if len(v.parts) > 1}
    return Checkpoint(path, (path, *others), "V1", tensors, strings, unread, slices)


@dataclass(frozen=True)
class _Variable:
    """What the lists say of a variable, and which table holds each slice of it."""

    name: str
    type: int
    shape: tuple[int, ...]
    parts: list[tuple[Table, Slice]]

    @property
    def where(self) -> str:
        """For a message."""
        return f"{self.parts[0][0].path}: {self.name}"


def _note(found: dict[str, _Variable], table: Table, entry: Any) -> None:
    where = f"{table.path}: {entry.name}"
    shape = shape_of(entry.shape, where)
    known = found.setdefault(entry.name, _Variable(entry.name, entry.type, shape, []))
    if (known.type, known.shape) != (entry.type, shape) or any(other is table for other, _ in known.parts):
        raise DamagedFile(where, "is listed twice, or with another shape in another file", _FETCH)
    parts = tuple(map(slice_of, entry.slice)) or ((None,) * len(shape),)
    known.parts.extend((table, part) for part in parts)


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


def _tensor(variable: _Variable, dtype: str) -> LazyTensor:
    try:
        made: list[tuple[Slice, LazyTensor]] = []
        for table, part in variable.parts:
            size = tuple(stop - start for start, stop in boxed(part, variable.shape))
            made.append((part, LazyTensor(_Saved(table, variable.name, part, dtype, size))))
        whole = len(made) == 1 and made[0][1].shape == variable.shape
        return made[0][1] if whole else joined(dtype, variable.shape, made)
    except ValueError as error:
        what = f"expected slices of {variable.shape}, got {error}"
        raise DamagedFile(variable.where, what, _FETCH) from error


def _strings(variable: _Variable) -> Strings:
    table, part = variable.parts[0]

    def load() -> tuple[bytes, ...]:
        found = _data(table, variable.name, part, "string", prod(variable.shape))
        assert isinstance(found, StringTensor)
        return found.values

    return Strings(variable.shape, load)


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
