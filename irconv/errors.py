"""Everything irconv raises on purpose.

    IrconvError                 caught by the command line, printed, exit code 3
    ├── UnknownFormat           no reader recognises the bytes, or no writer the suffix
    │   └── NoSuchFile          there is no such file; a FileNotFoundError, too
    ├── DamagedFile             the bytes are not what they claim to be
    ├── Refused                 readable, but it cannot be carried over without changing what it computes
    ├── MissingFact             the file does not say it; a flag must
    ├── UnusedOption            what was asked for would have no effect on this file
    ├── BundleInvalid           a bundle that breaks its own format
    ├── Fault                   irconv's own, to be reported; exit code 70
    ├── Disagreement            what was to be written predicts something else than its source: exit code 1
    └── OutputFailed            could not be written whole
        └── OutputExists        the destination exists; a FileExistsError, too

Every error carries all of its reasons at once, each a `Problem`; its text is one line per problem:
``where: expected what, got what. What to do.``

The problems speak of flags, as the command line prints them; the text of an error, which Python shows, of arguments.
What leaves `irconv.api` is a `ValueError`, too, where it is no `OSError`: whoever expects one catches it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from irconv.data_classes import dataclass
from irconv.wording import in_python

__all__ = [
    "BundleInvalid",
    "DamagedFile",
    "Disagreement",
    "Fault",
    "IrconvError",
    "MissingFact",
    "NoSuchFile",
    "OutputExists",
    "OutputFailed",
    "Problem",
    "Problems",
    "Refused",
    "UnknownFormat",
    "UnusedOption",
]


#: What Python raises where foreign data lacks a key or holds another kind of value than its format says. Readers catch
#: these at their boundary and name the place.
MALFORMED = (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError)


@dataclass(frozen=True)
class Problem:
    """One reason: the place it was found, what was expected and found there, and what the user can do."""

    where: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{self.where}: {self.what}.{remedy}"

    def in_python(self) -> Problem:
        """The same, where it speaks of flags of the command line, with the arguments of `irconv.api`."""
        return Problem(in_python(self.where, whole=True), in_python(self.what), in_python(self.remedy))


class IrconvError(Exception):
    """The root of every error that irconv raises on purpose; `problems` holds all reasons."""

    def __init__(self, where: str | Iterable[Problem], what: str = "", remedy: str = "") -> None:
        self.problems = (Problem(where, what, remedy),) if isinstance(where, str) else tuple(where)
        super().__init__("\n".join(map(str, self.problems)))

    def __str__(self) -> str:
        """All reasons in the words of Python, a line each."""
        return "\n".join(str(problem.in_python()) for problem in self.problems)

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (kind_of(self), self.problems, isinstance(self, ValueError))


class UnknownFormat(IrconvError):
    """No reader recognises these bytes, or no writer this destination."""


class NoSuchFile(UnknownFormat, FileNotFoundError):
    """There is no file or folder of this name."""


class DamagedFile(IrconvError):
    """A file whose content contradicts its own format: truncated, overlapping, out of range."""


class Refused(IrconvError):
    """A model that irconv can read but not carry over without changing what it computes."""


class MissingFact(IrconvError):
    """A fact the file does not state and irconv will not guess; the remedy names the flag that states it."""


class UnusedOption(IrconvError):
    """An option that the reader or writer of this file does not honour, so that it would be dropped without a word."""


class BundleInvalid(IrconvError):
    """A bundle that breaks its own format: schema, digests or shapes."""


class Disagreement(IrconvError):
    """A conversion whose result predicts something else than its source; nothing was written.

    `reports` are those of `irconv.verification.check`, one for each runtime.
    """

    reports: tuple[Any, ...] = ()


class Fault(IrconvError):
    """Something that irconv did not foresee: its own fault, whatever the file holds. `__cause__` is what was raised."""


class OutputFailed(IrconvError):
    """The destination already exists, or could not be written whole."""


class OutputExists(OutputFailed, FileExistsError):
    """The destination exists, and nobody asked for it to be replaced."""


class Problems:
    """Collects the problems of many layers so that the user sees all of them at once.

    >>> problems = Problems()
    >>> with problems.collect():
    ...     raise Refused("layer a", "expected x, got y")
    >>> problems.raise_any()
    Traceback (most recent call last):
    irconv.errors.Refused: layer a: expected x, got y.
    """

    def __init__(self) -> None:
        self._kinds: list[type[IrconvError]] = []
        self._problems: dict[Problem, None] = {}

    def add(self, where: str, what: str, remedy: str = "", kind: type[IrconvError] = Refused) -> None:
        """Note one problem and go on."""
        self._kinds.append(kind)
        self._problems[Problem(where, what, remedy)] = None

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Note the problems of any `IrconvError` raised inside the block and go on after it."""
        try:
            yield
        except IrconvError as error:
            self._kinds.append(kind_of(error))
            self._problems |= dict.fromkeys(error.problems)

    def __bool__(self) -> bool:
        return bool(self._problems)

    def all(self) -> tuple[Problem, ...]:
        """Everything noted so far, each once."""
        return tuple(self._problems)

    def raise_any(self) -> None:
        """Raise everything noted so far as one error; of several kinds, `Refused` speaks for all."""
        if self._problems:
            kind = self._kinds[0] if len(set(self._kinds)) == 1 else Refused
            raise kind(self._problems)


def kind_of(error: IrconvError) -> type[IrconvError]:
    """The class of an error of this module, whatever `as_value` has made of it."""
    kind = type(error)
    return kind.__mro__[1] if kind.__dict__.get(_VALUED) else kind


def as_value(error: IrconvError) -> None:
    """Make an error a `ValueError`, too, unless it is one that Python has another class for, or irconv's own fault."""
    if not isinstance(error, ValueError | OSError | Fault | OutputFailed):
        object.__setattr__(error, "__class__", _valued(type(error)))


_VALUED = "_valued"


_VALUES: dict[type[IrconvError], type[IrconvError]] = {}


def _valued(kind: type[IrconvError]) -> type[IrconvError]:
    if kind not in _VALUES:
        about = {"__doc__": kind.__doc__, "__module__": kind.__module__, _VALUED: True}
        _VALUES[kind] = type(kind.__name__, (kind, ValueError), about)
    return _VALUES[kind]


def _again(kind: type[IrconvError], problems: tuple[Problem, ...], value: bool) -> IrconvError:
    """An error from another process."""
    error = kind(problems)
    if value:
        as_value(error)
    return error
