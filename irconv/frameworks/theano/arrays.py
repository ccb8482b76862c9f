"""Bare arrays in files, whatever holds them: HDF5, ``.npz``, ``.npy``, pickles, or a folder of such files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from irconv.containers import compressed, hdf5, hdf5_kind, npz, pickle
from irconv.containers.pickle import Instance
from irconv.data_classes import dataclass
from irconv.errors import Problems, Refused
from irconv.ir.dtypes import logical_name
from irconv.ir.tensors import LazyTensor

Address: TypeAlias = tuple[int | str, ...]
"""Where an array is inside its file: the path of a dataset, a key, or the steps from a pickle to it."""

ARCHITECTURE = "arch.json"
"""The name of an architecture that lies in the folder of its arrays."""

_PICKLE_STARTS = (b"\x80", b"(", b"]", b"}", b"c", b"(l", b"(d")
_MOST_FILES = 20000
_MOST_VALUES, _BYTES_OF_VALUE = 100_000, 4
_DEEPEST = 64
_SHARED = ("theano.", "lasagne.", "numpy.random", "cuda_ndarray", "pygpu.")


@dataclass(frozen=True)
class Stored:
    """An array in a file."""

    file: str
    """Relative to the path that was read, the file's own name for a single one."""
    address: Address
    name: str
    """Unique among all that were read."""
    data: LazyTensor


@dataclass(frozen=True)
class Arrays:
    """All arrays of a file or folder."""

    path: Path
    storage: str
    """In the words of `irconv.frameworks.theano.architecture.Weights`."""
    paths: tuple[Path, ...]
    found: tuple[Stored, ...]
    others: Mapping[str, str] = field(default_factory=dict)
    """Name -> why it is no array."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Another name for an array (a soft link) -> the name it has here."""

    @cached_property
    def by_name(self) -> dict[str, Stored]:
        """The arrays by name; an alias is a name, too."""
        named = {stored.name: stored for stored in self.found}
        return named | {alias: named[name] for alias, name in self.aliases.items() if name in named}


@dataclass
class _Reading:
    """What has been read so far of one file."""

    arrays: dict[Address, LazyTensor] = field(default_factory=dict)
    others: dict[Address, str] = field(default_factory=dict)
    links: dict[Address, Address] = field(default_factory=dict)
    size: int = 0
    """Bytes of the file."""
    seen: dict[int, Instance] = field(default_factory=dict)
    """Objects of pickles that were looked into; those of a graph hold one another in circles."""
    values: int = 0
    """Values of pickles that were looked at, each as often as something holds it."""


def recognises(path: Path) -> str:
    """Why this may hold bare arrays: a file of arrays, or a folder of nothing else; empty where it holds none."""
    if not path.is_dir():
        return f"is a file of arrays ({found[0]})" if (found := _reader(path)) else ""
    if files := _files(path):
        return "is a folder of files of arrays" if all(_reader(file) is not None for file in files) else ""
    return f"is a folder with {ARCHITECTURE}" if (path / ARCHITECTURE).is_file() else ""


def read(path: Path) -> Arrays:
    """Every array, unread. Raises `DamagedFile` and `Refused`."""
    files = _files(path) if path.is_dir() else [path]
    root = path if path.is_dir() else path.parent
    problems = Problems()
    readings: dict[Path, _Reading] = {}
    kinds: set[str] = set()
    for file in files:
        found = _reader(file)
        if found is None:
            continue
        kinds.add(found[0])
        with problems.collect():
            readings[file] = found[1](file)
    problems.raise_any()
    return _collected(path, root, readings, kinds)


def _collected(path: Path, root: Path, readings: Mapping[Path, _Reading], kinds: set[str]) -> Arrays:
    """All files' arrays under unique names."""
    found: list[Stored] = []
    others: dict[str, str] = {}
    aliases: dict[str, str] = {}
    for file, reading in readings.items():
        inside = file.relative_to(root)
        prefix = "" if not path.is_dir() else str(inside.with_suffix(""))
        alone = len(reading.arrays) == 1
        for address, data in reading.arrays.items():
            found.append(Stored(str(inside), address, _name(prefix, address, file, alone), data))
        others |= {_name(prefix, address, file, False): why for address, why in reading.others.items()}
        for link, target in reading.links.items():
            aliases[_name(prefix, link, file, False)] = _name(prefix, target, file, alone)
    names = [stored.name for stored in found]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise Refused(str(path), f"several arrays have the name {', '.join(twice)}")
    kind = kinds.pop() if len(kinds) == 1 else "folder_of_h5"
    storage = kind if not path.is_dir() else "folder_of_npy" if kind == "npy" else "folder_of_h5"
    return Arrays(path, storage, tuple(readings), tuple(found), others, aliases)


def _name(prefix: str, address: Address, file: Path, alone: bool) -> str:
    """``layer0_w`` for the only dataset of layer0_w.h5, whatever it is called; else the path, below the file's."""
    inner = "/".join(map(str, address))
    if not prefix:
        return inner or file.stem
    return prefix if not inner or (alone and address == (file.stem,)) else f"{prefix}/{inner}"


