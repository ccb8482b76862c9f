"""Slices of variables: how checkpoints name them in their tables, and a variable put together of them.

A slice says for each axis where it starts and how long it is; None is the whole axis. Names of slices are made so that
they sort well (google/orderedcode): TensorFlow's ``EncodeTensorNameSlice``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from math import prod
from typing import Any, TypeAlias

import numpy as np

from irconv.data_classes import dataclass
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.tensors import LazyTensor, take_box
from irconv.layout import Array, Box
from irconv.tiles import runs

Slice: TypeAlias = tuple[tuple[int, int] | None, ...]
"""Start and length on each axis; None for all of it."""


_ESCAPED = {0: b"\0\xff", 0xFF: b"\xff\0"}


def slice_of(message: Any) -> Slice:
    """The slice in a ``TensorSliceProto``, which has no length where it means the whole axis."""
    return tuple((e.start, e.length) if e.HasField("length") else None for e in message.extent)


def boxed(part: Slice, shape: Sequence[int]) -> Box:
    """The slice as start and stop on each axis. Raises `ValueError` where it is no part of the shape."""
    if len(part) != len(shape):
        raise ValueError(f"a slice of {len(part)} axes for a variable of {len(shape)}")
    box = tuple((0, n) if span is None else (span[0], span[0] + span[1]) for span, n in zip(part, shape, strict=True))
    if any(not 0 <= start <= stop <= n for (start, stop), n in zip(box, shape, strict=True)):
        raise ValueError(f"a slice {box} of a variable of shape {tuple(shape)}")
    return box


def slice_key(name: bytes, part: Slice) -> bytes:
    """The key under which a slice stands in a table."""
    spans = [(0, -1) if span is None else span for span in part]
    numbers = b"".join(_signed(n) for span in spans for n in span)
    escaped = b"".join(_ESCAPED.get(byte, bytes([byte])) for byte in name)
    return _unsigned(0) + escaped + b"\0\x01" + _unsigned(len(part)) + numbers


def _unsigned(number: int) -> bytes:
    size = (number.bit_length() + 7) // 8
    return bytes([size]) + number.to_bytes(size, "big")


def _signed(number: int) -> bytes:
    """In two's complement, high bytes first; as many of the leading bits as there are bytes are turned."""
    size = (number if number >= 0 else ~number).bit_length() // 7 + 1
    turned = ((1 << size) - 1) << 7 * size
    return (number & (1 << 8 * size) - 1 ^ turned).to_bytes(size, "big")


@dataclass(frozen=True)
class Joined:
    """A source that is the slices of a variable. Where they divide the first axis that is longer than 1, each is read
    in place; else reading any of it reads all of them."""

    dtype: str
    shape: tuple[int, ...]
    parts: tuple[tuple[Box, LazyTensor], ...]

    def read(self, atoms: tuple[int, ...], box: Box) -> Array:
        """See `irconv.ir.tensors.Source.read`."""
        if (starts := self._starts) is None:
            whole = np.zeros(self.shape, numpy_dtype(self.dtype))
            for place, part in self.parts:
                whole[tuple(slice(*span) for span in place)] = part.numpy()
            return take_box(whole.reshape(atoms), box)
        length, positions = runs(atoms, box)
        found = np.empty((len(positions), length), numpy_dtype(self.dtype))
        for row, position in zip(found, positions, strict=True):
            self._fill(row, position, starts)
        return found.reshape([stop - start for start, stop in box])

    @cached_property
    def _starts(self) -> list[int] | None:
        """The first element of each slice, if each is a run of elements."""
        if any(part.changes or len(runs(self.shape, place)[1]) != 1 for place, part in self.parts):
            return None
        return [0, *accumulate(prod(part.shape) for _, part in self.parts)][:-1]

    def _fill(self, row: Array, position: int, starts: list[int]) -> None:
        done = 0
        at = bisect_right(starts, position) - 1
        while done < len(row):
            part, first = self.parts[at][1], position + done - starts[at]
            size = prod(part.shape)
            count = min(size - first, len(row) - done)
            if count > 0:
                row[done : done + count] = part.source.read((size,), ((first, first + count),))
            done, at = done + max(count, 0), at + 1


def joined(dtype: str, shape: tuple[int, ...], parts: Sequence[tuple[Slice, LazyTensor]]) -> LazyTensor:
    """A variable of its slices, in any order. Raises `ValueError` where they do not cover it, each element once.

    TensorFlow divides along one axis alone.
    """
    placed = [(boxed(part, shape), data) for part, data in parts]
    divided = {axis for place, _ in placed for axis, span in enumerate(place) if span != (0, shape[axis])}
    if len(divided) > 1:
        raise ValueError(f"slices along the axes {sorted(divided)}, where TensorFlow divides along one")
    axis = divided.pop() if divided else 0
    if shape:
        placed.sort(key=lambda item: item[0][axis])
    end = 0
    for place, data in placed:
        if data.dtype != dtype or data.shape != tuple(stop - start for start, stop in place):
            raise ValueError(f"a slice {place} of {dtype}, which holds {data.dtype} numbers of shape {data.shape}")
        start, stop = place[axis] if shape else (end, end + 1)
        if start != end:
            raise ValueError(f"a slice that starts at {start} of axis {axis}, where the one before ends at {end}")
        end = stop
    if end != (shape[axis] if shape else 1):
        raise ValueError(f"slices that end at {end} of axis {axis} of {shape}")
    return LazyTensor(Joined(dtype, shape, tuple(placed)))


@dataclass(frozen=True)
class Part:
    """A source that is a box of a tensor; what is a run of its elements is read in place."""

    whole: LazyTensor
    place: Box

    @property
    def dtype(self) -> str:
        """Logical element type."""
        return self.whole.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the part."""
        return tuple(stop - start for start, stop in self.place)

    def read(self, atoms: tuple[int, ...], box: Box) -> Array:
        """See `irconv.ir.tensors.Source.read`."""
        length, starts = runs(self.whole.shape, self.place)
        if self.whole.changes or len(starts) != 1:
            part = self.whole.numpy()[tuple(slice(*span) for span in self.place)]
            return take_box(part.reshape(atoms), box)
        start, stop = box[0] if len(atoms) == 1 else (0, length)
        found = self.whole.source.read((prod(self.whole.shape),), ((starts[0] + start, starts[0] + stop),))
        return found if len(atoms) == 1 else take_box(found.reshape(atoms), box)


def part_of(whole: LazyTensor, part: Slice, shape: Sequence[int]) -> LazyTensor:
    """A slice of a variable of this shape. Raises `ValueError` where the variable has another."""
    if tuple(shape) != whole.shape:
        raise ValueError(f"a slice of a variable of shape {tuple(shape)}, which has {whole.shape}")
    return LazyTensor(Part(whole, boxed(part, shape)))


def whole_of(parts: Sequence[LazyTensor], axis: int) -> LazyTensor | None:
    """The tensor of which these are all slices along an axis, in order; None where they are not."""
    sources = [part.source for part in parts if isinstance(part.source, Part) and not part.changes]
    if len(sources) != len(parts) or len({id(source.whole) for source in sources}) != 1:
        return None
    whole = sources[0].whole
    if not 0 <= axis < len(whole.shape):
        return None
    end = 0
    for source in sources:
        others = [span == (0, size) for span, size in zip(source.place, whole.shape, strict=True)]
        if source.place[axis][0] != end or not all(others[:axis] + others[axis + 1 :]):
            return None
        end = source.place[axis][1]
    return whole if end == whole.shape[axis] else None
