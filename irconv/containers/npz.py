"""numpy's ``.npy`` and ``.npz`` files as lazy tensors; arrays of objects as plain data, their pickle never executed."""

from __future__ import annotations

import ast
from dataclasses import field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from irconv.containers.files import FileBytes, SourceFile
from irconv.containers.pickle import Rules, Stream, unpickle
from irconv.containers.zip import SIGNATURE as ZIP_SIGNATURE
from irconv.containers.zip import archive as archive_of
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile, Refused
from irconv.ir.dtypes import item_size, logical_name
from irconv.ir.tensors import LazyTensor
from irconv.layout import relayout

SIGNATURE = b"\x93NUMPY"
_LONGEST_HEADER = 1 << 16
_MAX_PICKLE = 1 << 30
_AXES = "a b c d e f g h i j k l m o p q r s t u v w x y z aa bb cc dd ee ff gg".split()  # noqa: SIM905


@dataclass(frozen=True)
class Arrays:
    """The arrays of a file by name, in the file's order; that of a ``.npy`` has the empty name."""

    tensors: dict[str, LazyTensor] = field(default_factory=dict)
    objects: dict[str, Any] = field(default_factory=dict)
    """Arrays of Python objects (lists of arrays, dicts, text), as `irconv.containers.pickle` gives them."""


@dataclass(frozen=True)
class _Header:
    dtype: np.dtype[Any]
    fortran: bool
    shape: tuple[int, ...]
    end: int
    """Where the data begins."""


def recognises(path: Path) -> bool:
    """Whether this is a ``.npy`` file, or a zip of nothing but those."""
    with path.open("rb") as file:
        start = file.read(6)
    if start == SIGNATURE:
        return True
    if start[:4] != ZIP_SIGNATURE:
        return False
    try:
        archive = archive_of(path)
        return bool(archive.members) and all(
            name.endswith(".npy") and archive.head(name, 6) == SIGNATURE for name in archive.members
        )
    except (DamagedFile, Refused):
        return False


def read(path: Path, rules: Rules | None = None) -> Arrays:
    """All arrays of a ``.npy`` or ``.npz`` file. Raises `DamagedFile` and `Refused`.

    `rules` say what arrays of objects may hold besides plain data.
    """
    found = Arrays()
    with path.open("rb") as file:
        start = file.read(6)
    if start == SIGNATURE:
        whole = SourceFile(path)
        head = bytearray(min(whole.size, _LONGEST_HEADER))
        whole.read_into(memoryview(head), 0)
        _add(found, "", whole, bytes(head), str(path), rules)
        return found
    archive = archive_of(path)
    for name in archive.members:
        if not name.endswith(".npy"):
            raise Refused(f"{path}: {name}", "expected nothing but .npy files in the archive")
        head = bytearray(archive.head(name, _LONGEST_HEADER))
        _add(found, name.removesuffix(".npy"), archive.open(name), bytes(head), f"{path}: {name}", rules)
    return found


def _add(found: Arrays, name: str, file: SourceFile, head: bytes, where: str, rules: Rules | None) -> None:
    header = _header(head, where)
    if header.dtype.kind == "O":
        if file.size > _MAX_PICKLE:
            raise Refused(where, f"an array of Python objects of {file.size} bytes is more than irconv reads")
        found.objects[name] = unpickle(Stream(file, header.end), where, rules)
        return
    dtype = logical_name(header.dtype)
    if dtype is None:
        raise Refused(where, f"holds {header.dtype}, which is no tensor irconv knows")
    nbytes = prod(header.shape) * item_size(dtype)
    if header.end + nbytes != file.size:
        raise DamagedFile(where, f"expected {nbytes} bytes of data, got {file.size - header.end}")
    big = header.dtype.byteorder == ">"
    if not header.fortran:
        found.tensors[name] = LazyTensor(FileBytes(file, header.end, dtype, header.shape, big))
        return
    words, reversed_shape = _AXES[: len(header.shape)], header.shape[::-1]
    change = relayout(" ".join(words[::-1]), " ".join(words), reversed_shape)
    found.tensors[name] = LazyTensor(FileBytes(file, header.end, dtype, reversed_shape, big)).relayout(change)


def _header(head: bytes, where: str) -> _Header:
    """What stands before the data: a Python dict written out, which is parsed as literals only."""
    wide = 4 if head[6:7] in (b"\x02", b"\x03") else 2
    length = int.from_bytes(head[8 : 8 + wide], "little")
    text = head[8 + wide : 8 + wide + length]
    if head[:6] != SIGNATURE or len(text) != length or len(head) < 8 + wide:
        raise DamagedFile(where, f"expected a .npy header of less than {_LONGEST_HEADER} bytes")
    try:
        said = ast.literal_eval(text.decode("latin1").strip())
        descr, fortran, shape = said["descr"], said["fortran_order"], said["shape"]
        if not isinstance(descr, str) or len(descr) > 20:
            raise Refused(where, "expected numbers, got an array of records")
        dtype = np.dtype(descr)
        if not all(type(n) is int and n >= 0 for n in shape) or len(shape) > len(_AXES):
            raise ValueError(f"shape {shape}")
    except (SyntaxError, ValueError, TypeError, KeyError, RecursionError, MemoryError) as error:
        raise DamagedFile(where, f"expected a .npy header, got {str(error)[:200]}") from error
    return _Header(dtype, bool(fortran), tuple(shape), 8 + wide + length)
