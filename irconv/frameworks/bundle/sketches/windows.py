"""Windows that slide: convolutions and pools."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np


def along(vector: Any, rank: int, axis: int = 1) -> Any:
    """A vector along one of so many axes; a number is what it is."""
    return (
        vector
        if isinstance(vector, float)
        else np.reshape(vector, [-1 if place == axis else 1 for place in range(rank)])
    )


def pairs(padding: Any, sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Any) -> Any:
    """How much stands before and after each spatial axis."""
    if not isinstance(padding, str):
        return list(padding)
    found = []
    for n, k, s, d in zip(sizes, kernel, stride, dilation or [1] * len(sizes)):
        window = (k - 1) * d + 1
        needed = (-(-n // s) - 1) * s + window - n
        total = max(needed, 0)
        if padding == "same_upper":
            found.append((total // 2, total - total // 2))
        elif padding == "same_lower":
            found.append((total - total // 2, total // 2))
        else:
            before = window // 2 if padding == "theano_half" else k - 2 if k > 2 and k % 2 else k - 1
            found.append((before, max(needed - before, 0)))
    return found


def windows(x: Any, kernel: Any, stride: Any, dilation: Any, around: Any, value: Any, ceil_mode: bool = False) -> Any:
    """What lies under a window at each place: (n, c, *places, *kernel)."""
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
    more = [0] * len(spans)
    if ceil_mode:
        for i, (n, w, s, (before, after)) in enumerate(zip(x.shape[2:], spans, stride, around)):
            count = -(-(n + before + min(after - w + s, 0)) // s)
            more[i] = max((count - 1) * s + w - n - before - after, 0)
    widths = [(0, 0), (0, 0), *((max(b, 0), max(a, 0) + m) for (b, a), m in zip(around, more))]
    x = np.pad(x, widths, constant_values=value)
    cut = [slice(max(-b, 0), n - max(-a, 0)) for n, (b, a) in zip(x.shape[2:], around)]
    x = x[(slice(None), slice(None), *cut)]
    seen = np.lib.stride_tricks.sliding_window_view(x, spans, axis=tuple(range(2, x.ndim)))
    steps = [slice(None, None, s) for s in stride] + [slice(None, None, d) for d in dilation]
    return seen[(slice(None), slice(None), *steps)]


def Conv(x: Any, kernel: Any, bias: Any = 0.0, *, stride: Any, dilation: Any, groups: int, padding: Any) -> Any:
    rank = x.ndim - 2
    around = pairs(padding, x.shape[2:], kernel.shape[2:], stride, dilation)
    seen = windows(x, kernel.shape[2:], stride, dilation, around, 0)
    inner = [1, *range(-rank, 0)]
    parts = [
        np.tensordot(a, k, (inner, [1, *range(2, k.ndim)]))
        for a, k in zip(np.split(seen, groups, 1), np.split(kernel, groups, 0))
    ]
    return np.moveaxis(np.concatenate(parts, -1), -1, 1) + along(bias, x.ndim)


def ConvTranspose(
    x: Any,
    kernel: Any,
    bias: Any = 0.0,
    *,
    stride: Any,
    dilation: Any,
    groups: int,
    padding: Any,
    output_padding: Any,
    output_size: Any,
) -> Any:
    spans = [(k - 1) * d + 1 for k, d in zip(kernel.shape[2:], dilation)]
    full = [(n - 1) * s + w for n, s, w in zip(x.shape[2:], stride, spans)]
    if isinstance(padding, str):
        size = list(output_size or [n * s for n, s in zip(x.shape[2:], stride)])
        starts = [max(f - n, 0) // 2 for f, n in zip(full, size)]
        if padding == "same_lower":
            starts = [max(f - n, 0) - start for f, n, start in zip(full, size, starts)]
        if padding == "theano_half":
            starts = [w // 2 for w in spans]
    else:
        size = [f + more - b - a for f, more, (b, a) in zip(full, output_padding, padding)]
        starts = [b for b, _ in padding]
    made = []
    parts: Any = zip(np.split(x, groups, 1), np.split(kernel, groups, 0))
    for part, weights in parts:
        room = [start + n if start + n > f else f for f, n, start in zip(full, size, starts)]
        y = np.zeros((len(x), weights.shape[1], *room), x.dtype)
        for place in product(*map(range, weights.shape[2:])):
            at = [slice(p * d, p * d + (n - 1) * s + 1, s) for p, d, n, s in zip(place, dilation, x.shape[2:], stride)]
            share = np.tensordot(part, weights[(slice(None), slice(None), *place)], ([1], [0]))
            y[(slice(None), slice(None), *at)] += np.moveaxis(share, -1, 1)
        made.append(y[(slice(None), slice(None), *(slice(b, b + n) for b, n in zip(starts, size)))])
    return np.concatenate(made, 1) + along(bias, x.ndim)


def MaxPool(x: Any, *, kernel: Any, stride: Any, dilation: Any, padding: Any, ceil_mode: bool) -> Any:
    around = pairs(padding, x.shape[2:], kernel, stride, dilation)
    return windows(x, kernel, stride, dilation, around, -np.inf, ceil_mode).max(tuple(range(-len(kernel), 0)))


def AveragePool(x: Any, *, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, count_padding: bool) -> Any:
    around, ones = pairs(padding, x.shape[2:], kernel, stride, None), [1] * len(kernel)
    over = tuple(range(-len(kernel), 0))
    counted, inside = np.ones_like(x), around
    if count_padding:
        counted = np.ones_like(np.pad(x, [(0, 0), (0, 0), *around]))
        inside = [(0, 0)] * len(kernel)
    sums = windows(x, kernel, stride, ones, around, 0, ceil_mode).sum(over)
    counts = windows(counted, kernel, stride, ones, inside, 0, ceil_mode).sum(over)
    return sums / counts[(..., *(slice(n) for n in sums.shape[2:]))]
