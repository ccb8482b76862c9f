"""How far two tensors are apart, in one pass over both and in bounded memory."""

from __future__ import annotations

from math import isfinite, sqrt
from typing import Any

import numpy as np

from irconv.comparison.stream import Pairing, Piece
from irconv.data_classes import dataclass
from irconv.ir.dtypes import item_size, numpy_dtype
from irconv.layout import Array, equal_turned
from irconv.tiles import Box, tiles

_TURNED_BYTES = 16 * 2**20
"""Bytes of each of two tensors in different layouts that are in memory together: the larger, the longer the runs that
are read."""
_BLOCK = 2**16
_RUN = 2**13
"""Elements that are measured together. Products of more are given to several threads by numpy's library, which wait for
each other (measured: 13 million elements took 0.07 s in such runs, 0.5 to 0.9 s in runs of millions)."""
_MARGIN = 16
_REARRANGED = 1e-6
"""How far the norms of one set of numbers may be apart when it is added up in two orders."""


@dataclass(frozen=True)
class Tolerance:
    """What still counts as close: ``|b - a| <= atol + rtol |a|`` for every element; NaN is close to NaN."""

    rtol: float = 0.0
    atol: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether only equal bits will do."""
        return self.rtol == 0.0 and self.atol == 0.0


@dataclass(frozen=True)
class Distance:
    """How far b is from a. Elements that are not finite on both sides are counted and take no part in the rest."""

    elements: int
    changed: int
    """Elements whose bits differ (values, where the types differ)."""
    beyond: int
    """Elements that the tolerance does not let pass."""
    max_abs: float
    """The largest ``|b - a|``."""
    at: tuple[int, ...]
    """The canonical index of the element that differs most; of the first that differs where no number says more."""
    values: tuple[float, float]
    """a and b there; not finite where only such elements differ."""
    relative_l2: float | None
    """``||b - a|| / ||a||``; None where a is zero and b is not."""
    cosine: float | None
    """``a.b / (||a|| ||b||)``; None where either is zero."""
    max_ulp: int | None
    """The largest number of representable numbers between the two; None where types differ or are no floats."""
    not_finite: tuple[int, int]
    """Elements that are NaN or infinite, in a and in b."""
    norms: tuple[float, float]
    """``||a||`` and ``||b||``."""
    rounded: bool
    """Where the types differ: whether the narrower holds what the wider rounds to."""

    @property
    def rearranged(self) -> bool:
        """Whether b may hold a's elements in another order."""
        a, b = self.norms
        return abs(a - b) <= _REARRANGED * max(a, b)


def equal_bits(pairing: Pairing) -> bool:
    """Whether all elements have the same bits; reads no further than the first piece that differs."""
    if pairing.a.dtype != pairing.b.dtype:
        return False
    change = pairing.change
    if change.is_identity:
        return all(bool(np.array_equal(bits(piece.a), bits(piece.b))) for piece in pairing.stored_pieces())
    if any(change.picks) or numpy_dtype(pairing.a.dtype).itemsize > 8:
        return all(bool(np.array_equal(bits(piece.a), bits(piece.b))) for piece in pairing.pieces())
    return all(_equal_turned(piece, change.permutation) for piece in pairing.stored_pieces(_TURNED_BYTES))


def _equal_turned(piece: Piece, order: tuple[int, ...]) -> bool:
    """Whether a, its axes in this order, has the bits of b.

    Both are looked at in blocks that fit the cache, those of a through a buffer whose rows are a little longer: rows of
    a power of two fall into the same lines of the cache (measured for a 64 MB tile: 0.56 s a GB, against 2.2 s for a
    transposed copy and 1.5 s without the buffer's margin).
    """
    unsigned = f"<u{piece.a.dtype.itemsize}"
    a, b = piece.a.view(unsigned), piece.b.view(unsigned)
    none = (None,) * len(order)
    for box in tiles(b.shape, order, none, _BLOCK):
        lengths = [stop - start for start, stop in box]
        stored = [lengths[order.index(axis)] for axis in range(len(order))]
        cut: list[slice] = [slice(*box[order.index(axis)]) for axis in range(len(order))]
        margin = np.empty((*stored[:-1], stored[-1] + _MARGIN), unsigned)
        block = margin[..., : stored[-1]]
        block[...] = a[tuple(cut)]
        if not equal_turned(block, order, b[tuple(slice(*axis) for axis in box)]):
            return False
    return True


def bits(array: Array) -> Array:
    """The elements of an array as unsigned integers, flat; of wide elements as pairs of them."""
    flat = np.ascontiguousarray(array).reshape(-1)
    size = flat.dtype.itemsize
    if size in (1, 2, 4) and (flat.size * size) % 8 == 0:
        return flat.view(np.uint64)
    return flat.view(np.uint64 if size % 8 == 0 else f"<u{size}")


def measured(pairing: Pairing, tolerance: Tolerance) -> Distance:
    """The distance of two tensors of one shape."""
    sums = _Sums(pairing, tolerance)
    for piece in pairing.pieces():
        sums.add(piece)
    return sums.distance()


