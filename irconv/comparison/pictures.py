"""What a page draws of two tensors: histograms of their numbers and of the difference, and where that lies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from irconv.comparison.sides import Operand
from irconv.comparison.stream import TILE_BYTES, rows
from irconv.data_classes import dataclass
from irconv.layout import Array

BINS = 61
_ROWS, _COLUMNS = 48, 96
"""The most cells of a heat map, down and across."""


@dataclass(frozen=True)
class Histogram:
    """Counts of numbers between two bounds, in equal steps."""

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Pictures:
    """Of a pair of tensors of one shape."""

    a: Histogram
    b: Histogram
    """With the bounds of `a`, so that both lie over each other."""
    difference: Histogram
    """Of b - a, zero in the middle."""
    heat: Array
    """The mean of ``|b - a|`` in cells of a grid: the first axis down, the others across."""
    axes: tuple[str, str]
    """What runs down and across."""


def pictures(a: Operand, b: Operand) -> Pictures | None:
    """The pictures of a pair; None where a side has no finite number. Reads both twice, some rows at a time."""
    low, high, most = np.inf, -np.inf, 0.0
    for _, left, right in _blocks(a, b):
        for side in (left, right):
            finite = side[np.isfinite(side)]
            if finite.size:
                low, high = min(low, float(finite.min())), max(high, float(finite.max()))
        gap = np.abs(right - left)
        most = max(most, float(np.max(gap[np.isfinite(gap)], initial=0.0)))
    if not np.isfinite(low):
        return None
    if low == high:
        low, high = low - 0.5, high + 0.5
    most = most or 1.0
    counts = np.zeros((3, BINS), np.int64)
    heat = _Heat(a.data.shape)
    for start, left, right in _blocks(a, b):
        gap = right - left
        for row, (values, bounds) in enumerate(((left, (low, high)), (right, (low, high)), (gap, (-most, most)))):
            counts[row] += np.histogram(values[np.isfinite(values)], BINS, bounds)[0]
        heat.add(start, np.abs(np.where(np.isfinite(gap), gap, 0.0)))
    first, second, third = (tuple(int(n) for n in row) for row in counts)
    return Pictures(
        Histogram(low, high, first),
        Histogram(low, high, second),
        Histogram(-most, most, third),
        heat.means(),
        heat.axes,
    )


def _blocks(a: Operand, b: Operand) -> Iterator[tuple[int, Array, Array]]:
    """(first row, rows of a, rows of b) in float64; a tensor without axes is one row."""
    shape = a.data.shape
    if not shape:
        yield 0, a.data.numpy().reshape(1).astype(np.float64), b.data.numpy().reshape(1).astype(np.float64)
        return
    widest = max(a.data.nbytes, b.data.nbytes)
    step = max(1, shape[0] * TILE_BYTES // max(1, 2 * widest))
    with np.errstate(all="ignore"):
        for start in range(0, shape[0], step):
            stop = min(start + step, shape[0])
            left, right = (rows(o.data, start, stop) for o in (a, b))
            yield start, _real(left), _real(right)


def _real(array: Array) -> Array:
    """The numbers in float64; of complex ones their lengths."""
    return np.abs(array) if np.iscomplexobj(array) else array.astype(np.float64)


class _Heat:
    """Sums of a grid over a tensor."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape or (1,)
        across = self.shape[1] if len(self.shape) > 1 and self.shape[1] > 1 else int(np.prod(self.shape[1:]))
        self.across = across if len(self.shape) > 1 else self.shape[0]
        down = self.shape[0] if len(self.shape) > 1 else 1
        self.rows, self.columns = min(_ROWS, down) or 1, min(_COLUMNS, self.across) or 1
        self.down = max(1, down)
        self.sums, self.counts = np.zeros((self.rows, self.columns)), np.zeros((self.rows, self.columns))
        one = "position" if len(self.shape) > 1 and self.shape[1] == 1 else "input"
        self.axes = ("output", one) if len(self.shape) > 1 else ("", "index")

    def add(self, start: int, gap: Array) -> None:
        """Take in some rows, which begin at `start`."""
        if len(self.shape) == 1:
            values, first_row, first_column = gap.reshape(1, -1), 0, start
        else:
            flat = gap.reshape(len(gap), self.across, -1) if self.across else gap.reshape(len(gap), 1, -1)
            values, first_row, first_column = flat.mean(2), start, 0
        if not values.size:
            return
        down = (np.arange(values.shape[0]) + first_row) * self.rows // self.down
        over = (np.arange(values.shape[1]) + first_column) * self.columns // max(1, self.across)
        cells = down[:, None] * self.columns + over
        size = self.rows * self.columns
        self.sums += np.bincount(cells.ravel(), values.ravel(), size).reshape(self.sums.shape)
        self.counts += np.bincount(cells.ravel(), minlength=size).reshape(self.sums.shape)

    def means(self) -> Array:
        """The grid."""
        return np.asarray(self.sums / np.maximum(self.counts, 1))
