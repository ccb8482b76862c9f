"""A Keras file with other values in it: everything else stays as its owner saved it, dialect, layers and settings.

Writing a model anew would spell it for another version of Keras. Here the file is copied, and the bytes of datasets
that lie in one piece are written over.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from irconv.containers import hdf5, zip
from irconv.containers.files import FileBytes, OutputFile, SourceFile, write_tensors
from irconv.containers.hdf5 import Folder
from irconv.containers.outputs import Output
from irconv.containers.zip import pack_files
from irconv.ir.tensors import LazyTensor

_WEIGHTS = "model.weights.h5"
_LARGEST = 2**28
"""Bytes of a member of an archive besides the weights."""
_BLOCK = 2**22


def can_refill(path: Path, destination: Path, values: Mapping[str, LazyTensor]) -> bool:
    """Whether a file has a dataset in one piece for each value, by its path, and `destination` is of the same kind."""
    suffixes = {path.suffix, destination.suffix}
    if suffixes != {".keras"} and not suffixes <= {".h5", ".hdf5"}:
        return False
    places = dict(_folder(path).walk())
    return all(name in places and _fits(places[name], value) for name, value in values.items())


def refill(path: Path, destination: Path, values: Mapping[str, LazyTensor], output: Output) -> list[Path]:
    """Write the file with these values in the place of its own; `can_refill` has said that it can be done."""
    places = dict(_folder(path).walk())
    made = output.path(destination)
    if path.suffix != ".keras":
        shutil.copyfile(path, made)
        _write(made, places, values)
        return [destination]
    archive = zip.Archive(path)
    files = {name: made.parent / f"{made.name}.{number}" for number, name in enumerate(archive.members)}
    for name, file in files.items():
        if name == _WEIGHTS:
            _copy(archive.open(name), file)
            _write(file, places, values)
        else:
            file.write_bytes(archive.content(name, _LARGEST))
    pack_files(files, made)
    for file in files.values():
        file.unlink()
    return [destination]


def _folder(path: Path) -> Folder:
    if path.suffix != ".keras":
        return hdf5.read(path, lenient=True)
    return hdf5.read(path, lenient=True, file=zip.Archive(path).open(_WEIGHTS))


def _fits(place: LazyTensor, value: LazyTensor) -> bool:
    contiguous = isinstance(place.source, FileBytes) and not place.source.big_endian
    return contiguous and place.dtype == value.dtype and place.shape == value.shape


def _write(file: Path, places: Mapping[str, LazyTensor], values: Mapping[str, LazyTensor]) -> None:
    target = OutputFile(file, existing=True)
    placed = []
    for name, value in values.items():
        source = places[name].source
        assert isinstance(source, FileBytes), "the caller has asked"
        placed.append((value, source.offset))
    write_tensors(target, placed)
    target.close()


def _copy(source: SourceFile, path: Path) -> None:
    with path.open("xb") as file:
        for offset in range(0, source.size, _BLOCK):
            block = bytearray(min(_BLOCK, source.size - offset))
            source.read_into(memoryview(block), offset)
            file.write(block)
