"""What looks elements up, puts them somewhere, orders them or runs along an axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from irconv.frameworks.bundle.sketches.arrays import Reduce


def GatherElements(x: Any, indices: Any, *, axis: int) -> Any:
    return np.take_along_axis(
        x[tuple(map(slice, (*indices.shape[:axis], None, *indices.shape[axis + 1 :])))], indices, axis
    )


def GatherND(x: Any, indices: Any, *, batch_axes: int) -> Any:
    batch = np.indices(indices.shape[:-1], sparse=True)[:batch_axes]
    return x[(*batch, *np.moveaxis(indices, -1, 0))]


def put(x: Any, at: Any, updates: Any, reduction: str) -> Any:
    y = x.copy()
    if reduction == "none":
        y[at] = updates
    else:
        ways: Any = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}
        ways[reduction].at(y, at, updates)
    return y


def ScatterElements(x: Any, indices: Any, updates: Any, *, axis: int, reduction: str) -> Any:
    at = list(np.indices(indices.shape, sparse=True))
    at[axis] = indices
    return put(x, tuple(at), updates, reduction)


def ScatterND(x: Any, indices: Any, updates: Any, *, reduction: str) -> Any:
    return put(x, tuple(np.moveaxis(indices, -1, 0)), updates, reduction)


def TopK(x: Any, *, axis: int, k: int, largest: bool, sorted: bool) -> Any:
    if largest:  # of equal ones the first stands first
        order = x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis, kind="stable"), axis)
    else:
        order = np.argsort(x, axis, kind="stable")
    best = np.take(order, range(k), axis)
    return np.take_along_axis(x, best, axis), best


def ArgMax(x: Any, *, axis: int, keepdims: bool, ties: str) -> Any:
    if ties == "first":
        return np.argmax(x, axis, keepdims=keepdims)
    return x.shape[axis] - 1 - np.argmax(np.flip(x, axis), axis, keepdims=keepdims)


def ArgMin(x: Any, *, axis: int, keepdims: bool, ties: str) -> Any:
    if ties == "first":
        return np.argmin(x, axis, keepdims=keepdims)
    return x.shape[axis] - 1 - np.argmin(np.flip(x, axis), axis, keepdims=keepdims)


def running(way: Callable[..., Any], x: Any, neutral: int, axis: int, exclusive: bool, reverse: bool) -> Any:
    x = np.moveaxis(np.flip(x, axis) if reverse else x, axis, 0)
    if exclusive:
        x = np.concatenate([np.full_like(x[:1], neutral), x[:-1]])
    y = np.moveaxis(way(x, 0).astype(x.dtype), 0, axis)
    return np.flip(y, axis) if reverse else y


def CumSum(x: Any, *, axis: int, exclusive: bool, reverse: bool) -> Any:
    return running(np.cumsum, x, 0, axis, exclusive, reverse)


def CumProd(x: Any, *, axis: int, exclusive: bool, reverse: bool) -> Any:
    return running(np.cumprod, x, 1, axis, exclusive, reverse)


def ReverseSequence(x: Any, lengths: Any, *, batch_axis: int, time_axis: int) -> Any:
    t = np.arange(x.shape[time_axis])
    n = lengths[:, None]
    shape = [x.shape[axis] if axis in (batch_axis, time_axis) else 1 for axis in range(x.ndim)]
    at = np.where(t < n, n - 1 - t, t)
    return np.take_along_axis(x, (at if batch_axis < time_axis else at.T).reshape(shape), time_axis)


def NonZero(x: Any, *, count: Any) -> Any:
    return np.stack(np.nonzero(x))


def Unique(x: Any, *, axis: Any, sorted: bool, count: Any) -> Any:
    found = np.unique(x, True, True, True, axis)
    values, first, inverse, counts = (found[0], found[1], found[2].reshape(-1), found[3])
    if not sorted:
        order = np.argsort(first)
        values = np.take(values, order, axis or 0)
        first, counts, inverse = first[order], counts[order], np.argsort(order)[inverse]
    return values, first, inverse, counts


def NonMaxSuppression(
    boxes: Any,
    scores: Any,
    most: Any = 0,
    iou_threshold: Any = 0.0,
    score_threshold: Any = -np.inf,
    *,
    form: str,
    count: Any,
) -> Any:
    if form == "centre":
        middle, half = boxes[..., :2], boxes[..., 2:] / 2
        low, high = middle - half, middle + half
    else:
        low, high = np.minimum(boxes[..., :2], boxes[..., 2:]), np.maximum(boxes[..., :2], boxes[..., 2:])
    areas, rows = (high - low).prod(-1), []
    for image, one in np.ndindex(scores.shape[:2]):
        taken: list[int] = []
        for box in np.argsort(-scores[image, one], kind="stable"):
            a, b = low[image], high[image]
            sides = np.maximum(np.minimum(b[box], b[taken]) - np.maximum(a[box], a[taken]), 0)
            shared = sides.prod(-1)
            apart = shared <= iou_threshold * (areas[image, box] + areas[image, taken] - shared)
            if scores[image, one, box] > score_threshold and len(taken) < most and apart.all():
                taken.append(box)
        rows += [(image, one, box) for box in taken]
    return np.array(rows, "int64").reshape(-1, 3)


def ReduceAlong(x: Any, axes: Any, *, op: str, keepdims: bool, empty: str, sizes: Any) -> Any:
    found = [int(axis) % x.ndim for axis in axes]
    if not found and empty == "all":
        found = list(range(x.ndim))
    return Reduce(x, op=op, axes=found, keepdims=keepdims) if found else x


def CountUp(x: Any, *, count: Any) -> Any:
    return np.arange(int(np.reshape(x, ())))


def ShapeOf(x: Any) -> Any:
    return np.array(x.shape, "int64")


def SizeOf(x: Any, *, axis: int) -> Any:
    return np.array([x.shape[axis]], "int64")


def EyeLike(x: Any, *, diagonal: int) -> Any:
    return np.eye(x.shape[0], x.shape[1], diagonal, x.dtype)


def Trilu(x: Any, *, upper: bool, diagonal: int) -> Any:
    return np.triu(x, diagonal) if upper else np.tril(x, diagonal)
