"""Two tensors side by side, piece by piece, though their bytes lie in different layouts.

The changes of layout of both are joined into one, from the storage of the first to that of the second: where both files
keep a kernel in the same order, nothing is turned at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from irconv.data_classes import dataclass
from irconv.ir.tensors import InMemory, LazyTensor, Source
from irconv.layout import Array, Box, Relayout
from irconv.tiles import tiles

TILE_BYTES = 8 * 2**20
"""Bytes of each tensor that are looked at together."""


@dataclass(frozen=True)
class Piece:
    """A part of both tensors, element for element; `box` says which elements of the second one's storage they are."""

    a: Array
    b: Array
    box: Box


@dataclass(frozen=True)
class Pairing:
    """How two tensors of one canonical shape are read side by side.

    `change` leads from the storage of `a` to that of `b`; `canonical` from the storage of `b` to the canonical layout.
    """

    a: Source
    b: Source
    change: Relayout
    canonical: Relayout

    @property
    def dims(self) -> tuple[int, ...]:
        """The axes of `b`'s storage, split as far as the changes need."""
        return tuple(self.change.atoms[p] for p in self.change.permutation)

    def pieces(self, tile_bytes: int = TILE_BYTES) -> Iterator[Piece]:
        """All elements, each once."""
        for piece in self.stored_pieces(tile_bytes):
            yield Piece(self.change.place(piece.a, piece.box), piece.b, piece.box)

    def stored_pieces(self, tile_bytes: int = TILE_BYTES) -> Iterator[Piece]:
        """All elements, each once, those of `a` in the order in which they are stored."""
        dims = self.dims
        if 0 in dims:
            return
        size = max(1, _item_size(self.a), _item_size(self.b))
        for box in tiles(dims, self.change.permutation, self.change.picks, max(1, tile_bytes // size)):
            stored = self.a.read(self.change.atoms, self.change.source_box(box))
            yield Piece(stored, self.b.read(dims, box), box)

    def index(self, box: Box, position: int) -> tuple[int, ...]:
        """The canonical index of the element at a flat position of a piece."""
        starts = [start for start, _ in box]
        within = np.unravel_index(position, [stop - start for start, stop in box])
        stored = [start + int(i) for start, i in zip(starts, within, strict=True)]
        change = self.canonical
        flat = int(np.ravel_multi_index(stored, self.dims)) if stored else 0
        atoms = np.unravel_index(flat, change.atoms) if change.atoms else ()
        moved = []
        for axis in change.permutation:
            pick = change.picks[axis]
            moved.append(int(atoms[axis]) if pick is None else pick.index(int(atoms[axis])))
        dims = [change.atoms[p] for p in change.permutation]
        canonical = int(np.ravel_multi_index(moved, dims)) if moved else 0
        return tuple(int(i) for i in np.unravel_index(canonical, change.shape)) if change.shape else ()


def paired(a: LazyTensor, b: LazyTensor) -> Pairing:
    """Two tensors of the same shape, to be read side by side.

    Changes of layout that cannot be joined are made on the whole array first. Raises `ValueError` where the shapes
    differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"tensors of shape {a.shape} and {b.shape} have no elements in common")
    found = joined(a, b)
    if found is not None:
        return found
    whole = unchanged(b.shape)
    return Pairing(InMemory(a.numpy()), InMemory(b.numpy()), whole, whole)


def joined(a: LazyTensor, b: LazyTensor) -> Pairing | None:
    """Two tensors of the same shape, to be read side by side; None where their changes of layout cannot be joined."""
    left, right = _single(a), _single(b)
    change = left[1].then(right[1].inverse())
    return Pairing(left[0], right[0], change, right[1]) if change is not None else None


def row_pairs(a: LazyTensor, b: LazyTensor, tile_bytes: int = TILE_BYTES) -> Iterator[tuple[Array, Array]]:
    """The elements of two tensors of one shape in canonical order, some rows at a time, the very first alone."""
    if not a.shape:
        yield a.numpy(), b.numpy()
        return
    step = max(1, a.shape[0] * tile_bytes // max(1, a.nbytes, b.nbytes))
    start, stop = 0, min(1, a.shape[0])
    while start < stop:
        yield rows(a, start, stop), rows(b, start, stop)
        start, stop = stop, min(stop + step, a.shape[0])


def blocks(tensor: LazyTensor, tile_bytes: int = TILE_BYTES) -> Iterator[Array]:
    """The elements of a tensor in canonical order, a flat block at a time."""
    source, change = _single(tensor)
    dims = tuple(change.atoms[p] for p in change.permutation)
    if 0 in dims:
        return
    for box in _rows(dims, max(1, tile_bytes // max(1, _item_size(source)))):
        piece = source.read(change.atoms, change.source_box(box))
        yield change.place(piece, box).reshape(-1)


def rows(tensor: LazyTensor, start: int, stop: int) -> Array:
    """The part of a tensor between two indices of its first canonical axis, which is read alone where the layout lets
    it."""
    source, change = _single(tensor)
    dims = tuple(change.atoms[p] for p in change.permutation)
    if not tensor.shape or not dims or dims[0] != tensor.shape[0]:
        return np.asarray(tensor.numpy()[start:stop])
    box = ((start, stop), *((0, n) for n in dims[1:]))
    piece = source.read(change.atoms, change.source_box(box))
    return change.place(piece, box).reshape((stop - start, *tensor.shape[1:]))


def same_storage(a: LazyTensor, b: LazyTensor) -> bool:
    """Whether both are the same bytes of the same open file, in the same layout."""
    return a.changes == b.changes and (a.source is b.source or _equal(a.source, b.source))


def unchanged(shape: tuple[int, ...]) -> Relayout:
    """The change of layout that changes nothing."""
    return Relayout(shape, shape, (None,) * len(shape), tuple(range(len(shape))), shape)


def _equal(a: Source, b: Source) -> bool:
    return type(a) is type(b) and not isinstance(a, InMemory) and a == b


def _single(tensor: LazyTensor) -> tuple[Source, Relayout]:
    """The tensor's storage and the one change from it; several that cannot be joined are made in memory."""
    if len(tensor.changes) > 1:
        whole = tensor.numpy()
        return InMemory(whole), unchanged(whole.shape)
    shape = tuple(tensor.source.shape)
    return tensor.source, tensor.changes[0] if tensor.changes else unchanged(shape)


def _rows(dims: tuple[int, ...], limit: int) -> Iterator[Box]:
    """Boxes that follow each other in C order, of at most `limit` elements where an innermost row is not longer."""
    inner = len(dims)
    while inner > 0 and prod(dims[inner - 1 :]) <= limit:
        inner -= 1
    if inner == 0:
        yield tuple((0, n) for n in dims)
        return
    axis, rest = inner - 1, tuple((0, n) for n in dims[inner:])
    step = max(1, limit // prod(dims[inner:]))
    for outer in np.ndindex(*dims[:axis]):
        for start in range(0, dims[axis], step):
            yield (*((int(i), int(i) + 1) for i in outer), (start, min(start + step, dims[axis])), *rest)


def _item_size(source: Source) -> int:
    from irconv.ir.dtypes import item_size

    return item_size(source.dtype)