def _files(folder: Path) -> list[Path]:
    """The files of a folder and of those in it; hidden ones and what people put beside weights are passed over."""
    found: list[Path] = []
    for file in sorted(folder.rglob("*")):
        inner = file.relative_to(folder).parts
        if file.is_symlink() or any(part.startswith((".", "__")) for part in inner) or not file.is_file():
            continue
        if file.suffix.lower() in (".json", ".yaml", ".yml", ".md", ".txt", ".py", ".pyc", ".log"):
            continue
        found.append(file)
        if len(found) > _MOST_FILES:
            raise Refused(str(folder), f"expected at most {_MOST_FILES} files")
    return found


def _reader(path: Path) -> tuple[str, Callable[[Path], _Reading]] | None:
    """How a file is read, judged by its first bytes."""
    try:
        packed = compressed.packing(path)
        with path.open("rb") as file:
            start = compressed.head(path, 8)
            size = path.stat().st_size
            file.seek(max(size - 1, 0))
            last = file.read(1)
        if hdf5_kind.recognises(path):
            return "h5", _hdf5
        if npz.recognises(path):
            return ("npy" if start[:6] == npz.SIGNATURE else "npz"), _npz
    except OSError:
        return None
    if start.startswith(_PICKLE_STARTS) and (packed or last == b"."):
        return "pickle", _pickle
    return None


def _hdf5(path: Path) -> _Reading:
    reading = _Reading()

    def visit(folder: hdf5.Folder) -> None:
        here = folder.path.strip("/")

        def inside(name: str) -> Address:
            return (f"{here}/{name}".lstrip("/"),)

        reading.arrays.update({inside(name): data for name, data in folder.datasets.items()})
        reading.others.update({inside(name): why for name, why in folder.unread.items()})
        for name, target in folder.links.items():
            absolute = target if target.startswith("/") else f"{here}/{target}"
            reading.links[inside(name)] = (absolute.strip("/"),)
        for inner in folder.folders.values():
            visit(inner)

    visit(hdf5.read(path, lenient=True))
    return reading


def _npz(path: Path) -> _Reading:
    found = npz.read(path, _RULES)
    reading = _Reading({((name,) if name else ()): data for name, data in found.tensors.items()})
    reading.size = path.stat().st_size
    for name, value in found.objects.items():
        _flatten(value, (name,) if name else (), reading)
    return reading


def _pickle(path: Path) -> _Reading:
    file = compressed.opened(path)
    stream = pickle.Stream(file)
    values: list[Any] = []
    while stream.position < file.size:
        values.append(pickle.unpickle(stream, str(path), _RULES))
    reading = _Reading(size=file.size)
    for index, value in enumerate(values):
        _flatten(value, (index,) if len(values) > 1 else (), reading)
    return reading


def _flatten(value: Any, address: Address, reading: _Reading, depth: int = 0) -> None:
    """Every array inside lists, dicts and objects."""
    reading.values += 1
    if depth > _DEEPEST:
        raise Refused("pickle", f"expected values nested at most {_DEEPEST} deep")
    if reading.values > _MOST_VALUES + reading.size // _BYTES_OF_VALUE:
        raise Refused("pickle", "holds the same values over and over, more often than a file of its size")
    value = shared_value(value)
    if isinstance(value, Instance):
        if id(value) in reading.seen:
            return
        reading.seen[id(value)] = value
    if isinstance(value, np.ndarray) and logical_name(value.dtype) is not None:
        reading.arrays[address] = LazyTensor.of(value)
    elif isinstance(value, np.ndarray) and value.dtype.kind == "O":
        _flatten(value.tolist(), address, reading, depth + 1)
    elif isinstance(value, np.generic | float | int | str | bytes | bool) or value is None:
        reading.others[address] = f"{type(value).__name__}, which is no array"
    else:
        for key, inner in _members(value):
            _flatten(inner, (*address, key), reading, depth + 1)


def _members(value: Any) -> Iterator[tuple[int | str, Any]]:
    if isinstance(value, Mapping):
        yield from ((key if isinstance(key, int | str) else repr(key), inner) for key, inner in value.items())
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    elif isinstance(value, Instance):
        yield from value.attributes.items()
        yield from enumerate(value.elements)


def shared_value(value: Any) -> Any:
    """What a pickled shared variable holds: ``container.storage[0]``; any other value is itself."""
    if not isinstance(value, Instance):
        return value
    container = value.attributes.get("container")
    storage = container.attributes.get("storage") if isinstance(container, Instance) else None
    return storage[0] if isinstance(storage, list) and len(storage) == 1 else value


def _plain(array: Any, *_: Any) -> Any:
    """What the GPU arrays of Theano unpickle: the array that was copied from the device."""
    return array


def _inert(dotted: str) -> bool:
    """Classes whose objects are only described: all but those of the standard library, which can do harm, as PyTorch's
    reader has it. A script's own network is of ``__main__``."""
    module, _, last = dotted.rpartition(".")
    return dotted.startswith(_SHARED) or (
        module.split(".")[0] not in sys.stdlib_module_names - {"__main__"} and last.lstrip("_")[:1].isupper()
    )


def _mentioned(dotted: str) -> bool:
    """Names that may stand as text, such as a function that an object keeps; nothing is made of them."""
    return dotted.split(".", maxsplit=1)[0] not in sys.stdlib_module_names - {"__main__"}


_RULES = pickle.Rules(
    builders={
        "theano.sandbox.cuda.type.CudaNdarray_unpickler": _plain,
        "theano.gpuarray.type.GpuArray_unpickler": _plain,
    },
    classes=_inert,
    mentions=_mentioned,
    calls=_inert,
)
