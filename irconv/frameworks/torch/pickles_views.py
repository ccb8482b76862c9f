"""Storages of PyTorch files, and tensors that are strided views of them, as lazy tensors."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from irconv.containers.files import FileBytes, SourceFile
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile, Refused
from irconv.ir.dtypes import ELEMENT_TYPES, item_size, numpy_dtype
from irconv.ir.tensors import AtOnce, LazyTensor
from irconv.layout import Array, relayout

_SMALL_VIEW = 64 * 2**20
"""Bytes up to which a view may show its storage's elements several times over."""
_MAX_RANK = 64
_AXES = [f"{first}{second}" for first in "abcdefgh" for second in "abcdefgh"]


@dataclass(slots=True)
class Storage:
    """A run of bytes that tensors share. It is found in the file when the pickle has been read, or before."""

    nbytes: int
    file: SourceFile | None = None
    offset: int = 0
    big_endian: bool = False
    dtype: str = "uint8"
    root: Storage | None = None
    """The storage that this one is part of, from `offset` on."""

    def part(self, start: int, nbytes: int, dtype: str = "") -> Storage:
        """A storage within this one. Raises `ValueError` where it reaches outside."""
        if start < 0 or nbytes < 0 or start + nbytes > self.nbytes:
            raise ValueError(f"a storage of {nbytes} bytes at {start} in one of {self.nbytes}")
        return Storage(nbytes, None, start, self.big_endian, dtype or self.dtype, self)

    def place(self) -> tuple[Storage, int]:
        """The storage that is in the file, and where this one begins in it."""
        if self.root is None:
            return self, 0
        root, start = self.root.place()
        return root, start + self.offset


@dataclass(frozen=True, slots=True)
class View:
    """A strided view: sizes and strides in elements, `offset` in elements from the storage's start."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    negated: bool = False
    conjugated: bool = False

    def __post_init__(self) -> None:
        if not all(isinstance(size, int) for size in (self.offset, *self.shape, *self.strides)):
            raise ValueError("expected whole numbers for the sizes and strides of a tensor")

    def identity(self) -> tuple[Any, ...]:
        """Equal for two views of the same elements of the same storage."""
        root, start = self.storage.place()
        strides = self.strides
        if 1 in self.shape:
            strides = tuple(stride for size, stride in zip(self.shape, strides, strict=True) if size > 1)
        begin = start + self.offset * item_size(self.dtype)
        return id(root), begin, self.dtype, self.shape, strides, self.negated, self.conjugated

    def tensor(self, where: str) -> LazyTensor:
        """The view as a lazy tensor: in place where its elements lie in some order without gaps, else copied.

        Raises `DamagedFile` where it reaches outside its storage, and `Refused` for an element type that a bundle
        does not hold and for a view that shows few elements very often.
        """
        if self.dtype not in ELEMENT_TYPES:
            raise Refused(where, f"holds {self.dtype} numbers, which irconv does not keep", "Save it as another type.")
        self.check(where)
        root, start = self.storage.place()
        if root.file is None:
            raise DamagedFile(where, "its storage is not in the file")
        base = root.offset + start + self.offset * item_size(self.dtype)
        order = self._order()
        if order is None or self.negated or self.conjugated:
            return LazyTensor(_Strided(root.file, base, root.big_endian, self))
        shape = tuple(self.shape[axis] for axis in order)
        found = LazyTensor(FileBytes(root.file, base, self.dtype, shape, root.big_endian))
        if order == tuple(range(len(order))):
            return found
        words = _AXES[: len(order)]
        return found.relayout(relayout(" ".join(words[axis] for axis in order), " ".join(words), shape))

    def check(self, where: str) -> None:
        """Raise `DamagedFile` where it goes beyond its storage, `Refused` where it claims far more than that has."""
        numbers = (self.offset, *self.shape, *self.strides)
        if len(self.shape) != len(self.strides) or len(self.shape) > _MAX_RANK:
            raise DamagedFile(where, f"has {len(self.shape)} sizes and {len(self.strides)} strides")
        if {*map(type, numbers)} != {int} or min(numbers) < 0:
            raise DamagedFile(where, f"expected sizes, strides and an offset of whole numbers, got {str(numbers)[:80]}")
        size = item_size(self.dtype)
        stored, shown = self.storage.nbytes, prod(self.shape) * size
        if (self.offset + self.span()) * size > stored:
            what = f"reaches to byte {(self.offset + self.span()) * size} of a storage of {stored} bytes"
            raise DamagedFile(where, what, "The file is damaged.")
        if shown > max(stored, _SMALL_VIEW):
            what = f"is a view of {stored} bytes that claims {shown}, showing the same elements again and again"
            raise Refused(where, what, "Save a copy of the elements that matter.")

    @property
    def is_contiguous(self) -> bool:
        """Whether its elements lie side by side in their own order."""
        return self._order() == tuple(range(len(self.shape)))

    def span(self) -> int:
        """Elements from the first to the last, both included."""
        if 0 in self.shape:
            return 0
        return 1 + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))

    def _order(self) -> tuple[int, ...] | None:
        """The axes from the longest stride to the shortest, if the elements lie in this order without gaps."""
        if 0 in self.shape:
            return tuple(range(len(self.shape)))
        long = [axis for axis in range(len(self.shape)) if self.shape[axis] > 1]
        long.sort(key=lambda axis: -self.strides[axis])
        expected = 1
        for axis in reversed(long):
            if self.strides[axis] != expected:
                return None
            expected *= self.shape[axis]
        if long == sorted(long):
            return tuple(range(len(self.shape)))
        return (*long, *(axis for axis in range(len(self.shape)) if self.shape[axis] <= 1))


@dataclass(frozen=True)
class _Strided(AtOnce):
    """A view whose elements do not lie side by side, or are negated: the bytes it spans are read whole."""

    file: SourceFile
    offset: int
    big_endian: bool
    view: View

    @property
    def dtype(self) -> str:
        """See `irconv.ir.tensors.Source`."""
        return self.view.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """See `irconv.ir.tensors.Source`."""
        return self.view.shape

    @cached_property
    def _whole(self) -> Array:
        dtype, size = numpy_dtype(self.dtype), item_size(self.dtype)
        raw = bytearray(self.view.span() * size)
        self.file.read_into(memoryview(raw), self.offset)
        flat = np.frombuffer(raw, dtype.newbyteorder(">") if self.big_endian else dtype)
        strides = [stride * size for stride in self.view.strides]
        whole = np.lib.stride_tricks.as_strided(flat, self.view.shape, strides).astype(dtype)
        whole = whole.conj() if self.view.conjugated else whole
        return np.ascontiguousarray(-whole if self.view.negated else whole)
