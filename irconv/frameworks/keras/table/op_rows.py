"""Rows of operators: defaults, element types as Keras promotes them, axes that may be None or a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

from irconv.codec import Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.tensor_ops import Reshape
from irconv.ir.shapes import Dimension, size_product
from irconv.rows import Ignored, through

EVERY_OP = Ignored("name trainable dtype")

_FLOATS = ("float16", "bfloat16", "float32", "float64")
_INTEGERS = ("int32", "int64")


@dataclass(frozen=True)
class Defaults(Row):
    """Arguments that a call need not give. It stands first."""

    values: Mapping[str, Any] = field(default_factory=dict)

    def decode(self, native: Workpiece, draft: Draft) -> None:
        for name, value in self.values.items():
            if native.config.get(name) is None:
                native.config[name] = value


def promoted(draft: Draft, dtypes: Sequence[str]) -> str:
    """The element type of a result of values with these; bools and integers give way to floats."""
    distinct = list(dict.fromkeys(dtypes))
    if len(distinct) == 1:
        return distinct[0]
    floats = [dtype for dtype in _FLOATS if dtype in distinct]
    if floats:
        if {"float16", "bfloat16"} <= set(floats):
            return "float32"
        return floats[-1]
    if set(distinct) <= {"bool", *_INTEGERS}:
        return [dtype for dtype in _INTEGERS if dtype in distinct][-1]
    raise draft.refuse(f"mixes values of {', '.join(distinct)}, and what their common type is depends on the version")


def _slots(draft: Draft) -> list[str]:
    return list(draft.layer.SLOTS) or [f"x{i}" for i in range(len(draft.given))]


@dataclass(frozen=True)
class Promoted(Row):
    """Inputs of different element types are cast to the common one; all of them to a float where `floats`."""

    floats: bool = False
    leave: tuple[str, ...] = ()
    """Slots that keep their own type."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        mixed = {
            slot: value.dtype for slot, value in zip(_slots(draft), draft.given, strict=False) if slot not in self.leave
        }
        common = promoted(draft, list(mixed.values())) if mixed else ""
        if self.floats and common not in _FLOATS:
            common = "float32"
        for slot, dtype in mixed.items():
            if dtype != common:
                draft.before[slot] = (*draft.before.get(slot, ()), Cast(dtype=common))


@dataclass(frozen=True)
class CastInput(Row):
    """An input that is always of this type."""

    slot: str
    dtype: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        given = dict(zip(_slots(draft), draft.given, strict=False))
        if given[self.slot].dtype != self.dtype:
            draft.before[self.slot] = (*draft.before.get(self.slot, ()), Cast(dtype=self.dtype))


@dataclass(frozen=True)
class OfFloats(Row):
    """On the way out the operator is for floats: of integers it makes floats, which is another function."""

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return "float" in given["x0"].dtype


@dataclass(frozen=True)
class IntegerInput(Row):
    """An input that is an index: floats are cut off."""

    slot: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        given = dict(zip(_slots(draft), draft.given, strict=False))
        if given[self.slot].dtype not in _INTEGERS:
            draft.before[self.slot] = (*draft.before.get(self.slot, ()), Cast(dtype="int64"))


@dataclass(frozen=True)
class CastResult(Row):
    """A result whose type is another in Keras than in the IR."""

    slot: str
    dtype: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.after[self.slot] = (Cast(dtype=self.dtype),)


@dataclass(frozen=True)
class AnyAxes(Row):
    """One axis, a list, or None for all of them, the batch included."""

    native: str = "axis"
    field: str = "axes"

    def decode(self, native: Workpiece, draft: Draft) -> None:
        given, rank = native.config.pop(self.native, None), draft.ranks[0]
        axes = list(range(rank)) if given is None else [given] if isinstance(given, int) else list(given)
        if not all(isinstance(axis, int) and -rank <= axis < rank for axis in axes):
            raise draft.refuse(f"expected {self.native} between {-rank} and {rank - 1}, got {given!r}")
        draft.fields[self.field] = tuple(sorted(axis % rank for axis in axes))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config[self.native] = list(draft.fields.pop(self.field))


@dataclass(frozen=True)
class AxisOrFlat(Row):
    """One axis, or None for the value as one long vector."""

    field: str = "axis"
    slot: str = "x"

    def decode(self, native: Workpiece, draft: Draft) -> None:
        axis, rank = native.config.pop("axis", None), draft.ranks[0]
        if axis is None:
            draft.before[self.slot] = (Reshape(shape=(size_product(draft.given[0].shape).dimension,)),)
            axis, rank = 0, 1
        if not isinstance(axis, int) or not -rank <= axis < rank:
            raise draft.refuse(f"expected axis between {-rank} and {rank - 1}, got {axis!r}")
        draft.fields[self.field] = axis % rank

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.config["axis"] = draft.fields.pop(self.field)


@dataclass(frozen=True)
class Computed(Row):
    """A field that follows from settings and the types of the inputs by a rule, and the settings that say it again.

    `names` are the settings that `rule` takes and `back` gives.
    """

    field: str
    names: tuple[str, ...]
    rule: Callable[..., Any]
    back: Callable[[Any], tuple[Any, ...]]

    def decode(self, native: Workpiece, draft: Draft) -> None:
        settings = {name: native.config.pop(name, None) for name in self.names}
        try:
            draft.fields[self.field] = self.rule(draft.given, **settings)
        except (ValueError, TypeError, IndexError) as error:
            raise draft.refuse(f"{', '.join(self.names)}: {error}") from error

    def encode(self, draft: Draft, native: Workpiece) -> None:
        settings = through(draft, self.field, self.back, draft.fields.pop(self.field))
        native.config |= dict(zip(self.names, settings, strict=True))


def listed(values: Sequence[Any]) -> tuple[list[Any]]:
    """Numbers as a list, the one setting of a `Computed`. Raises `ValueError` for sizes that the graph computes."""
    if unknown := [value for value in values if isinstance(value, str)]:
        raise ValueError(f"Keras takes numbers, got {', '.join(unknown)}")
    return ([list(value) if isinstance(value, tuple) else value for value in values],)


def axis_of(given: Sequence[ValueType], axis: int, more: int = 0) -> int:
    """An axis counted from 0, of the first input with so many axes more. Raises `ValueError`."""
    rank = len(given[0].shape) + more
    if isinstance(axis, bool) or not isinstance(axis, int) or not -rank <= axis < rank:
        raise ValueError(f"expected an axis between {-rank} and {rank - 1}, got {axis!r}")
    return axis % rank


def size_along(given: Sequence[ValueType], axis: int) -> Dimension:
    """The size of the first input along an axis."""
    return given[0].shape[axis_of(given, axis)]
