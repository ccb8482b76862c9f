"""Rows of the values that an op takes and gives by position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from irconv.codec import Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.ir.layers.base import Layer, ValueType


@dataclass(frozen=True)
class Input(Row):
    """An input of an op whose inputs are positional; rows stand in the op's order."""

    slot: str

    @property
    def takes_inputs(self) -> Literal["one"]:
        """See `Row.takes_inputs`."""
        return "one"

    def decode(self, native: Workpiece, draft: Draft) -> None:
        if (given := native.taken(self)) is not None:
            draft.inputs[self.slot] = given.value

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.inputs.append(self.slot)


@dataclass(frozen=True)
class Inputs(Row):
    """All inputs of an op that takes any number, as far as other rows do not stand for them."""

    @property
    def takes_inputs(self) -> Literal["rest"]:
        """See `Row.takes_inputs`."""
        return "rest"

    def decode(self, native: Workpiece, draft: Draft) -> None:
        given = native.given.get(id(self), [])
        draft.inputs |= {f"x{i}": value.value for i, value in enumerate(given) if value is not None}

    def encode(self, draft: Draft, native: Workpiece) -> None:
        count = sum(slot[:1] == "x" and slot[1:].isdigit() for slot in draft.types)
        native.inputs += [f"x{i}" for i in range(count)]


@dataclass(frozen=True)
class Output(Row):
    """A result of an op with several, some optional; rows stand in the op's order."""

    slot: str

    def encode(self, draft: Draft, native: Workpiece) -> None:
        native.outputs.append(self.slot)


@dataclass(frozen=True)
class InputCount(Row):
    """The native op takes exactly this many values."""

    count: int

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if (given := sum(slot.startswith("x") for slot in draft.types)) != self.count:
            raise draft.refuse(f"can only be written with {self.count} inputs, got {given}")

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See `Row.takes`."""
        return sum(slot.startswith("x") for slot in given) == self.count
