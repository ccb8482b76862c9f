"""Writes HDF5: groups, attributes and datasets; the bytes of datasets are streamed into their places afterwards."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from irconv.containers.files import OutputFile, Progress, write_tensors
from irconv.containers.hdf5 import Folder
from irconv.errors import Refused
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.tensors import LazyTensor

#: An attribute lies in the header of its group, which HDF5 limits to 64 kB; Keras starts a new part at this size.
_ATTRIBUTE_LIMIT = 64512

#: Element types that HDF5 lacks, by the one Keras 3 stores their bits as; the attribute ``dtype`` then names them.
_STORED_AS = {"bfloat16": "V2"}
"""What HDF5 has no type for -> what it is stored as, with its name beside it, as Keras does."""


def write(path: Path, root: Folder, progress: Progress | None = None) -> None:
    """Write a new file. The same content gives the same bytes. Raises as `frame`."""
    placed = frame(path, root)
    output = OutputFile(path, existing=True)
    try:
        write_tensors(output, placed, progress)
    finally:
        output.close()


def frame(path: Path, root: Folder) -> list[tuple[LazyTensor, int]]:
    """Write a new file in which the bytes of datasets are still missing: the tensors, and where in the file each goes.

    Raises `Refused` for element types without a way, and `OSError` where the disk does not take it.
    """
    placed: list[tuple[LazyTensor, int]] = []
    try:
        with h5py.File(path, "x", libver="earliest", track_order=False) as file:
            _fill(file, root, placed)
    except (
        RuntimeError,
        OSError,
    ) as error:  # h5py's own: with a page of the library's, where it raises for want of room
        number = re.search(r"errno = (\d+)", str(error))
        code = int(number[1]) if number else errno.EIO
        raise OSError(code, os.strerror(code), str(path)) from error
    return placed


def texts(name: str, listed: list[str]) -> dict[str, Any]:
    """The attribute for a list of names, cut into ``name0``, ``name1``... where it would be larger than HDF5 allows."""
    data = np.asarray([text.encode() for text in listed]) if listed else np.zeros(0)
    parts = 1
    while any(part.nbytes > _ATTRIBUTE_LIMIT for part in np.array_split(data, parts)):
        parts += 1
    if parts == 1:
        return {name: data}
    return {f"{name}{i}": part for i, part in enumerate(np.array_split(data, parts))}


def _fill(group: h5py.Group, folder: Folder, placed: list[tuple[LazyTensor, int]]) -> None:
    for key, value in folder.attributes.items():
        group.attrs[key] = value
    for name, tensor in folder.datasets.items():
        _dataset(group, name, tensor, placed)
    for name, inner in folder.folders.items():
        _fill(group.create_group(name), inner, placed)


def _dataset(group: h5py.Group, name: str, tensor: LazyTensor, placed: list[tuple[LazyTensor, int]]) -> None:
    """A contiguous dataset whose place in the file is fixed at once."""
    if tensor.dtype.startswith("float8"):
        raise Refused(f"{group.name}/{name}", f"HDF5 has no element type for {tensor.dtype}")
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_layout(h5py.h5d.CONTIGUOUS)
    settings.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    settings.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    dtype = np.dtype(_STORED_AS[tensor.dtype]) if tensor.dtype in _STORED_AS else numpy_dtype(tensor.dtype)
    made = group.create_dataset(name, tensor.shape, dtype, dcpl=settings)
    if tensor.dtype in _STORED_AS:
        made.attrs["dtype"] = tensor.dtype
    offset = made.id.get_offset()
    if offset is not None:
        placed.append((tensor, offset))
    elif tensor.nbytes:  # a scalar: h5py makes it in its own way
        made[()] = tensor.numpy().view(dtype)
