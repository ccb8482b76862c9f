"""The numbers of one tensor, read some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

import numpy as np

from irconv.comparison.stream import TILE_BYTES, rows
from irconv.data_classes import dataclass
from irconv.ir.tensors import LazyTensor
from irconv.layout import Array


@dataclass(frozen=True)
class Statistics:
    """Of the finite numbers of a tensor; of complex ones their lengths."""

    elements: int
    zeros: int
    not_finite: int
    low: float
    high: float
    mean: float
    deviation: float
    """The square root of the mean of ``(x - mean)^2``."""
    norm: float
    """The square root of the sum of ``x^2``."""
    counts: tuple[int, ...]
    """How many lie in each of equal steps from `low` to `high`; one step where all are the same."""


def statistics(tensor: LazyTensor, steps: int) -> Statistics:
    """The statistics and a histogram of `steps` steps; reads the tensor twice, a few megabytes at a time."""
    elements = zeros = finite = 0
    low, high, total = np.inf, -np.inf, 0.0
    for block in _blocks(tensor):
        known = block[np.isfinite(block)]
        elements, finite = elements + block.size, finite + known.size
        zeros += int(np.count_nonzero(block == 0))
        if known.size:
            low, high = min(low, float(known.min())), max(high, float(known.max()))
            total += float(known.sum())
    if not finite:
        return Statistics(elements, zeros, elements - finite, 0.0, 0.0, 0.0, 0.0, 0.0, ())
    mean, squares, apart = total / finite, 0.0, 0.0
    counts = np.zeros(steps if low < high else 1, np.int64)
    for block in _blocks(tensor):
        known = block[np.isfinite(block)]
        squares += float(np.square(known).sum())
        apart += float(np.square(known - mean).sum())
        counts += np.histogram(known, steps, (low, high))[0] if low < high else known.size
    deviation = sqrt(apart / finite)
    made = tuple(int(count) for count in counts)
    return Statistics(elements, zeros, elements - finite, low, high, mean, deviation, sqrt(squares), made)


def _blocks(tensor: LazyTensor) -> Iterator[Array]:
    if not tensor.shape:
        yield _real(tensor.numpy().reshape(1))
        return
    step = max(1, tensor.shape[0] * TILE_BYTES // max(1, tensor.nbytes))
    with np.errstate(all="ignore"):
        for start in range(0, tensor.shape[0], step):
            yield _real(rows(tensor, start, min(start + step, tensor.shape[0])))


def _real(array: Array) -> Array:
    return np.abs(array) if np.iscomplexobj(array) else array.astype(np.float64)
