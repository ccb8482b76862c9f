"""One model of a package: where it is built, and how."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """One model."""

    environment: str
    make: Callable[[], Any]


def keras_of(environment: str) -> Any:
    """Keras itself, in an environment."""
    if environment == "keras3":
        return importlib.import_module("keras")
    return importlib.import_module("tensorflow").keras
