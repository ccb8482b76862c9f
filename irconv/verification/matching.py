"""Which value of one side has the numbers of which value of the other."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from irconv.layout import Array, turned
from irconv.verification.compare import Difference, difference
from irconv.verification.slots import Slot, orders
from irconv.verification.trace import Value

_NEAR = 1e-3
"""Two values whose mean squares are further apart than this, relative, are not the same."""
_MOVED = frozenset({"Flatten", "Reshape"})
"""Layers that a framework with other axes gives in another order, without any effect on what follows."""
_EVIDENCE = 4
"""Values with fewer elements, or all of them equal, are no evidence of anything."""


class Known:
    """The values of one side, found by their numbers."""

    def __init__(self, allowed: float) -> None:
        self._allowed = allowed
        self.arrays: dict[int, Array] = {}
        self.partners: dict[int, str] = {}
        """The value of the other side that has the numbers of each."""
        self.differences: dict[int, Difference] = {}
        self._types: dict[int, str] = {}
        self._places: dict[str, int] = {}
        self._by_size: dict[int, list[tuple[float, int]]] = {}

    def add(self, place: int, value: Value, array: Array) -> None:
        """A value, unless it is no evidence."""
        if array.size < _EVIDENCE or array.min() == array.max() or array.dtype.kind not in "fiub":
            return
        self.arrays[place], self._types[place], self._places[value.name] = array, value.type, place
        same = self._by_size.setdefault(array.size, [])
        same.insert(bisect_left(same, (_square(array), place)), (_square(array), place))

    def named(self, name: str) -> int | None:
        """The value of this name."""
        return self._places.get(name)

    def match(self, array: Array, name: str) -> dict[int, Difference]:
        """The values that have these numbers, and how far each is from them."""
        same = self._by_size.get(array.size, ())
        if not same:
            return {}
        square = _square(array)
        low, high = square * (1 - _NEAR), square * (1 + _NEAR)
        found: dict[int, Difference] = {}
        for number in range(bisect_left(same, (low, -1)), len(same)):
            mean, place = same[number]
            if mean > high:
                break
            apart = self._difference(place, array)
            if apart is not None:
                found[place] = apart
        return found

    def found(self, matches: dict[int, Difference], name: str) -> None:
        """Note that a value of the other side has the numbers of these; the closest of several counts."""
        for place, apart in matches.items():
            before = self.differences.get(place)
            if before is None or apart.relative < before.relative:
                self.partners[place], self.differences[place] = name, apart

    def _difference(self, place: int, array: Array) -> Difference | None:
        mine = self.arrays[place]
        for other in aligned(array, mine.shape):
            apart = difference(mine, other)
            if apart.relative <= self._allowed:
                return apart
        if self._types[place] in _MOVED and array.shape == mine.shape:
            apart = difference(*(np.sort(one.reshape(len(one), -1), axis=1) for one in (mine, array)))
            return apart if apart.relative <= self._allowed else None
        return None


def aligned(array: Array, shape: Sequence[int]) -> Iterator[Array]:
    """The array in every order of its axes in which it may be the value of this shape: as it is, channels moved, time
    before batch, without axes of length 1."""
    if array.ndim == len(shape):
        for order in orders(array.shape, "", Slot("", tuple(shape), "", "")):
            yield turned(array, order)
        swapped = (1, 0, *range(2, array.ndim))
        if array.ndim > 2 and tuple(array.shape[axis] for axis in swapped) == tuple(shape):
            yield turned(array, swapped)
        return
    long = [[size for size in one if size != 1] for one in (array.shape, shape)]
    if long[0] == long[1] and prod(array.shape) == prod(shape):
        yield array.reshape(shape)


def _square(array: Array) -> float:
    return float(np.mean(np.square(array.astype(np.float64, copy=False))))
