"""What is decided on the way, for ``-v`` and for whoever listens to the logger ``irconv`` at level DEBUG."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from time import perf_counter
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")

LOG = logging.getLogger("irconv")
LOG.addHandler(logging.NullHandler())


def told(text: str, *values: object) -> None:
    """Say something that was decided."""
    LOG.debug(text, *values)


def timed(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """A pass over a bundle that says how long it took and how many nodes it found and left, where anybody listens."""
    name = function.__module__.removeprefix("irconv.").replace("passes.", "").removesuffix(".__init__")

    @wraps(function)
    def inner(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        if not LOG.isEnabledFor(logging.DEBUG):
            return function(*args, **kwargs)
        begin = perf_counter()
        result = function(*args, **kwargs)
        took = 1000 * (perf_counter() - begin)
        told("pass %s: %.1f ms, %s nodes -> %s", name, took, _nodes(args[0]), _nodes(result))
        return result

    return inner


def _nodes(bundle: Any) -> int:
    return len(bundle.graph.nodes) if bundle.graph is not None else 0
