"""Lazy tensors: where the bytes are, and the changes of layout still to be made to them.

Nothing is read until `LazyTensor.numpy` (the whole array) or `LazyTensor.jobs` (tiles, positioned reads and writes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, reduce
from math import prod
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import DTypeLike

from irconv.data_classes import dataclass
from irconv.ir.dtypes import PAIRS, item_size, logical_name, numpy_dtype
from irconv.layout import Array, Box, Relayout
from irconv.tiles import bands, runs, tiles

_BAND = 2**22
"""Bytes of a tile that are turned and written at a time: they are still in the cache when they are written."""

_READ_WEIGHT = 4
"""How much more a run takes that is written than one that is read (measured, of runs of some KiB: 8 microseconds
against 1, and the threads wait for each other at every one)."""


class Source(Protocol):
    """Elements somewhere, in C order, little-endian or not; a container knows how to get at them."""

    @property
    def dtype(self) -> str:
        """Logical element type."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape as stored."""

    def read(self, atoms: tuple[int, ...], box: Box) -> Array:
        """A box of the array, regarded as having shape `atoms` (of the same size); little-endian, C order."""


class Sink(Protocol):
    """A destination of bytes at given positions; safe to call from several threads."""

    def write_runs(self, data: Array, offsets: Sequence[int]) -> None:
        """Cut the bytes of a C-ordered array into as many equal runs as there are offsets; write each at its own."""


@runtime_checkable
class Copied(Protocol):
    """A source whose bytes may lie in a file as they are to be written."""

    def copy_to(self, sink: Sink, offset: int, start: int, stop: int) -> bool:
        """Copy the elements from `start` to `stop` to a position of the sink; False where they have to be read."""


@dataclass(frozen=True)
class InMemory:
    """A source that is already an array."""

    array: Array

    @property
    def dtype(self) -> str:
        """Logical element type. Raises `TypeError` for one that a bundle cannot hold."""
        name = logical_name(self.array.dtype)
        if name is None:
            raise TypeError(f"irconv has no element type for numpy's {self.array.dtype}")
        return name

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.array.shape

    def read(self, atoms: tuple[int, ...], box: Box) -> Array:
        """See `Source.read`."""
        return take_box(self.array.reshape(atoms), box).astype(numpy_dtype(self.dtype), copy=False)


def take_box(array: Array, box: Box) -> Array:
    """A box of an array, which stays an array where it has no axes."""
    return np.asarray(array[tuple(slice(*r) for r in box)])


class AtOnce:
    """The base of sources that are read or computed whole, when the first of them is wanted, and kept."""

    @cached_property
    def _whole(self) -> Array:
        raise NotImplementedError

    def read(self, atoms: tuple[int, ...], box: Box) -> Array:
        """See `Source.read`."""
        return take_box(self._whole.reshape(atoms), box)


