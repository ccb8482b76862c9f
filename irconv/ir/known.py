"""Values that are known while a model is read: arrays of numbers, or of objects where some elements are symbolic sizes.

A layer's `fold` works on them with numpy's own functions; an array of objects holds Python numbers and `Size`, with
which can be calculated as with numbers as long as nothing has to be decided that depends on a symbol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from irconv.ir.dtypes import numpy_dtype
from irconv.ir.shapes import Dimension, Size, counted
from irconv.layout import Array

KNOWN_ELEMENTS = 16384
"""Larger values are not followed."""

Comparison = Literal["==", "!=", "<", "<=", ">", ">="]


def numeric(array: Array) -> bool:
    """Whether every element is a number.

    >>> numeric(np.array([1, 2])), numeric(np.array([Size.of("N"), 2], dtype=object))
    (True, False)
    """
    return array.dtype != object


def of_sizes(sizes: Sequence[Dimension]) -> Array:
    """Dimensions as a vector: int64 where all are numbers.

    >>> of_sizes((2, 3)).tolist(), of_sizes(("N", 3)).tolist()
    ([2, 3], [Size(N), 3])
    """
    if all(isinstance(size, int) for size in sizes):
        return np.array(sizes, np.int64)
    result = np.empty(len(sizes), object)
    result[:] = [size if isinstance(size, int) else Size.of(size) for size in sizes]
    return result


def settled(array: Array, dtype: str) -> Array:
    """The array in an element type, as objects only where an element is a symbol."""
    array = np.asarray(array)
    if array.dtype != object:
        return array.astype(numpy_dtype(dtype), copy=False)
    flat = [element.dimension if isinstance(element, Size) else element for element in array.reshape(-1)]
    if not any(isinstance(element, str) for element in flat):
        return np.array(flat, numpy_dtype(dtype)).reshape(array.shape)
    result = np.empty(array.size, object)
    result[:] = [Size.of(element) if isinstance(element, str) else element for element in flat]
    return result.reshape(array.shape)


def with_sizes(array: Array, given: Mapping[str, Dimension]) -> Array:
    """The array with other sizes in the place of some symbols."""
    if numeric(array):
        return array
    flat = [element.substituted(given) if isinstance(element, Size) else element for element in array.reshape(-1)]
    result = np.empty(array.size, object)
    result[:] = flat
    return settled(result.reshape(array.shape), "int64")


def integral(array: Array) -> Array | None:
    """An array cast to integers: fractions are cut off; None where a fraction of a size would be."""
    if numeric(array):
        return np.trunc(array) if array.dtype.kind == "f" else array
    if any(isinstance(element, float) and element != int(element) for element in array.reshape(-1)):
        return None
    return array


def quotient(left: Array, right: Array, whole: bool) -> Array | None:
    """``left / right``; `whole` cuts it off towards zero, and sizes count as not negative. None where a size does not
    divide evenly into a number that is no integer."""
    if numeric(left) and numeric(right):
        if not whole:
            return np.asarray(np.true_divide(left, right))
        if np.any(right == 0):
            return None
        return np.asarray(np.sign(left) * np.sign(right) * (np.abs(left) // np.abs(right)))

    def divide(a: Any, b: Any) -> Any:
        if isinstance(b, Size) or b <= 0 or b != int(b):
            return None
        result = Size.of(a).floor_divide(int(b))
        return result if whole or result * int(b) == Size.of(a) else None

    return _each(divide, left, right)


def floor_quotient(left: Array, right: Array) -> Array | None:
    """``left // right``, rounded down."""
    if numeric(left) and numeric(right):
        return None if np.any(right == 0) else np.asarray(np.floor_divide(left, right))
    return quotient(left, right, whole=True)


def remainder(left: Array, right: Array) -> Array | None:
    """What `floor_quotient` leaves over."""
    whole = floor_quotient(left, right)
    return None if whole is None else np.asarray(left - whole * right)


def compared(how: Comparison, left: Array, right: Array) -> Array | None:
    """Whether ``left how right`` for each pair; None where that depends on a symbol.

    Every symbol is at least 1, but for `counted` ones.

    >>> compared(">", of_sizes(("N", 3)), np.array([0, 4])).tolist(), compared("==", of_sizes(("N",)), np.array([2]))
    ([True, False], None)
    """
    if numeric(left) and numeric(right):
        return np.asarray(_COMPARED[how](left, right))

    def decide(a: Any, b: Any) -> Any:
        floats = isinstance(a, float) or isinstance(b, float)
        low, high = bounds(None if floats else Size.of(a) - b)
        return _DECIDED[how](low, high)

    decided = _each(decide, left, right)
    return None if decided is None else decided.astype(bool)


def bounds(size: Size | None) -> tuple[float, float]:
    """The least and the greatest a size can be, where every symbol is at least 1, but those that are counted and every
    quotient at least 0.

    >>> bounds(Size.of("2*N - 1")), bounds(Size.of("N - T")), bounds(Size.of("u0 + 1"))
    ((1, inf), (-inf, inf), (1, inf))
    """
    if size is None:
        return -np.inf, np.inf
    low: float = 0
    high: float = 0
    for monomial, factor in size.terms.items():
        if not monomial:
            low, high = low + factor, high + factor
            continue
        least = 0 if any("//" in atom or counted(atom) for atom in monomial) else 1
        low, high = (low + factor * least, np.inf) if factor > 0 else (-np.inf, high + factor * least)
    return low, high


def _each(function: Callable[[Any, Any], Any], left: Array, right: Array) -> Array | None:
    """The function of each pair, broadcast; None where it is None for one of them."""
    left, right = np.broadcast_arrays(np.asarray(left, object), np.asarray(right, object))
    found = [function(a, b) for a, b in zip(left.reshape(-1), right.reshape(-1), strict=True)]
    if any(element is None for element in found):
        return None
    result = np.empty(len(found), object)
    result[:] = found
    return result.reshape(left.shape)


_COMPARED: dict[Comparison, Callable[[Any, Any], Any]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}

_DECIDED: dict[Comparison, Callable[[float, float], bool | None]] = {
    "==": lambda low, high: True if low == high == 0 else False if low > 0 or high < 0 else None,
    "!=": lambda low, high: False if low == high == 0 else True if low > 0 or high < 0 else None,
    "<": lambda low, high: True if high < 0 else False if low >= 0 else None,
    "<=": lambda low, high: True if high <= 0 else False if low > 0 else None,
    ">": lambda low, high: True if low > 0 else False if high <= 0 else None,
    ">=": lambda low, high: True if low >= 0 else False if high < 0 else None,
}
"""What follows from the least and the greatest that a difference can be."""
