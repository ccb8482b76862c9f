"""Data classes that are made in a third of the time that Python needs for its own.

`dataclasses.dataclass` writes up to six functions for each class and has Python compile them: for the 180 classes of a
conversion that is a sixth of all that it takes. Here `__init__` alone is compiled; how instances are compared, hashed,
shown and kept from changes is the same few functions for all. To type checkers, and to what looks through fields
(`dataclasses.fields`, `replace`, `asdict`), the classes are Python's own.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, eq=True, repr=True, slots=False):
        """See `dataclasses.dataclass`; classes with `slots` are made by it. An instance that is `frozen` raises
        `dataclasses.FrozenInstanceError` when it is assigned to."""

        def made(cls):
            if slots:
                return dataclasses.dataclass(cls, frozen=frozen, eq=eq, repr=repr, slots=slots)
            return _made(cls, frozen, eq, repr)

        return made if cls is None else made(cls)


def _made(cls: type[Any], frozen: bool, eq: bool, shown: bool) -> type[Any]:
    own = vars(cls)
    kept = {name: own[name] for name in ("__eq__", "__hash__", "__repr__") if name in own}
    dataclasses.dataclass(cls, init=False, eq=False, repr=False)
    fields = dataclasses.fields(cls)
    compared = tuple(field.name for field in fields if field.compare)
    methods: dict[str, Any] = {"__init__": _initialiser(cls, fields)}
    if eq:
        cls._irconv_compared = attrgetter(*compared) if compared else lambda _: ()
        methods |= {"__eq__": _eq, "__hash__": _hash if frozen else None}
    if shown:
        cls._irconv_shown = tuple(field.name for field in fields if field.repr)
        methods["__repr__"] = _repr
    if frozen:
        methods |= {"__setattr__": _assigned, "__delattr__": _deleted}
    for name, method in (methods | kept).items():
        setattr(cls, name, method)
    return cls


def _initialiser(cls: type[Any], fields: tuple[dataclasses.Field[Any], ...]) -> Any:
    """The function that Python would write: fields in their order, each with what it is where it is not given."""
    names: dict[str, Any] = {"_set": object.__setattr__, "_missing": dataclasses.MISSING}
    parameters, lines = ["self"], []
    for field in fields:
        name, value = field.name, field.name
        if field.default_factory is not dataclasses.MISSING:
            names[f"_make_{name}"] = field.default_factory
            value = f"_make_{name}() if {name} is _missing else {name}" if field.init else f"_make_{name}()"
            parameters += [f"{name}=_missing"] * field.init
        elif field.default is not dataclasses.MISSING:
            names[f"_default_{name}"] = field.default
            parameters += [f"{name}=_default_{name}"] * field.init
        elif field.init:
            parameters.append(name)
        if field.init or field.default_factory is not dataclasses.MISSING:
            lines.append(f"_set(self, {name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    body = "".join(f"\n {line}" for line in lines or ["pass"])
    exec(f"def __init__({', '.join(parameters)}):{body}", names)
    made = names["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _eq(self: Any, other: object) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    compared = _kind(self)._irconv_compared
    return compared(self) == compared(other)


def _hash(self: Any) -> int:
    return hash(_kind(self)._irconv_compared(self))


@recursive_repr()
def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in _kind(self)._irconv_shown)
    return f"{type(self).__qualname__}({shown})"


def _kind(made: object) -> Any:
    return type(made)


def _assigned(self: Any, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _deleted(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
