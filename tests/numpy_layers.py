"""Layers in numpy, straight from their formulas: what the runtimes are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import erf, prod, sqrt

import numpy as np

from tests.helpers import Array

Pads = Sequence[tuple[int, int]]


def padded(x: Array, pads: Pads, value: float) -> Array:
    return np.pad(x, ((0, 0), (0, 0), *pads), constant_values=value)


def windows(x: Array, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Array:
    """(n, c, *places, *kernel): what lies under the window at each place."""
    counts = [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True)]
    result = np.empty((*x.shape[:2], *counts, *kernel), x.dtype)
    for place in product(*map(range, counts)):
        cut = tuple(
            slice(p * s, p * s + (k - 1) * d + 1, d) for p, s, k, d in zip(place, stride, kernel, dilation, strict=True)
        )
        result[(slice(None), slice(None), *place)] = x[(slice(None), slice(None), *cut)]
    return result


def conv(
    x: Array,
    kernel: Array,
    stride: Sequence[int],
    dilation: Sequence[int],
    pads: Pads,
    groups: int = 1,
    bias: Array | None = None,
) -> Array:
    size = kernel.shape[2:]
    under = windows(padded(x, pads, 0.0).astype(np.float64), size, stride, dilation)
    places = under.shape[2 : 2 + len(size)]
    under = under.reshape(x.shape[0], groups, x.shape[1] // groups, prod(places), prod(size))
    parts = kernel.reshape(groups, kernel.shape[0] // groups, kernel.shape[1], prod(size))
    y = np.einsum("ngipk,goik->ngop", under, parts).reshape(x.shape[0], kernel.shape[0], *places)
    if bias is not None:
        y = y + bias.reshape(-1, *(1,) * len(size))
    return y.astype(np.float32)


def max_pool(x: Array, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], pads: Pads) -> Array:
    under = windows(padded(x, pads, -np.inf), kernel, stride, dilation)
    return under.max(tuple(range(-len(kernel), 0)))


def average_pool(x: Array, kernel: Sequence[int], stride: Sequence[int], pads: Pads, count_padding: bool) -> Array:
    ones, axes = (1,) * len(kernel), tuple(range(-len(kernel), 0))
    total = windows(padded(x, pads, 0.0), kernel, stride, ones).sum(axes)
    inside = windows(padded(np.ones_like(x), pads, 1.0 if count_padding else 0.0), kernel, stride, ones).sum(axes)
    return total / inside


def same_pads(sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Pads:
    """TensorFlow's SAME."""
    totals = [
        max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        for n, k, s, d in zip(sizes, kernel, stride, dilation, strict=True)
    ]
    return [(total // 2, total - total // 2) for total in totals]


def batch_norm(
    x: Array, mean: Array, variance: Array, epsilon: float, gamma: Array | None, beta: Array | None
) -> Array:
    def spread(vector: Array) -> Array:
        return vector.reshape(-1, *(1,) * (x.ndim - 2))

    y = (x - spread(mean)) / np.sqrt(spread(variance) + epsilon)
    y = y * spread(gamma) if gamma is not None else y
    y = y + spread(beta) if beta is not None else y
    return y.astype(np.float32)


def softmax(x: Array, axis: int) -> Array:
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def gelu(x: Array, approximation: str) -> Array:
    if approximation == "tanh":
        return (0.5 * x * (1 + np.tanh(sqrt(2 / np.pi) * (x + 0.044715 * x**3)))).astype(np.float32)
    return (x * 0.5 * (1 + np.vectorize(erf)(x.astype(np.float64) / sqrt(2)))).astype(np.float32)
