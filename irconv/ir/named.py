"""The layers and tensors of a bundle: a dict by name, in the order of the file, that takes places, too."""

from __future__ import annotations

from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

_Value = TypeVar("_Value")


class Named(dict[str, _Value]):
    """What people expect of a dict; ``named[0]`` and ``named[-1]`` are by place.

    >>> named = Named({"conv": "a", "dense": "b"})
    >>> named["conv"], named[-1], list(named)
    ('a', 'b', ['conv', 'dense'])
    >>> named["dens"]
    Traceback (most recent call last):
    KeyError: "dens: there is no such name; close are 'dense'"
    """

    if TYPE_CHECKING:

        def __getitem__(self, key: str | int) -> _Value: ...  # what a dict does, with `__missing__`

    def __missing__(self, key: object) -> Any:
        """What is asked for by place. Raises `IndexError`, and `KeyError` naming what is alike."""
        if isinstance(key, int) and not isinstance(key, bool):
            place = key if key >= 0 else len(self) + key
            if not 0 <= place < len(self):
                raise IndexError(f"expected a place from 0 to {len(self) - 1}, got {key}")
            return next(islice(self.values(), place, None))
        close = get_close_matches(str(key), self, 3)
        known = f"close are {', '.join(map(repr, close))}" if close else f"there are {len(self)} others"
        raise KeyError(f"{key}: there is no such name; {known}")
