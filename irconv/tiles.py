"""Cutting a change of layout into tiles whose reads and writes are both long runs of a file.

Pure arithmetic over shapes; nothing here touches an array.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import TypeAlias

import numpy as np

Box: TypeAlias = tuple[tuple[int, int], ...]
"""A half-open range for each axis."""


def tiles(
    shape: Sequence[int],
    permutation: Sequence[int],
    picks: Sequence[tuple[int, ...] | None],
    limit: int,
    read_weight: int = 1,
) -> Iterator[Box]:
    """Boxes of at most `limit` elements that cover an array of `shape`, each once.

    `permutation` says which source axis each axis is. Axes grow in turn from the innermost of the source and the
    innermost of the destination, whichever run of contiguous elements is the shorter, so that neither side is read or
    written element by element; where a run that is written costs more than one that is read, by how much is the
    `read_weight`. An axis whose members are picked in another order grows last.
    """
    if prod(shape) <= limit:
        yield tuple((0, size) for size in shape)
        return
    lengths = [1] * len(shape)
    written = list(range(len(shape)))[::-1]
    read = sorted(written, key=lambda axis: permutation[axis], reverse=True)
    picked = {axis for axis in written if picks[permutation[axis]] is not None}
    while True:
        room = limit // prod(lengths)
        candidates = []
        for order in (read, written):
            axis = next((a for a in order if lengths[a] < shape[a]), None)
            if axis is not None:
                run = prod(lengths[a] for a in order[: order.index(axis) + 1])
                candidates.append((axis in picked, run * (read_weight if order is read else 1), axis))
        if room < 2 or not candidates:
            break
        axis = min(candidates)[2]
        lengths[axis] = min(shape[axis], lengths[axis] * 2)
    steps = [range(0, size, length) for size, length in zip(shape, lengths, strict=True)]
    for starts in product(*steps):
        yield tuple(
            (start, min(start + length, size)) for start, length, size in zip(starts, lengths, shape, strict=True)
        )


def runs(shape: Sequence[int], box: Box) -> tuple[int, list[int]]:
    """The contiguous runs of a box in a C-ordered array: their common length, and the position of each in the array.

    In the box itself they lie one after the other.

    >>> runs((3, 4), ((1, 3), (0, 2)))
    (2, [4, 8])
    """
    inner, length = len(shape), 1
    while inner > 0 and (inner == len(shape) or box[inner] == (0, shape[inner])):
        inner -= 1
        length *= box[inner][1] - box[inner][0]
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    positions = np.array([sum(start * stride for (start, _), stride in zip(box, strides, strict=True))], np.int64)
    for (start, stop), stride in zip(box[:inner], strides, strict=False):
        positions = (positions[:, None] + np.arange(stop - start) * stride).ravel()
    return length, positions.tolist()


def bands(box: Box, limit: int) -> Iterator[Box]:
    """The box cut along the outermost of its axes that has a length, into parts of about `limit` elements at most.

    >>> list(bands(((0, 1), (2, 7), (0, 4)), 8))
    [((0, 1), (2, 4), (0, 4)), ((0, 1), (4, 6), (0, 4)), ((0, 1), (6, 7), (0, 4))]
    """
    lengths = [stop - start for start, stop in box]
    axis = next((axis for axis, length in enumerate(lengths) if length > 1), None)
    if axis is None or prod(lengths) <= limit:
        yield box
        return
    step = max(1, limit * lengths[axis] // prod(lengths))
    start, stop = box[axis]
    for first in range(start, stop, step):
        yield (*box[:axis], (first, min(first + step, stop)), *box[axis + 1 :])