class _Sums:
    """What is added up over the pieces."""

    def __init__(self, pairing: Pairing, tolerance: Tolerance) -> None:
        self.pairing, self.tolerance = pairing, tolerance
        self.types = numpy_dtype(pairing.a.dtype), numpy_dtype(pairing.b.dtype)
        self.elements = self.changed = self.beyond = 0
        self.squares = np.zeros(4)
        self.max_abs, self.max_ulp = 0.0, 0
        self.worst: tuple[float, float, tuple[int, ...]] | None = None
        self.not_finite = [0, 0]
        self.rounded = True
        same_floats = self.types[0] == self.types[1] and is_float(self.types[0])
        self.ulps = same_floats and pairing.a.dtype != "float8_e8m0fnu"

    def add(self, piece: Piece) -> None:
        """A piece, in blocks that fit the cache: every step below reads what the one before has written."""
        a, b = piece.a.reshape(-1), piece.b.reshape(-1)
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, a.size, _RUN):
                self._add(piece.box, start, a[start : start + _RUN], b[start : start + _RUN])

    def _add(self, box: Box, start: int, a: Array, b: Array) -> None:
        wide_a, wide_b = widened(a), widened(b)
        differ = elementwise(a) != elementwise(b) if a.dtype == b.dtype else ~_same(wide_a, wide_b)
        self.elements += a.size
        count = int(np.count_nonzero(differ))
        finite = None if bool(np.isfinite(wide_b - wide_a).all()) else np.isfinite(wide_a) & np.isfinite(wide_b)
        if finite is not None:
            self.not_finite[0] += int(np.count_nonzero(~np.isfinite(wide_a)))
            self.not_finite[1] += int(np.count_nonzero(~np.isfinite(wide_b)))
        if a.dtype != b.dtype and self.rounded:
            self.rounded = _rounds(a, b)
        kept_a, kept_b = (wide_a, wide_b) if finite is None else (wide_a[finite], wide_b[finite])
        products = np.vdot(kept_a, kept_a), np.vdot(kept_b, kept_b), np.vdot(kept_a, kept_b)
        self.squares[:3] += [product.real for product in products]
        if not count:
            return
        self.changed += count
        place = self._changed(wide_a, wide_b, differ, finite)
        if place is not None:
            self.worst = (_plain(wide_a[place]), _plain(wide_b[place]), self.pairing.index(box, start + place))
        if self.ulps:
            left, right = (a, b) if finite is None else (a[finite], b[finite])
            self.max_ulp = max(self.max_ulp, largest_ulp(left, right))

    def _changed(self, a: Array, b: Array, differ: Array, finite: Array | None) -> int | None:
        """Where the elements are that are further apart than all before, if any; `finite` is None where all are."""
        gap = np.abs(b - a)
        if finite is not None:
            gap = np.where(finite, gap, 0.0)
        self.squares[3] += float(np.vdot(gap, gap))
        if self.tolerance.exact:
            self.beyond += int(np.count_nonzero(differ))
        else:
            passed = gap <= self.tolerance.atol + self.tolerance.rtol * np.abs(a)
            if finite is not None:
                passed = np.where(finite, passed, _same(a, b))
            self.beyond += int(np.count_nonzero(differ & ~passed))
        place = int(np.argmax(gap))
        if gap[place] == 0:
            place = int(np.argmax(differ))
        if self.worst is not None and not gap[place] > self.max_abs:
            return None
        self.max_abs = float(gap[place])
        return place

    def distance(self) -> Distance:
        a, b, product, gap = (float(s) for s in self.squares)
        apart = sqrt(gap) / sqrt(a) if a > 0 else (0.0 if gap == 0 else None)
        cosine = product / sqrt(a) / sqrt(b) if a > 0 and b > 0 else None
        if cosine is not None and isfinite(cosine):
            cosine = max(-1.0, min(1.0, cosine))
        worst = self.worst or (0.0, 0.0, ())
        return Distance(
            elements=self.elements,
            changed=self.changed,
            beyond=self.beyond,
            max_abs=self.max_abs,
            at=worst[2],
            values=worst[:2],
            relative_l2=apart if apart is None or isfinite(apart) else None,
            cosine=cosine if cosine is None or isfinite(cosine) else None,
            max_ulp=self.max_ulp if self.ulps else None,
            not_finite=(self.not_finite[0], self.not_finite[1]),
            norms=(sqrt(a), sqrt(b)),
            rounded=self.rounded and self.types[0] != self.types[1],
        )


def largest_ulp(a: Array, b: Array) -> int:
    """The largest distance of two arrays of finite floats of one type, counted in representable numbers.

    The bits of a float, its sign apart, are ordered as the numbers are; zero and minus zero are 0 apart. All is done in
    unsigned numbers of the floats' own width, in which the sum of two without their signs has room.
    """
    if not a.size:
        return 0
    width = a.dtype.itemsize * 8
    kind = np.dtype(f"<u{width // 8}")
    sign = kind.type(1 << (width - 1))
    left, right = (np.ascontiguousarray(side).view(kind) for side in (a, b))
    apart = (left ^ right) & sign != 0
    left, right = left & ~sign, right & ~sign
    gap = np.maximum(left, right) - np.minimum(left, right)
    if apart.any():
        gap = np.where(apart, left + right, gap)
    return int(gap.max())


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether a type is a real floating type, those of ml_dtypes included."""
    return dtype.kind == "f" or (dtype.kind == "V" and item_size(dtype.name) <= 2)


def widened(array: Array) -> Array:
    """The elements as float64, or complex128."""
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def elementwise(array: Array) -> Array:
    """One unsigned integer for each element, or for each half of a pair."""
    flat = np.ascontiguousarray(array).reshape(-1)
    if flat.dtype.itemsize <= 8 and flat.dtype.kind != "c":
        return flat.view(f"<u{flat.dtype.itemsize}")
    return flat.view(np.dtype((np.void, flat.dtype.itemsize)))


def _same(a: Array, b: Array) -> Array:
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)))


def _rounds(a: Array, b: Array) -> bool:
    """Whether one side is the other in its own type."""
    with np.errstate(all="ignore"):
        narrow, wide = (a, b) if a.dtype.itemsize <= b.dtype.itemsize else (b, a)
        return bool(_same(widened(wide.astype(narrow.dtype)), widened(narrow)).all())


def _plain(value: Any) -> float:
    return float(abs(value) if np.iscomplexobj(value) else value)
