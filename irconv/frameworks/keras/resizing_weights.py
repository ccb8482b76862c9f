"""The weights of TensorFlow's ways to resize that are no formula of four elements: one matrix for each axis."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil, exp, floor, pi, sin

import numpy as np

from irconv.ir.layers.ranges import written_out
from irconv.layout import Array

_TABLE = 1024
BICUBIC = ("bicubic", "bicubic_of_tensorflow")
_LEAST = 1000 * float(np.finfo(np.float32).tiny)


def weights(word: str, size: int, new: int, antialias: bool) -> Array:
    """Row i: what of each element of an axis goes into element i of the new one. Raises `ValueError` for another word.

    >>> weights("area", 4, 2, False).tolist()
    [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
    """
    written_out(size * new, f"a resize of {size} elements to {new}")
    if word == "area":
        return _area(size, new)
    if word in BICUBIC and not antialias:
        return _of_table(size, new)
    kernel, radius = _KERNELS[word]
    return _spans(kernel, radius, size, new, antialias)


def _lanczos(radius: float) -> Callable[[float], float]:
    def kernel(x: float) -> float:
        if x > radius:
            return 0.0
        return 1.0 if x <= 1e-3 else radius * sin(pi * x) * sin(pi * x / radius) / (pi * pi * x * x)

    return kernel


def _gaussian(x: float) -> float:
    return 0.0 if x >= 1.5 else exp(-x * x / (2 * 0.5 * 0.5))


def _mitchell(x: float) -> float:
    if x >= 2:
        return 0.0
    if x >= 1:
        return ((-7 / 18 * x + 2) * x - 10 / 3) * x + 16 / 9
    return (7 / 6 * x - 2) * x * x + 8 / 9


_KERNELS: dict[str, tuple[Callable[[float], float], float]] = {
    "lanczos3": (_lanczos(3.0), 3.0),
    "lanczos5": (_lanczos(5.0), 5.0),
    "gaussian": (_gaussian, 1.5),
    "mitchellcubic": (_mitchell, 2.0),
}
WORDS = (*_KERNELS, "area")
"""Ways that `Resize` has no words for."""


def on_grid(step: Fraction, count: int) -> bool:
    """Whether all places of a cubic resize are such that TensorFlow's table has their weights as the formula does."""
    return not any(((i + Fraction(1, 2)) * step - Fraction(1, 2)) * _TABLE % 1 for i in range(count))


def _spans(kernel: Callable[[float], float], radius: float, size: int, new: int, antialias: bool) -> Array:
    """``scale_and_translate``: the kernel around each place, widened where elements are taken away."""
    matrix, step = np.zeros((new, size)), size / new
    wide = max(step, 1.0) if antialias else 1.0
    for i in range(new):
        place = (i + 0.5) * step
        first, last = ceil(place - radius * wide - 0.5), floor(place + radius * wide - 0.5)
        for j in range(max(first, 0), min(last, size - 1) + 1):
            matrix[i, j] = kernel(abs((j + 0.5 - place) / wide))
        total = matrix[i].sum()
        if abs(total) >= _LEAST:
            matrix[i] /= total
    return matrix.astype(np.float32)


def _area(size: int, new: int) -> Array:
    """The mean over the stretch of the axis that an element stands for."""
    matrix, step = np.zeros((new, size)), size / new
    for i in range(new):
        start, end = i * step, (i + 1) * step
        for j in range(floor(start), min(ceil(end), size)):
            matrix[i, j] = (min(end, j + 1) - max(start, j)) / step
    return matrix.astype(np.float32)


def _of_table(size: int, new: int) -> Array:
    """Keys' cubic with weights at 1024 places between two elements, without what is outside."""
    matrix, step = np.zeros((new, size)), np.float32(np.float32(size) / np.float32(new))
    for i in range(new):
        place = (np.float32(i) + np.float32(0.5)) * step - np.float32(0.5)
        first = floor(place)
        offset = round(float((place - np.float32(first)) * np.float32(_TABLE))) / _TABLE  # halves to even
        for j, x in ((first - 1, 1 + offset), (first, offset), (first + 1, 1 - offset), (first + 2, 2 - offset)):
            if 0 <= j < size:
                matrix[i, j] = _keys(x)
        total = matrix[i].sum()
        if abs(total) >= _LEAST:
            matrix[i] /= total
    return matrix.astype(np.float32)


def _keys(x: float) -> float:
    return ((1.5 * x) - 2.5) * x * x + 1 if x <= 1 else ((-0.5 * x + 2.5) * x - 4) * x + 2
