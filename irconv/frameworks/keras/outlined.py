"""The parts of a Keras model on its way out: layers, their calls, and the models that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, TypeAlias

from irconv.codec import NativeWeight
from irconv.data_classes import dataclass
from irconv.frameworks.keras.builder import Value
from irconv.ir.layers.base import Origin, ValueType

Argument: TypeAlias = Any
"""`Value`, `LazyTensor` (a constant), a list of such, or plain data."""


@dataclass
class Call:
    """One call of a layer."""

    arguments: list[Argument]
    outputs: tuple[Value, ...]
    keywords: dict[str, Argument] = field(default_factory=dict)
    scope: str = ""


@dataclass
class Outlined:
    """A layer, an operator (its kind begins with ``ops.``), or a model inside the model."""

    kind: str
    name: str
    config: dict[str, Any]
    weights: dict[str, NativeWeight]
    """By local name, as in `irconv.frameworks.keras.builder.KerasLayer`."""
    calls: list[Call] = field(default_factory=list)
    origin: Origin | None = None
    model: Outline | None = None


@dataclass
class Outline:
    """A model: layers in an order in which each call comes after those it depends on."""

    name: str
    layers: list[Outlined]
    inputs: list[Value]
    outputs: list[Value]
    types: Mapping[str, ValueType]
    sequential: bool = False

    def makers(self) -> dict[str, tuple[Outlined, int, int]]:
        """Value -> (layer, which call, which output)."""
        return {
            value: (layer, index, position)
            for layer in self.layers
            for index, call in enumerate(layer.calls)
            for position, value in enumerate(call.outputs)
        }


def values_in(argument: Argument) -> list[Value]:
    """The values that an argument refers to, in order."""
    if isinstance(argument, Value):
        return [argument]
    if isinstance(argument, Mapping):
        return [value for part in argument.values() for value in values_in(part)]
    if isinstance(argument, list | tuple):
        return [value for part in argument for value in values_in(part)]
    return []
