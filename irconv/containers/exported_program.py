"""Archives of ``torch.export.save`` (``.pt2``) as plain data: the graph's JSON, and lazy tensors.

The pickled sample inputs of an archive are never opened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from irconv.containers.files import FileBytes
from irconv.containers.zip import Archive
from irconv.data_classes import dataclass
from irconv.errors import MALFORMED, DamagedFile, Refused
from irconv.ir.dtypes import item_size, numpy_dtype
from irconv.ir.tensors import LazyTensor

_MOST_JSON = 1 << 28
#: The numbers that a program has for element types.
ELEMENT_TYPES: Mapping[int, str] = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    10: "complex64",
    11: "complex128",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
    29: "float8_e4m3fn",
    30: "float8_e5m2",
    31: "float8_e4m3fnuz",
    32: "float8_e5m2fnuz",
}


@dataclass(frozen=True)
class Program:
    """A program: its module as JSON has it, and its tensors by their names there."""

    module: Mapping[str, Any]
    version: str
    """Of PyTorch."""
    weights: Mapping[str, LazyTensor]
    trainable: frozenset[str]
    constants: Mapping[str, LazyTensor]


def read(path: Path) -> Program:
    """The program of an archive. Raises `DamagedFile`, and `Refused` for archives of several models or of old ones."""
    archive = Archive(path)
    models = [name for name in archive.members if "/models/" in f"/{name}" and name.endswith(".json")]
    if len(models) != 1:
        what = f"expected one model in the archive, got {len(models)}"
        raise Refused(str(path), what, "Save it with a PyTorch of version 2.8 or later.")
    (model,) = models
    root = model[: f"/{model}".index("/models/")]
    try:
        module = json.loads(archive.text(model, _MOST_JSON))
        weights, trainable = _tensors(archive, root, "weights", path)
        constants, _ = _tensors(archive, root, "constants", path)
        return Program(module, str(module.get("torch_version", "")), weights, trainable, constants)
    except MALFORMED as error:
        raise DamagedFile(str(path), f"expected an exported program, but {error!r}") from error


def _tensors(archive: Archive, root: str, kind: str, path: Path) -> tuple[dict[str, LazyTensor], frozenset[str]]:
    folder = f"{root}data/{kind}/"
    listing = next(
        (name for name in archive.members if name.startswith(folder) and name.endswith(f"{kind}_config.json")), None
    )
    if listing is None:
        return {}, frozenset()
    config = json.loads(archive.text(listing, _MOST_JSON))["config"]
    found: dict[str, LazyTensor] = {}
    seen: dict[str, LazyTensor] = {}  # what is tied is one tensor
    for name, entry in config.items():
        where = f"{path}: {kind[:-1]} {name}"
        if entry.get("use_pickle"):
            raise Refused(where, "is kept as a pickle, which irconv does not read")
        told = json.dumps([entry["path_name"], entry["tensor_meta"]])
        if told not in seen:
            seen[told] = _tensor(archive, folder + entry["path_name"], entry["tensor_meta"], where)
        found[name] = seen[told]
    trained = (name for name, entry in config.items() if entry.get("is_param") and _changes(entry["tensor_meta"]))
    return found, frozenset(trained)


def _changes(meta: Mapping[str, Any]) -> bool:
    return meta.get("requires_grad") is not False


def _tensor(archive: Archive, member: str, meta: Mapping[str, Any], where: str) -> LazyTensor:
    dtype = ELEMENT_TYPES.get(meta["dtype"])
    if dtype is None:
        raise Refused(where, f"has elements of type number {meta['dtype']}, which irconv does not read")
    if member not in archive.members:
        raise DamagedFile(where, f"expected the member {member}, which is not there")
    shape, strides = (tuple(int(size["as_int"]) for size in meta[key]) for key in ("sizes", "strides"))
    offset, size = int(meta["storage_offset"]["as_int"]), item_size(dtype)
    file = archive.open(member)
    contiguous = all(n == 1 or s == prod(shape[i + 1 :]) for i, (n, s) in enumerate(zip(shape, strides, strict=True)))
    if contiguous:
        return LazyTensor(FileBytes(file, offset * size, dtype, shape))
    count = file.size // size
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if min((*strides, offset), default=0) < 0 or last >= count or prod(shape) > 4 * count:
        raise DamagedFile(where, f"expected a view within {count} elements, got shape {shape}, strides {strides}")
    whole = LazyTensor(FileBytes(file, 0, dtype, (count,))).numpy()
    steps = tuple(stride * size for stride in strides)
    view = np.lib.stride_tricks.as_strided(whole[offset:], shape, steps, writeable=False)
    return LazyTensor.of(np.ascontiguousarray(view).astype(numpy_dtype(dtype), copy=False))
