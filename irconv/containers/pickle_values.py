"""What a pickle becomes: plain values, and inert stand-ins for what would be classes, functions and objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from irconv.data_classes import dataclass


@dataclass(frozen=True)
class Global:
    """The name of a class or function that a pickle mentions. Nothing is looked up or imported."""

    module: str
    name: str

    @property
    def dotted(self) -> str:
        """Module and name, in today's spelling (``builtins.set``, ``numpy.core.multiarray.scalar``)."""
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Instance:
    """An object of a class that is not plain data: what its pickle says, and no behaviour."""

    cls: Global
    arguments: tuple[Any, ...] = ()
    """What the class, or the function that makes it, would have been called with."""
    state: Any = None
    """What would have been set on it: nearly always a dict, its ``__dict__``."""
    elements: list[Any] = field(default_factory=list)
    """What would have been appended to it."""
    items: dict[Any, Any] = field(default_factory=dict)
    """What would have been put into it by key."""

    @property
    def attributes(self) -> dict[str, Any]:
        """The state as attributes: a dict, or the pair of a dict and a dict of slots; empty for any other state."""
        parts = self.state if isinstance(self.state, tuple) and len(self.state) == 2 else (self.state,)
        found: dict[str, Any] = {}
        for part in parts:
            if isinstance(part, dict):
                found |= {key: value for key, value in part.items() if isinstance(key, str)}
        return found


class OrderedItems(dict[Any, Any]):
    """An ``OrderedDict`` (or another dict with attributes); `state` is what would have been set on it."""

    __slots__ = ("state",)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.state: Any = None


class Draft:
    """An object that is only complete when its state is known, and is replaced by what `build` returns."""

    def build(self, state: Any) -> Any:
        """The finished value. Raises `ValueError` or `TypeError` for a state that does not fit."""
        raise NotImplementedError


class StreamDraft(Draft):
    """A draft whose data stands in the file between the opcodes, behind the one that gives it its state."""

    def read(self, state: Any, take: Callable[[int], bytes], following: Callable[[], Any]) -> Any:
        """The finished value, from the next bytes and the value of the next pickle. Raises as `build` does."""
        raise NotImplementedError


def _never(_: str) -> bool:
    return False


@dataclass(frozen=True)
class Rules:
    """What a pickle may hold besides plain data; everything else is refused by its dotted name."""

    builders: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    """Dotted name -> the reader's own function that makes plain data of the arguments; added to the usual ones."""
    classes: Callable[[str], bool] = _never
    """Whether a dotted name may be mentioned, and objects of it made as an `Instance`."""
    mentions: Callable[[str], bool] = _never
    """Whether a dotted name may stand where nothing is made of it: a name is text."""
    calls: Callable[[str], bool] = _never
    """Whether a call of it may become an `Instance` with the arguments; nothing is called."""
    persistent: Callable[[Any], Any] | None = None
    """What a persistent id (a reference to data outside the pickle) stands for."""