@dataclass(frozen=True)
class CutOut:
    """A source that is one of `count` equal pieces of a tensor along its first axis; pieces of length 1 lose it."""

    whole: LazyTensor
    index: int
    count: int

    @property
    def dtype(self) -> str:
        """Logical element type."""
        return self.whole.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the piece."""
        first, *rest = self.whole.shape
        return tuple(rest) if first == self.count else (first // self.count, *rest)

    def read(self, atoms: tuple[int, ...], box: Box) -> Array:
        """See `Source.read`."""
        if self.whole.changes:
            pieces = self.whole.numpy().reshape(self.count, *atoms)
            return take_box(pieces[self.index], box)
        piece = self.whole.source.read((self.count, *atoms), ((self.index, self.index + 1), *box))
        return np.asarray(piece[0])


@dataclass(frozen=True)
class Stacked:
    """A source that is several tensors of one shape along a new first axis. Reading any of it reads all of them."""

    members: tuple[LazyTensor, ...]
    shape: tuple[int, ...]
    """The shape they are given together, such as one where the new axis and the next are one."""

    @property
    def dtype(self) -> str:
        """Logical element type."""
        return self.members[0].dtype

    def read(self, atoms: tuple[int, ...], box: Box) -> Array:
        """See `Source.read`."""
        return take_box(np.stack([member.numpy() for member in self.members]).reshape(atoms), box)


@dataclass(frozen=True)
class Reinterpreted:
    """A source that is the bytes of another tensor as elements of another type, such as complex numbers as pairs."""

    whole: LazyTensor
    dtype: str
    shape: tuple[int, ...]

    def read(self, atoms: tuple[int, ...], box: Box) -> Array:
        """See `Source.read`. What is read in the order of the file is read piece by piece."""
        stored, size = item_size(self.whole.dtype), item_size(self.dtype)
        if self.whole.changes or len(atoms) != 1:
            return take_box(np.ascontiguousarray(self.whole.numpy()).reshape(-1).view(self._type).reshape(atoms), box)
        (start, stop), count = box[0], prod(self.whole.shape)
        first, last = start * size // stored, -(-stop * size // stored)
        piece = self.whole.source.read((count,), ((first, last),)).view(self._type)
        skipped = start - first * stored // size
        return np.asarray(piece[skipped : skipped + stop - start])

    @property
    def _type(self) -> np.dtype[Any]:
        return numpy_dtype(self.dtype)


def as_pairs(tensor: LazyTensor) -> LazyTensor:
    """A tensor of numbers that safetensors lacks as one of pairs, on a last axis of 2; any other as it is."""
    if tensor.dtype not in PAIRS:
        return tensor
    return LazyTensor(Reinterpreted(tensor, PAIRS[tensor.dtype], (*tensor.shape, 2)))


def from_pairs(tensor: LazyTensor, dtype: str) -> LazyTensor:
    """What `as_pairs` made of a tensor of this type; any other as it is."""
    if dtype not in PAIRS or tensor.dtype != PAIRS[dtype] or tensor.shape[-1:] != (2,):
        return tensor
    return LazyTensor(Reinterpreted(tensor, dtype, tensor.shape[:-1]))


def stacked(members: Sequence[LazyTensor], shape: tuple[int, ...] | None = None) -> LazyTensor:
    """Tensors of one shape along a new first axis, unread. Raises `ValueError` where shapes or types differ."""
    kinds = {(member.dtype, member.shape) for member in members}
    if len(kinds) != 1:
        raise ValueError(f"expected tensors of one shape and type, got {sorted(kinds)}")
    return LazyTensor(Stacked(tuple(members), shape or (len(members), *members[0].shape)))


def cut(whole: LazyTensor, count: int) -> list[LazyTensor]:
    """The equal pieces of a tensor along its first axis, unread. Raises `ValueError` where it has no such pieces."""
    if not whole.shape or whole.shape[0] % count:
        raise ValueError(f"a tensor of shape {whole.shape} cannot be cut into {count}")
    return [LazyTensor(CutOut(whole, index, count)) for index in range(count)]


@dataclass(frozen=True, slots=True)
class LazyTensor:
    """A tensor that has not been read yet.

    `changes` are applied in order to what `source` holds; consecutive ones are already composed where their axes
    allow it.
    """

    source: Source
    changes: tuple[Relayout, ...] = ()

    @staticmethod
    def of(array: Array) -> LazyTensor:
        """A tensor over an array in memory."""
        return LazyTensor(InMemory(array))

    @property
    def dtype(self) -> str:
        """Logical element type."""
        return self.source.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape after all changes."""
        return self.changes[-1].shape if self.changes else tuple(self.source.shape)

    @property
    def nbytes(self) -> int:
        """Bytes the tensor takes when written."""
        return prod(self.shape) * item_size(self.dtype)

    def relayout(self, change: Relayout) -> LazyTensor:
        """The same tensor in another layout, unread. Raises `ValueError` if the change is for another shape."""
        if change.source_shape != self.shape:
            raise ValueError(f"a change of layout for shape {change.source_shape} met a tensor of shape {self.shape}")
        if self.changes and (joined := self.changes[-1].then(change)) is not None:
            return replace(self, changes=(*self.changes[:-1], joined))
        return replace(self, changes=(*self.changes, change))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        """What ``numpy.asarray`` asks for: the whole tensor, which is made anew each time."""
        if copy is False:
            raise ValueError("a tensor that has not been read yet has no array to share")
        return self.numpy() if dtype is None else self.numpy().astype(dtype)

    def numpy(self) -> Array:
        """The whole tensor as an array; the only call that materialises it."""
        whole = self.source.read(self.source.shape, tuple((0, n) for n in self.source.shape))
        return reduce(lambda array, change: change.apply(array), self.changes, whole)

    def jobs(self, sink: Sink, offset: int, tile_bytes: int) -> Iterator[tuple[int, Callable[[], None]]]:
        """The writing of this tensor at `offset` of `sink`, cut into independent jobs: (bytes, what to call).

        Each job takes memory for a tile and a small part of one. Changes that could not be composed are made on the
        whole array.
        """
        if not (count := prod(self.shape)):
            return
        source, change = self._single_change()
        size = item_size(self.dtype)
        if change.is_identity:
            flat = (count,)
            change = Relayout(flat, flat, (None,), (0,), flat)
        dims = tuple(change.atoms[p] for p in change.permutation)
        for box in tiles(dims, change.permutation, change.picks, max(1, tile_bytes // size), _READ_WEIGHT):
            nbytes = prod(stop - start for start, stop in box) * size
            yield nbytes, _TileJob(source, change, box, dims, sink, offset)

    def _single_change(self) -> tuple[Source, Relayout]:
        if len(self.changes) == 1:
            return self.source, self.changes[0]
        if self.changes:
            whole = self.numpy()
            return InMemory(whole), _unchanged(whole.shape)
        return self.source, _unchanged(self.shape)


@dataclass(frozen=True)
class _TileJob:
    """Reads, turns and writes one tile."""

    source: Source
    change: Relayout
    box: Box
    dims: tuple[int, ...]
    sink: Sink
    offset: int

    def __call__(self) -> None:
        if self.change.is_identity and isinstance(self.source, Copied) and len(self.box) == 1:
            ((start, stop),) = self.box
            size = item_size(self.source.dtype)
            if self.source.copy_to(self.sink, self.offset + start * size, start, stop):
                return
        whole = self.change.source_box(self.box)
        piece = self.source.read(self.change.atoms, whole)
        for band in bands(self.box, _BAND // piece.itemsize):
            cut = (slice(a - b, c - b) for (a, c), (b, _) in zip(self.change.source_box(band), whole, strict=True))
            tile = self.change.place(piece[tuple(cut)], band)
            _, positions = runs(self.dims, band)
            self.sink.write_runs(tile, [self.offset + position * tile.itemsize for position in positions])


def _unchanged(shape: tuple[int, ...]) -> Relayout:
    return Relayout(shape, shape, (None,) * len(shape), tuple(range(len(shape))), shape)
