"""Both sides of a layer while rows carry it over, and what a row is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Literal, TypeAlias

from irconv.codec.native import Given, NativeWeight
from irconv.data_classes import dataclass
from irconv.errors import Refused
from irconv.ir.layers.base import Layer, LiteralOperand, ValueType
from irconv.ir.manifest import LayoutStep, Omitted, Piece

Fields: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class MappedTensor:
    """A native tensor that has found its role, and the steps to its canonical layout."""

    weight: NativeWeight
    native_axes: str
    steps: tuple[LayoutStep, ...]
    piece: Piece | None = None
    """Where the weight is only a piece of the file's tensor."""


@dataclass
class Draft:
    """One layer as the IR spells it, while a codec fills it (decode) or empties it (encode)."""

    layer: type[Layer]
    where: str
    name: str = ""
    """On the way out: the layer's name."""
    types: dict[str, ValueType] = field(default_factory=dict)
    """The types of operands by role, in canonical axes; on the way out, of inputs and results by slot, too."""
    fields: Fields = field(default_factory=dict)
    given: Sequence[ValueType] = ()
    """On the way in: the type of each input that is no operand, in the op's order."""
    inputs: dict[str, str] = field(default_factory=dict)
    """On the way in: slot or role -> value, for ops whose rows say what their inputs are."""
    operands: int = 0
    """On the way in: how many of the positional inputs are operands."""
    mapped: dict[str, MappedTensor] = field(default_factory=dict)
    omitted: list[Omitted] = field(default_factory=list)
    """On the way in: tensors that inference does not use."""
    literals: dict[str, LiteralOperand] = field(default_factory=dict)
    """On the way in: operands that are numbers in the native config."""
    data: dict[str, NativeWeight] = field(default_factory=dict)
    """On the way out: the stored operands by role, in canonical axes, with their keys as paths."""
    input_axes: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Slot -> (axes as the native layer has them, axes as the IR layer takes them)."""
    output_axes: dict[str, tuple[str, str]] = field(default_factory=dict)
    before: dict[str, tuple[Layer, ...]] = field(default_factory=dict)
    """On the way in: slot -> layers of one value that its input goes through first, such as a Cast."""
    after: dict[str, tuple[Layer, ...]] = field(default_factory=dict)
    """On the way in: result -> layers of one value that it goes through last."""

    @property
    def ranks(self) -> list[int]:
        """On the way in: the rank of each input."""
        return [len(value.shape) for value in self.given]

    def refuse(self, what: str, remedy: str = "") -> Refused:
        """An error that names this layer."""
        return Refused(self.where, what, remedy)


@dataclass
class Workpiece:
    """The native side of a codec at work: what is left to be understood, or what has been written so far."""

    config: Fields
    tensors: dict[str, NativeWeight]
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    given: dict[int, list[Given | None]] = field(default_factory=dict)
    """On the way in: the inputs that are those of a row, by its identity."""
    first: Given | None = None
    """On the way in: the first input, where no row stands for it."""

    def taken(self, row: Row) -> Given | None:
        """On the way in: the input that a positional row stands for; None where it is absent."""
        found = self.given.get(id(row), [])
        return found[0] if found else None


class Row:
    """Takes what it knows out of one side and puts it into the other."""

    @property
    def takes_inputs(self) -> Literal["none", "one", "rest"]:
        """How many positional inputs of the op the row stands for; rows stand in the op's order."""
        return "none"

    @property
    def tensor(self) -> str:
        """The native tensor that a positional row stands for, too, where it is given by name; empty for none."""
        return ""

    def reads(self, native: Workpiece) -> bool:
        """On the way in: whether the codec is for these settings and inputs, where several might be."""
        return True

    def decode(self, native: Workpiece, draft: Draft) -> None:
        """Native to IR."""

    def encode(self, draft: Draft, native: Workpiece) -> None:
        """IR to native."""

    @property
    def selecting(self) -> tuple[str, Any] | None:
        """The knob and its value that tell this codec from others of the same native type, if the row is about that."""
        return None

    @property
    def limits(self) -> tuple[str, Any] | None:
        """The field and the one value of it that the codec is for, if the row is about that."""
        return None

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """Whether the row can write an IR layer with these types of inputs and operands; else it is decomposed."""
        return True
