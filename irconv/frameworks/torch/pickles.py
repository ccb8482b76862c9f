"""What PyTorch's pickles hold, as plain data: storages by their keys, and the rules for everything else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any

from irconv.containers.pickle import Global, Rules
from irconv.data_classes import dataclass
from irconv.frameworks.torch.pickles_names import any_name, is_call, is_class
from irconv.frameworks.torch.pickles_tensors import BUILDERS
from irconv.frameworks.torch.pickles_views import Storage
from irconv.ir.dtypes import ELEMENT_TYPES, item_size

#: The classes of typed storages, up to PyTorch 2.0, and the element type of each.
_STORAGES = {
    "Double": "float64",
    "Float": "float32",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Bool": "bool",
    "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
    "QInt8": "qint8",
    "QUInt8": "quint8",
    "QInt32": "qint32",
    "QUInt4x2": "quint4x2",
    "QUInt2x4": "quint2x4",
    "Untyped": "uint8",
}
ITEM_SIZES = {"complex32": 4, "qint8": 1, "quint8": 1, "qint32": 4, "quint4x2": 1, "quint2x4": 1}
"""Of element types that a bundle does not hold; those it holds are in `irconv.ir.dtypes`."""


@dataclass
class Storages:
    """The storages that a pickle refers to, each once, and the sources of the modules in it."""

    where: str
    find: Callable[[str, int], Storage] | None = None
    """Key and size in bytes -> storage, where it can be found at once (a zip)."""
    known: dict[str, Storage] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    """Dotted name of a class -> the source text that was saved with it (PyTorch up to 1.x)."""

    def rules(self) -> Rules:
        """What the pickles of PyTorch may hold."""
        return Rules(BUILDERS, is_class, any_name, is_call, self._persistent)

    def _persistent(self, identity: Any) -> Any:
        if not isinstance(identity, tuple) or len(identity) < 4:
            raise ValueError(f"expected a storage or a module, got {str(identity)[:80]}")
        if identity[0] == "module":
            _, cls, _, source = identity[:4]
            self.sources[cls.dotted] = source if isinstance(source, str) else ""
            return cls
        if identity[0] != "storage" or len(identity) not in (5, 6):
            raise ValueError(f"expected a storage or a module, got {str(identity)[:80]}")
        _, kind, key, _, count = identity[:5]
        dtype = _storage_dtype(kind)
        storage = self._storage(str(key), dtype, count)
        if len(identity) == 6 and identity[5] is not None:
            _, offset, size = identity[5]
            return storage.part(offset * item_bytes(dtype), size * item_bytes(dtype))
        return storage

    def _storage(self, key: str, dtype: str, count: int) -> Storage:
        nbytes = count * item_bytes(dtype)
        if type(count) is not int or count < 0:
            raise ValueError(f"expected the size of a storage, got {str(count)[:40]}")
        if key not in self.known:
            self.known[key] = self.find(key, nbytes) if self.find else Storage(nbytes)
            self.known[key].dtype = dtype
        elif self.known[key].nbytes != nbytes:
            raise ValueError(f"storage {key} has {self.known[key].nbytes} bytes at one place, {nbytes} at another")
        return replace_dtype(self.known[key], dtype)


def replace_dtype(storage: Storage, dtype: str) -> Storage:
    """The same bytes regarded as elements of another type."""
    return storage if storage.dtype == dtype else storage.part(0, storage.nbytes, dtype)


def item_bytes(dtype: str) -> int:
    """Bytes an element takes. Raises `ValueError` for a type nobody knows."""
    if dtype in ITEM_SIZES:
        return ITEM_SIZES[dtype]
    if dtype in ELEMENT_TYPES:
        return item_size(dtype)
    raise ValueError(f"element type {dtype} is not known")


def _storage_dtype(kind: Any) -> str:
    name = kind.name.removesuffix("Storage") if isinstance(kind, Global) else ""
    if name not in _STORAGES or not kind.module.startswith("torch"):
        raise ValueError(f"expected the class of a storage, got {str(kind)[:80]}")
    return _STORAGES[name]
