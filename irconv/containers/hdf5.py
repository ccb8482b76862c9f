"""HDF5 files as plain data: attributes, and datasets as lazy tensors.

The HDF5 library, which some damaged files crash or keep busy for ever, works in a process of its own, within limits
(`irconv.containers.hdf5_worker`). Nothing outside the file is followed: external links, external storage and virtual
datasets are refused by name. Contiguous datasets are read at their offsets by this process; compressed and chunked ones
are unpacked by the other, whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from irconv.containers.budget import unpacked
from irconv.containers.files import FileBytes, SourceFile
from irconv.containers.hdf5_process import LibraryFailed, Limits, ask
from irconv.containers.watch import note, once
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile, Refused
from irconv.ir.dtypes import item_size, logical_name, numpy_dtype
from irconv.ir.tensors import AtOnce, LazyTensor, Source
from irconv.layout import Array

LIMITS = Limits()
_SMALL = 2**20
_MOST_DEFLATED = 1032  # the most that deflate can shrink anything


@dataclass(frozen=True)
class Folder:
    """An HDF5 group: attributes as plain data, subgroups and datasets by name, in the file's order."""

    path: str
    attributes: dict[str, Any] = field(default_factory=dict)
    folders: dict[str, Folder] = field(default_factory=dict)
    datasets: dict[str, LazyTensor] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    """Soft links inside the file, by name, with the path they lead to; only where asked for."""
    unread: dict[str, str] = field(default_factory=dict)
    """What is no tensor, with the reason; only where asked for."""

    def groups(self) -> Iterator[Folder]:
        """This group and every group below it."""
        yield self
        for folder in self.folders.values():
            yield from folder.groups()

    def walk(self) -> Iterator[tuple[str, LazyTensor]]:
        """Every dataset below this group with its path from the file's root, without a leading slash."""
        for folder in self.groups():
            for name, tensor in folder.datasets.items():
                yield f"{folder.path}/{name}".lstrip("/"), tensor

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


def read(path: Path, lenient: bool = False, file: SourceFile | None = None) -> Folder:
    """The whole file as plain data. Raises `DamagedFile`, or `Refused` for what points outside the file.

    With `lenient`, links and what is no tensor are noted in the `Folder`, and not refused. `file` is a file inside
    another one, which `path` then names in messages.
    """
    place = _Place(path, file)
    if file is None:
        note(path)
        found = once(path, "hdf5", lambda: _structure(path, path))
    else:
        found = _structure(path, file)
    return _folder(found, place, file or SourceFile(path), "", lenient)


def _structure(path: Path, file: Path | SourceFile) -> dict[str, Any]:
    """The root group as `irconv.containers.hdf5_worker` describes it."""
    try:
        found: dict[str, Any] = ask(file, LIMITS)[0]["root"]
    except LibraryFailed as error:
        what = f"the HDF5 library cannot read it: {error}"
        raise DamagedFile(str(path), what, "Fetch the file again.") from error
    return found


@dataclass(frozen=True)
class _Place:
    """The file that a dataset is in."""

    path: Path
    file: SourceFile | None
    """The file, if it is one inside another."""


@dataclass(frozen=True)
class _Chunked(AtOnce):
    """A dataset that only the HDF5 library can unpack; read whole, once."""

    place: _Place
    name: str
    dtype: str
    shape: tuple[int, ...]

    @cached_property
    def _whole(self) -> Array:
        nbytes = prod(self.shape) * item_size(self.dtype)
        try:
            found, data = ask(self.place.file or self.place.path, LIMITS, self.name, nbytes)
            stored = numpy_dtype(self.dtype)
            if np.dtype(found["dtype"]) != stored or tuple(found["shape"]) != self.shape:
                raise LibraryFailed(f"expected {self.dtype} of shape {self.shape}, got {found}")
        except LibraryFailed as error:
            raise DamagedFile(f"{self.place.path}: dataset {self.name}", f"cannot be unpacked: {error}") from error
        return np.frombuffer(data, stored).reshape(self.shape)


def _folder(found: dict[str, Any], place: _Place, file: SourceFile, name: str, lenient: bool) -> Folder:
    if found["kind"] == "damaged":
        raise DamagedFile(f"{place.path}: group {name or '/'}", found["what"])
    result = Folder(name, {key: _plain(value) for key, value in found["attributes"].items()})
    for key, member in found["members"].items():
        where = f"{name}/{key}"
        if member["kind"] in ("group", "damaged"):
            result.folders[key] = _folder(member, place, file, where, lenient)
        elif lenient and member["kind"] == "link" and "target" in member:
            result.links[key] = member["target"]
        else:
            try:
                result.datasets[key] = LazyTensor(_source(member, place, file, where))
            except Refused as refusal:
                if not lenient:
                    raise
                result.unread[key] = refusal.problems[0].what
    return result


def _source(found: dict[str, Any], place: _Place, file: SourceFile, name: str) -> Source:
    """Where the elements of a dataset come from. Raises `Refused` for what is none, or is no tensor."""
    if found["kind"] != "dataset":
        got = f"an HDF5 {found['type']}, which irconv does not follow" if found["kind"] == "link" else "a named type"
        raise Refused(f"{place.path}: {name}", f"expected a group or a dataset, got {got}")
    where = f"{place.path}: dataset {name}"
    if found["outside"]:
        raise Refused(where, "keeps its data in another file, which irconv does not open")
    dtype = logical_name(np.dtype(found["dtype"])) if found["dtype"] else None
    if found.get("bfloat16") and found["shape"] is not None and found["offset"] is not None and not found["filters"]:
        return FileBytes(file, found["offset"], "bfloat16", tuple(found["shape"]), False)
    if dtype is None or found["shape"] is None:
        raise Refused(where, f"holds {found['holds']}, which is no tensor irconv knows")
    if found["filters"]:
        filters = ", ".join(found["filters"])
        raise Refused(where, f"is packed by the filter {filters}, which the HDF5 library has not", "Save it without.")
    shape = tuple(found["shape"])
    if found["offset"] is not None:
        return FileBytes(file, found["offset"], dtype, shape, np.dtype(found["dtype"]).byteorder == ">")
    nbytes, stored = prod(shape) * item_size(dtype), found["stored"]
    if nbytes > _SMALL and nbytes > _MOST_DEFLATED * stored:
        raise DamagedFile(where, f"claims {nbytes} bytes, but {stored} are stored, which no compression can hold")
    if nbytes > unpacked(stored):
        what = f"unpacks to {nbytes} bytes, and irconv takes at most {unpacked(stored)} from {stored}"
        raise Refused(where, what, "Save it uncompressed.")
    return _Chunked(place, name, dtype, shape)


def _plain(value: Any) -> Any:
    """An attribute as the worker's JSON has it."""
    if isinstance(value, dict):
        return value["bytes"].encode("latin-1")
    return [_plain(entry) for entry in value] if isinstance(value, list) else value


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
