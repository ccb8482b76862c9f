"""Rows of settings: a knob that both sides have, that one side has not, or that follows from the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from irconv.codec import Draft, Row, Workpiece
from irconv.data_classes import dataclass


@dataclass(frozen=True)
class Iso:
    """Two functions, each the inverse of the other."""

    decode: Callable[[Any], Any]
    encode: Callable[[Any], Any]


SAME = Iso(lambda value: value, lambda value: value)
TUPLE = Iso(tuple, list)


def choices(**pairs: Any) -> Iso:
    """An iso between native words and IR values. Raises `ValueError` for a word or value that is not listed."""

    def decode(word: Any) -> Any:
        if word not in pairs:
            raise ValueError(f"expected one of {', '.join(pairs)}, got {word!r}")
        return pairs[word]

    def encode(value: Any) -> Any:
        for word, meaning in pairs.items():
            if meaning == value:
                return word
        raise ValueError(f"expected one of {', '.join(map(repr, pairs.values()))}, got {value!r}")

    return Iso(decode, encode)


@dataclass(frozen=True)
class Attribute(Row):
    """A knob that both sides have. Its IR field has the same name unless said otherwise."""

    native: str
    field: str = ""
    iso: Iso = SAME

    def decode(self, native: Workpiece, draft: Draft) -> None:
        if self.native not in native.config:
            raise draft.refuse(f"expected the setting {self.native!r}, which is missing")
        draft.fields[self.field or self.native] = through(
            draft, self.native, self.iso.decode, native.config.pop(self.native)
        )

    def encode(self, draft: Draft, native: Workpiece) -> None:
        value = draft.fields.pop(self.field or self.native)
        native.config[self.native] = through(draft, self.field or self.native, self.iso.encode, value)


@dataclass(frozen=True)
class OptionalAttribute(Row):
    """A setting that is left out where the IR has None."""

    native: str
    field: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields[self.field] = native.config.pop(self.native, None)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if (value := draft.fields.pop(self.field)) is not None:
            native.config[self.native] = value


@dataclass(frozen=True)
class Fixed(Row):
    """A native knob the IR has no word for. It must hold this value."""

    native: str
    value: Any

    def reads(self, native: Workpiece) -> bool:
        """See `Row.reads`: of several codecs, those that hold another value are passed over."""
        return bool(native.config.get(self.native, self.value) == self.value)

    def decode(self, native: Workpiece, draft: Draft) -> None:
        if (got := native.config.pop(self.native, self.value)) != self.value:
            raise draft.refuse(f"expected {self.native}={self.value!r}, got {got!r}, which irconv cannot carry over")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config[self.native] = self.value


@dataclass(frozen=True)
class Selects(Fixed):
    """A `Fixed` knob that tells this codec from others of the same native type."""

    @property
    def selecting(self) -> tuple[str, Any]:
        """See `Row.selecting`."""
        return self.native, self.value


@dataclass(frozen=True)
class Only(Row):
    """An IR field the framework has no knob for. It must hold this value."""

    field: str
    value: Any

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields[self.field] = self.value

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if (got := draft.fields.pop(self.field)) != self.value:
            raise draft.refuse(f"can only be written with {self.field}={self.value!r}, got {got!r}")

    @property
    def limits(self) -> tuple[str, Any]:
        """See `Row.limits`."""
        return self.field, self.value


@dataclass(frozen=True)
class Forgotten(Row):
    """An IR field without effect on inference, which a framework has no word for."""

    field: str
    value: Any

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields[self.field] = self.value

    def encode(self, draft: Draft, native: Workpiece) -> None:
        draft.fields.pop(self.field)


@dataclass(frozen=True)
class Derived(Row):
    """A native knob that follows from the rest: computed when written, checked against the weights when read."""

    native: str
    rule: Callable[[Draft], Any]

    def decode(self, native: Workpiece, draft: Draft) -> None:
        got, want = native.config.pop(self.native), self.rule(draft)
        if got != want:
            raise draft.refuse(f"{self.native} is {got!r}, but the weights say {want!r}")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config[self.native] = self.rule(draft)


@dataclass(frozen=True)
class Ignored(Row):
    """Native knobs without effect on inference. Listed, so that nothing else is ever dropped."""

    names: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        for name in self.names.split():
            native.config.pop(name, None)


@dataclass(frozen=True)
class Counted(Row):
    """How many elements a layer makes, which no framework says: only running the model tells."""

    field: str = "count"

    def decode(self, native: Workpiece, draft: Draft) -> None:
        raise draft.refuse("makes as many elements as the numbers it is given say, which this reader does not count")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        draft.fields.pop(self.field)


def through(draft: Draft, name: str, function: Callable[[Any], Any], value: Any) -> Any:
    """Apply one side of an iso; what it cannot take is refused under the layer's name."""
    try:
        return function(value)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise draft.refuse(f"{name}: {error}") from error
