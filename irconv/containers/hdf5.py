"""HDF5 files as plain data: attributes, and datasets as lazy tensors.

Nothing outside the file is followed: external links, external storage and virtual datasets are refused by name.
Contiguous datasets are read at their offsets; compressed and chunked ones through h5py, whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from irconv.containers.files import FileBytes, SourceFile
from irconv.errors import DamagedFile, Refused
from irconv.ir.dtypes import item_size, logical_name, numpy_dtype
from irconv.ir.tensors import LazyTensor, Source, take_box
from irconv.layout import Array, Box

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MAX_DEPTH = 64
_SMALL = 2**20
_MOST_DEFLATED = 1032  # the most that deflate can shrink anything


@dataclass(frozen=True)
class Folder:
    """An HDF5 group: attributes as plain data, subgroups and datasets by name, in the file's order."""

    path: str
    attributes: dict[str, Any] = field(default_factory=dict)
    folders: dict[str, Folder] = field(default_factory=dict)
    datasets: dict[str, LazyTensor] = field(default_factory=dict)

    def walk(self) -> Iterator[tuple[str, LazyTensor]]:
        """Every dataset below this group with its path from the file's root, without a leading slash."""
        for name, tensor in self.datasets.items():
            yield f"{self.path}/{name}".lstrip("/"), tensor
        for folder in self.folders.values():
            yield from folder.walk()

    def dataset(self, path: str) -> LazyTensor | None:
        """The dataset at a path relative to this group, or None."""
        *parents, name = path.strip("/").split("/")
        folder: Folder | None = self
        for parent in parents:
            folder = folder.folders.get(parent) if folder else None
        return folder.datasets.get(name) if folder else None

    def texts(self, name: str) -> list[str] | None:
        """An attribute that is a list of strings, put together from ``name0``, ``name1``... where Keras had to split it
        (HDF5 limits an attribute to 64 kB); None where there is none."""
        parts = [name] if name in self.attributes else []
        while not parts or parts[-1] != name:
            if (chunk := f"{name}{len(parts)}") not in self.attributes:
                break
            parts.append(chunk)
        lists = [self.attributes[part] for part in parts]
        if not all(isinstance(listed, list) for listed in lists):
            raise DamagedFile(f"{self.path or '/'}: attribute {name}", f"expected a list of names, got {lists!r:.80}")
        return [_text(value) for listed in lists for value in listed] if parts else None


def recognises(path: Path) -> bool:
    """Whether the file begins as HDF5 does (after a user block of 512, 1024, ... bytes, too)."""
    with path.open("rb") as file:
        size = path.stat().st_size
        offset = 0
        while offset < size:
            file.seek(offset)
            if file.read(len(SIGNATURE)) == SIGNATURE:
                return True
            offset = max(512, offset * 2)
    return False


def read(path: Path) -> Folder:
    """The whole file as plain data. Raises `DamagedFile`, or `Refused` for what points outside the file."""
    try:
        with h5py.File(path, "r") as file:
            return _folder(file, path, SourceFile(path), "", 0)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise _unreadable(path, error) from error


def root_attributes(path: Path) -> set[str]:
    """The names of the root group's attributes. Raises `DamagedFile`."""
    try:
        with h5py.File(path, "r") as file:
            return set(file.attrs)
    except (OSError, RuntimeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DamagedFile:
    return DamagedFile(str(path), f"the HDF5 library cannot read it: {error}", "Fetch the file again.")


@dataclass(frozen=True)
class _Chunked:
    """A dataset that only the HDF5 library can unpack; read whole, once."""

    path: Path
    name: str
    dtype: str
    shape: tuple[int, ...]

    @cached_property
    def _whole(self) -> Array:
        try:
            with h5py.File(self.path, "r") as file:
                return np.asarray(file[self.name][()]).astype(numpy_dtype(self.dtype), copy=False)
        except (OSError, RuntimeError) as error:
            raise DamagedFile(f"{self.path}: dataset {self.name}", f"cannot be unpacked: {error}") from error

    def read(self, atoms: tuple[int, ...], box: Box) -> Array:
        """See `irconv.ir.tensors.Source.read`."""
        return take_box(self._whole.reshape(atoms), box)


def _folder(group: h5py.Group, path: Path, file: SourceFile, name: str, depth: int) -> Folder:
    if depth > _MAX_DEPTH:
        raise DamagedFile(f"{path}: group {name}", f"expected groups nested at most {_MAX_DEPTH} deep")
    result = Folder(name, {key: _plain(value) for key, value in group.attrs.items()})
    for key in group:
        where = f"{name}/{key}"
        link = group.get(key, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise Refused(
                f"{path}: {where}",
                f"expected a group or a dataset, got an HDF5 {type(link).__name__}, which irconv does not follow",
            )
        item = group[key]
        if isinstance(item, h5py.Group):
            result.folders[key] = _folder(item, path, file, where, depth + 1)
        elif isinstance(item, h5py.Dataset):
            result.datasets[key] = LazyTensor(_dataset(item, path, file, where))
    return result


def _dataset(dataset: h5py.Dataset, path: Path, file: SourceFile, name: str) -> Source:
    where = f"{path}: dataset {name}"
    if dataset.external or dataset.is_virtual:
        raise Refused(where, "keeps its data in another file, which irconv does not open")
    dtype = logical_name(dataset.dtype)
    if dtype is None or dataset.shape is None:
        raise Refused(where, f"holds {dataset.dtype}, which is no tensor irconv knows")
    offset = dataset.id.get_offset()
    if dataset.chunks is None and offset is not None:
        return FileBytes(file, offset, dtype, dataset.shape, dataset.dtype.byteorder == ">")
    nbytes = prod(dataset.shape) * item_size(dtype)
    if nbytes > _SMALL and nbytes > _MOST_DEFLATED * dataset.id.get_storage_size():
        stored = dataset.id.get_storage_size()
        raise DamagedFile(where, f"claims {nbytes} bytes, but {stored} are stored, which no compression can hold")
    return _Chunked(path, name, dtype, dataset.shape)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return None if isinstance(value, h5py.Empty) else value


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
