"""The one boundary: nothing but an `IrconvError` leaves `irconv.api`, whatever the files hold."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from threading import Lock
from typing import ParamSpec, TypeVar

from irconv.errors import DamagedFile, Fault, IrconvError, Refused, as_value

_P = ParamSpec("_P")
_R = TypeVar("_R")

PLUGIN = "irconv_plugin_"
"""What the names of modules begin with that are plugins of the user."""


def bounded(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function, whose errors are all `IrconvError`: what the user's plugin raised is refused with its place, what
    the system says of files and memory is said, and the rest is irconv's own `Fault`, which keeps its cause. All but
    the faults are errors that Python has, too (`irconv.errors.as_value`)."""

    @wraps(function)
    def inner(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            with _deep_enough():
                return function(*args, **kwargs)
        except IrconvError as error:
            as_value(error)
            raise
        except Exception as error:
            if isinstance(error, TypeError) and _never_began(error):
                raise  # Python's own word for a call with other arguments
            found = within(error)
            as_value(found)
            raise found from error

    return inner


def _never_began(error: TypeError) -> bool:
    """Whether no line of the function that was called has run."""
    trace = error.__traceback__
    return trace is not None and trace.tb_next is None


_CALLS = 4000
"""Calls within calls: a model in a model takes about five of them, and 1000, Python's own limit, are soon used up."""
_lock = Lock()
_inside: list[int] = []
"""What the limit was, once for each call that is going on, of any thread."""


@contextmanager
def _deep_enough() -> Iterator[None]:
    """Room for models that are nested some hundreds deep; the limit is what it was when the last call has ended."""
    with _lock:
        _inside.append(_inside[0] if _inside else sys.getrecursionlimit())
        sys.setrecursionlimit(max(_inside[0], _CALLS))
    try:
        yield
    finally:
        with _lock:
            usual = _inside.pop()
            if not _inside:
                sys.setrecursionlimit(usual)


def within(error: Exception) -> IrconvError:
    """An error of another kind as one of irconv's."""
    if (place := plugin_place(error)) is not None:
        return Refused(f"--plugin {place}", f"raised {_said(error)}", "Mend the plugin.")
    if isinstance(error, MemoryError):
        return Refused("model", "takes more memory than there is")
    if isinstance(error, RecursionError):
        return Refused("model", "is nested deeper than irconv can follow")
    if isinstance(error, OSError) and error.filename is not None:
        return DamagedFile(str(error.filename), f"cannot be read: {error.strerror or error}")
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "irconv"
    return Fault(where, _said(error))


def plugin_place(error: BaseException) -> str | None:
    """The file and line of a plugin in which an error arose, innermost; None where no plugin has to do with it."""
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        if str(frame.f_globals.get("__name__", "")).startswith(PLUGIN):
            found = f"{frame.f_code.co_filename}, line {line}"
    return found


def _said(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
