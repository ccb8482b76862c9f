"""The layers and tensors of a bundle: a dict by name, in the order of the file, that takes places, too."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import field
from difflib import get_close_matches
from itertools import islice
from operator import index
from typing import TYPE_CHECKING, Any, Generic, SupportsIndex, TypeVar, overload

_Value = TypeVar("_Value")


class Named(dict[str, _Value]):
    """What people expect of a dict; ``named[0]`` and ``named[-1]`` are by place, and ``named[:2]`` is a list.

    >>> named = Named({"conv": "a", "dense": "b"})
    >>> named["conv"], named[-1], named[1:], list(named)
    ('a', 'b', ['b'], ['conv', 'dense'])
    >>> named["dens"]
    Traceback (most recent call last):
    KeyError: "dens: there is no such name; close are 'dense'"
    """

    if TYPE_CHECKING:  # what a dict does, with `__missing__`

        @overload
        def __getitem__(self, key: str | SupportsIndex) -> _Value: ...
        @overload
        def __getitem__(self, key: slice) -> list[_Value]: ...
        def __getitem__(self, key: Any) -> Any: ...

    elif sys.version_info < (3, 12):  # slices have no hash

        def __getitem__(self, key: object) -> Any:
            return self.__missing__(key) if isinstance(key, slice) else super().__getitem__(key)

    def __missing__(self, key: object) -> Any:
        """What is asked for by place. Raises `IndexError`, and `KeyError` naming what is alike."""
        if isinstance(key, slice):
            return list(self.values())[key]
        if isinstance(key, SupportsIndex) and not isinstance(key, bool):
            place = index(key)
            place = place if place >= 0 else len(self) + place
            if not 0 <= place < len(self):
                raise IndexError(f"expected a place from 0 to {len(self) - 1}, got {key}")
            return next(islice(self.values(), place, None))
        close = get_close_matches(str(key), self, 3)
        known = f"close are {', '.join(map(repr, close))}" if close else f"there are {len(self)} others"
        raise KeyError(f"{key}: there is no such name; {known}")


if TYPE_CHECKING:

    class Places(Generic[_Value]):
        """A field of a dataclass that takes any mapping and is `Named`, in the words of a type checker."""

        @overload
        def __get__(self, owner: None, kind: type) -> Places[_Value]: ...
        @overload
        def __get__(self, owner: object, kind: type) -> Named[_Value]: ...
        def __get__(self, owner: Any, kind: type) -> Any: ...
        def __set__(self, owner: object, value: Mapping[str, _Value]) -> None: ...


def nothing_named() -> Any:
    """The default of such a field: nothing."""
    return field(default_factory=Named)
