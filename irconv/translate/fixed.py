"""Values that the user gives inputs of a graph (``--fix NAME=VALUE``)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from irconv.errors import MissingFact
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.shapes import Shape, static
from irconv.layout import Array


def given_values(wishes: Sequence[str]) -> dict[str, Any]:
    """Name -> number, truth value or nested lists of them.

    >>> given_values(["rate=16000", "training=false", "scale=[1.5, 2]"])
    {'rate': 16000, 'training': False, 'scale': [1.5, 2]}

    Raises `MissingFact` for text that is none of these.
    """
    found: dict[str, Any] = {}
    for wish in wishes:
        name, equals, text = wish.partition("=")
        try:
            value = json.loads(text.lower() if text.lower() in ("true", "false") else text)
        except ValueError:
            value = None
        if not equals or not name or not _is_numbers(value):
            raise MissingFact(f"--fix {wish}", "expected NAME=VALUE with a number, true, false or a list of numbers")
        found[name] = value
    return found


def as_array(name: str, value: Any, dtype: str, shape: Shape) -> Array:
    """A value as an input of this type: one number stands for every element. Raises `MissingFact` where it does not
    fit."""
    array, wanted = np.asarray(value, numpy_dtype(dtype)), static(shape)
    if array.shape == wanted or (wanted is None and array.ndim == len(shape)):
        return array
    if array.size == 1 and wanted is not None:
        return np.broadcast_to(array.reshape(()), wanted)
    raise MissingFact(f"--fix {name}", f"expected a value of shape {shape}, got one of {array.shape}")


def _is_numbers(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(map(_is_numbers, value))
    return isinstance(value, bool | int | float)
