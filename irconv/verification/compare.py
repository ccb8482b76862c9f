"""How far two predictions are apart, and how far they may be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from irconv.data_classes import dataclass
from irconv.layout import Array

TOLERANCES = {"float64": 1e-9, "float32": 1e-5, "float16": 5e-3, "bfloat16": 3e-2}
"""The largest difference relative to the largest value that is still agreement, by the type of the least precision that
the first side calculates in: what different orders of summation give, several times over."""

_AMPLIFIED = 16
"""A model whose result changes by d where its inputs are rounded once is allowed this many d: it has many roundings."""
_MOST = {"float64": 1e-6, "float32": 1e-3, "float16": 2e-2, "bfloat16": 6e-2}
"""But no more than this."""
_TOP = (1, 5)
_FILL, _FAR = 1e3, 1e2
"""What masks fill in is at least this large, and this many times any result."""


@dataclass(frozen=True)
class Difference:
    """How far apart two arrays are; A is the first side's."""

    max_abs: float | None
    """The largest difference of two elements; None where the shapes differ, infinity where only one is a number."""
    largest: float
    """The largest magnitude in A, but for what masks fill in."""
    relative: float
    """`max_abs` over `largest` (itself where A is all zero); infinity where the shapes differ."""
    cosine: float
    """Of the angle between both as vectors; 1 where both are zero."""
    where: tuple[int, ...]
    """The indices of the element that is furthest apart."""
    pair: tuple[float, float]
    """That element in A and in B."""
    top: tuple[tuple[int, float], ...]
    """For each k the share of rows whose k largest entries are the same, in the same order, if the array has rows."""
    shapes: tuple[tuple[int, ...], tuple[int, ...]]


def difference(a: Array, b: Array) -> Difference:
    """Compare two arrays element by element, unsorted."""
    if a.shape != b.shape:
        return Difference(None, _largest(a), float("inf"), 0.0, (), (0.0, 0.0), (), (a.shape, b.shape))
    x, y = _numbers(a), _numbers(b)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(x - y)
    same = (x == y) | (np.isnan(x) & np.isnan(y))  # two infinities of one sign, and two that are no numbers
    apart = np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))
    largest = _counted(np.abs(x), same)
    if not apart.size:
        return Difference(0.0, 0.0, 0.0, 1.0, (), (0.0, 0.0), (), (a.shape, b.shape))
    place = np.unravel_index(int(apart.argmax()), apart.shape)
    worst = float(apart[place])
    where = tuple(int(index) for index in place)
    pair = (float(x[place].real), float(y[place].real))
    return Difference(
        worst, largest, worst / (largest or 1.0), _cosine(x, y), where, pair, _top(a, b), (a.shape, b.shape)
    )


def _numbers(array: Array) -> Array:
    return np.asarray(array).astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _counted(magnitudes: Array, same: Array) -> float:
    """The largest magnitude that is a result, and not what a mask fills in: large numbers far from all others, and
    the same on both sides, beside which no difference of the others would count."""
    finite = np.sort(magnitudes[np.isfinite(magnitudes)])
    large = finite[finite >= _FILL]
    if not large.size or large.size == finite.size:
        return float(finite.max(initial=0.0))
    with np.errstate(divide="ignore"):  # beside zeros every number is far
        gap = int(np.argmax(large / np.concatenate([finite[-large.size - 1 : -large.size], large[:-1]])))
    rest = float(finite[finite.size - large.size + gap - 1])
    far = large[gap] >= _FAR * rest
    return rest if far and rest and bool(same[magnitudes > rest].all()) else float(finite[-1])


def _largest(array: Array) -> float:
    finite = np.abs(_numbers(array))
    return float(finite[np.isfinite(finite)].max(initial=0.0))


def _cosine(x: Array, y: Array) -> float:
    x, y = (np.nan_to_num(array.reshape(-1)) for array in (x, y))
    scale = max(float(np.abs(x).max(initial=0.0)), float(np.abs(y).max(initial=0.0))) or 1.0
    x, y = x / scale, y / scale
    norms = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(np.real(np.vdot(x, y))) / norms if norms else float(not (x.any() or y.any()))


def _top(a: Array, b: Array) -> tuple[tuple[int, float], ...]:
    """Agreement of the largest entries of each row of a matrix of scores."""
    if a.ndim != 2 or a.shape[1] < 2 or not len(a) or a.dtype.kind != "f":
        return ()
    orders = [np.argsort(-array.astype(np.float64), axis=1, kind="stable") for array in (a, b)]
    return tuple((k, float((orders[0][:, :k] == orders[1][:, :k]).all(axis=1).mean())) for k in _TOP if k < a.shape[1])


def power(value: float) -> str:
    """A number by its order of magnitude: ``3e-7``.

    >>> power(2.6e-07), power(0.0), power(1.0)
    ('3e-7', '0', '1')
    """
    digits, _, exponent = f"{value:.0e}".partition("e")
    return digits if not exponent or int(exponent) == 0 else f"{digits}e{int(exponent)}"


def within(value: float) -> str:
    """How well two things agree: ``to 3e-7``, or ``exactly``.

    >>> within(2.6e-07), within(0.0)
    ('to 3e-7', 'exactly')
    """
    return f"to {power(value)}" if value else "exactly"


def tolerance(precision: str, amplified: float) -> float:
    """How far apart, relative to the largest value, predictions may be.

    `amplified` is the relative change of the result where the inputs are rounded once more; a type that is not floating
    allows no difference.
    """
    known = precision if precision in TOLERANCES else "float32"
    return min(max(TOLERANCES[known], _AMPLIFIED * amplified), _MOST[known])


def spread(outputs: Sequence[Array]) -> float:
    """How much an output varies over all inputs, relative to its largest value: 0 where it is always the same."""
    rows = [_numbers(row) for output in outputs for row in (output if output.ndim else output[None])]
    same = [row for row in rows if row.shape == rows[0].shape]
    if len(same) < 2:
        return float("inf")
    stacked = np.nan_to_num(np.stack(same))
    largest = float(np.abs(stacked).max(initial=0.0))
    return float(np.abs(stacked - stacked[0]).max(initial=0.0)) / (largest or 1.0)
