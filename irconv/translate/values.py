"""What an importer knows of values while a model is read: types, contents where they follow from the file, sizes that
turned out to be the same. Asking for a value whose op could not be read raises `Unknown`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from irconv.codec import Given, NativeWeight
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile, Refused
from irconv.ir.dtypes import logical_name, numpy_dtype
from irconv.ir.graph import Node, Port
from irconv.ir.known import KNOWN_ELEMENTS, numeric, settled, with_sizes
from irconv.ir.layers.base import Layer, LiteralOperand, ValueType
from irconv.ir.layers.tensor_ops import Constant
from irconv.ir.manifest import LayoutStep, Piece
from irconv.ir.shapes import Dimension, Shape, counted, substituted, symbols
from irconv.ir.tensors import LazyTensor, cut
from irconv.layout import Array, regrouped, relayout
from irconv.translate.movement import moved
from irconv.translate.storage import count, few

_NARROW = ("int4", "uint4", "int8", "uint8", "int16", "uint16")
"""Integers of quantised weights; sizes are wider."""


class Unknown(Exception):
    """A value was asked for that an op which could not be read would have made."""


@dataclass(frozen=True)
class Pending:
    """A tensor of the file, or a number, that becomes a node when it is first used as a value."""

    weight: NativeWeight
    scope: str
    where: str


class Values:
    """The values made so far, by name."""

    def __init__(self, outer: Values | None = None) -> None:
        self.outer = outer
        self.same: dict[str, Dimension] = {}
        """Symbols that turned out to be other sizes, each with what it is."""
        self.captured: list[str] = []
        """In a body: the values of the outer graph that it takes, which are inputs of it after its own."""
        self.inputs: list[Port] = []
        self.types: dict[str, ValueType] = {}
        self._unknown: set[str] = set()
        self._known: dict[str, Array] = {}
        self._stored: dict[str, NativeWeight] = {}
        self._pending: dict[str, Pending] = {}
        self._counts = 0
        self._constants: set[str] = set()
        """The values that nodes make out of operands alone."""

    def laid_out(self, value: str, name: str, step: LayoutStep) -> str | None:
        """A tensor of the file after one more change of layout, as a value of its own; None where `value` is none."""
        weight = self.stored(value)
        return None if weight is None else self.weight(name, weight.moved(step))

    def piece(self, value: str, name: str, count: int, index: int) -> str | None:
        """One of so many equal pieces of a tensor of the file, cut in C order, as a value of its own; None where
        `value` is no tensor as the file has it, or where it cannot be cut.

        The pieces have the axes of the whole but the first where that is `count`, else its last axis alone, shorter.
        """
        weight = self.stored(value)
        if weight is None or weight.steps or weight.piece or weight.members:
            return None
        first, *rest = weight.data.shape
        groups = regrouped(weight.data.shape, (count, *(rest if first == count else (prod(rest) * first // count,))))
        if groups is None:
            return None
        source, target, sizes = groups
        rows = weight.data.relayout(relayout(source, target, weight.data.shape, None, sizes))
        piece = Piece(index=index, count=count, whole=weight.data.shape)
        return self.weight(name, replace(weight, data=cut(rows, count)[index], piece=piece))

    def type_of(self, value: str) -> ValueType:
        """Element type and shape of a value. Raises `Unknown` where the op that makes it could not be read."""
        if not self._sees(value):
            raise Unknown(value)
        return self.types[value]

    def known(self, value: str) -> Array | None:
        """The elements of a value as far as they are known while reading: numbers in its own element type, or objects
        (numbers and `Size`) where some depend on symbols. None where only running the model would tell."""
        self.type_of(value)
        if value not in self._known and (weight := self._stored.get(value)) is not None:
            if np.prod(weight.data.shape, dtype=object) > KNOWN_ELEMENTS or weight.data.dtype == "string":
                return None
            self._known[value] = weight.data.numpy()
        return self._known.get(value)

    def stored(self, value: str) -> NativeWeight | None:
        """The tensor of the file that a value is, seen through ops that only move bytes; None for any other."""
        self.type_of(value)
        return self._stored.get(value)

    def is_unknown(self, value: str) -> bool:
        """Whether the op that makes a value could not be read."""
        return value in self._unknown

    def has(self, value: str) -> bool:
        """Whether a value is there."""
        return self._sees(value)

    def input(self, port: Port) -> str:
        """An input of the graph. Raises `DamagedFile` where there is a value of this name."""
        if port.value in self.types or port.name in {other.name for other in self.inputs}:
            raise DamagedFile(f"input {port.name}", "expected a name of its own, but another value has it")
        self.inputs.append(port)
        self.types[port.value] = ValueType(port.dtype, port.shape)
        return port.value

    def weight(self, value: str, weight: NativeWeight, scope: str = "", where: str = "") -> str:
        """A tensor of the file as a value; it becomes part of the bundle where something uses it."""
        self._pending[value] = Pending(weight, scope, where or f"tensor {value}")
        self._stored[value] = weight
        self.types[value] = ValueType(weight.data.dtype, weight.data.shape)
        return value

    def constant(self, value: str, array: Array, scope: str = "") -> str:
        """Numbers as a value. Raises `Refused` for an element type that a bundle cannot hold."""
        array = np.asarray(array)
        if logical_name(array.dtype) is None:
            raise Refused(f"constant {value}", f"irconv has no element type for {array.dtype}")
        self.weight(value, NativeWeight(value, LazyTensor.of(array), literal=True, role="constant"), scope)
        if array.size <= KNOWN_ELEMENTS:
            self._known[value] = array
        return value

    def fresh(self, value: str, beside: Collection[str] = ()) -> str:
        """The name of a value, or one like it, that no value has, nor any of those `beside`."""
        number, found = 1, value
        while found in self.types or found in self._unknown or found in beside:
            number += 1
            found = f"{value}_{number}"
        return found

    def counted(self, where: str) -> str:
        """A symbol of its own for how many there are of what only running the model counts. Raises `Refused` in the
        body of a loop, where it would be another in every round."""
        if self.outer is not None:
            raise Refused(
                where, "makes another number of elements in each round of a loop, which irconv does not carry"
            )
        taken = {symbol for port in self.inputs for size in port.shape for symbol in symbols(size)}
        while (symbol := f"u{self._counts}") in taken:
            self._counts += 1
        self._counts += 1
        return symbol

    def typed(self, ports: Sequence[Port]) -> tuple[Port, ...]:
        """Ports with the element types and shapes of their values."""
        return tuple(
            port.model_copy(update={"dtype": self.types[port.value].dtype, "shape": self.types[port.value].shape})
            if port.value in self.types
            else port
            for port in ports
        )

    def resized(self, ports: Sequence[Port]) -> tuple[Port, ...]:
        """Ports with other sizes in the place of the symbols that turned out to be these."""
        return tuple(
            port.model_copy(update={"shape": tuple(substituted(size, self.same) for size in port.shape)})
            for port in ports
        )

    def unify(self, first: Dimension, second: Dimension) -> bool:
        """Take two sizes for the same, where one of them is a symbol; False where neither is."""
        for symbol, other in ((second, first), (first, second)):
            if isinstance(symbol, str) and symbol.isidentifier() and symbol not in symbols(other):
                given = {symbol: other}
                self.same = {name: substituted(size, given) for name, size in self.same.items()} | given
                self.types = {
                    value: ValueType(dtype, tuple(substituted(size, given) for size in shape))
                    for value, (dtype, shape) in self.types.items()
                }
                self._known = {value: with_sizes(found, given) for value, found in self._known.items()}
                return True
        return False

    def _sees(self, value: str) -> bool:
        """Whether a value is there; one of the outer graph is taken in."""
        if value in self.types:
            return True
        if self.outer is None or not self.outer._sees(value):
            return False
        known, stored = self.outer.known(value), self.outer.stored(value)
        if stored is not None:
            self.weight(value, stored)
        elif known is not None and numeric(known):
            self.constant(value, known)
        else:
            self.types[value] = self.outer.types[value]
            self.captured.append(value)
            if known is not None:
                self._known[value] = known
        return True

    def _given(self, value: str) -> Given | None:
        if not value:
            return None
        return Given(value, self.types[value], lambda: self.known(value), self._stored.get(value))

    def _understand(self, layer: Layer, node: Node, given: Mapping[str, ValueType]) -> None:
        """What is known and stored of the results."""
        if list(node.inputs) == ["x"] and node.inputs["x"] in self._stored and list(node.outputs) == ["y"]:
            weight = moved(self._stored[node.inputs["x"]], layer, self.types[node.outputs["y"]].shape)
            if weight is not None:
                self._stored[node.outputs["y"]] = weight
        known = {slot: found for slot, value in node.inputs.items() if (found := self._recalled(value)) is not None}
        for role, operand in layer.operands.items():
            if isinstance(operand, LiteralOperand):
                known[role] = np.asarray(operand.literal, numpy_dtype(operand.dtype))
        if isinstance(layer, Constant):
            self._constants |= set(node.outputs.values())
        # arithmetic on a single size is no array
        folded = {slot: np.asarray(found) for slot, found in (layer.fold(given, known) or {}).items()}
        for slot, value in node.outputs.items():
            if slot in folded and folded[slot].size <= KNOWN_ELEMENTS:
                self._known[value] = settled(folded[slot], self.types[value].dtype)

    def _recalled(self, value: str) -> Array | None:
        """What is known of a value for arithmetic on sizes; weights are no part of it, however few they are."""
        weight = self._stored.get(value)
        if weight is not None and weight.role == "parameter" and "float" in weight.data.dtype and count(weight) > 1:
            return None
        if weight is not None and weight.data.dtype in _NARROW and count(weight) > 1:
            return None
        if value not in self._known and weight is not None and not few(weight) and "int" not in weight.data.dtype:
            return None
        return self.known(value)

    def _unify_broadcast(self, shapes: Sequence[Shape]) -> None:
        """Sizes that meet in broadcasting are the same, unless one of them is 1."""
        for position in range(1, max(map(len, shapes), default=0) + 1):
            first, *others = dict.fromkeys(shape[-position] for shape in shapes if len(shape) >= position)
            if all(isinstance(size, str) for size in (first, *others)):
                for size in others:
                    if _counted(first) == _counted(size):  # how many were counted is seldom the size of an input
                        self.unify(first, size)


def _counted(size: Dimension) -> bool:
    return any(map(counted, symbols(size)))


def named_apart(ports: Sequence[Port]) -> list[Port]:
    """The ports, with a number where another has the name: a program may give one value twice."""
    named: dict[str, Port] = {}
    for port in ports:
        name, again = port.name, 0
        while name in named:
            again += 1
            name = f"{port.name}_{again}"
        named[name] = port if name == port.name else port.model_copy(update={"name": name})
    return list(named.values())
