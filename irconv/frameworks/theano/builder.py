"""A Theano model while it is normalised: what has been placed so far, with the type of every value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from irconv.codec import Given, Native, NativeModel, NativeUse, NativeWeight
from irconv.data_classes import dataclass
from irconv.errors import MALFORMED, MissingFact, Problems, Refused
from irconv.frameworks.theano.architecture import Architecture
from irconv.frameworks.theano.kinds import Described
from irconv.frameworks.theano.table import TABLE
from irconv.frameworks.theano.weights import Weights, check_shapes
from irconv.ir.graph import Port
from irconv.ir.layers.base import Origin, ValueType
from irconv.ir.shapes import Dimension


@dataclass
class Builder:
    """What has been placed so far, and the ways to add to it."""

    architecture: Architecture
    weights: Weights
    problems: Problems = field(default_factory=Problems)
    layers: dict[str, Native] = field(default_factory=dict)
    uses: list[NativeUse] = field(default_factory=list)
    where: dict[str, str] = field(default_factory=dict)
    types: dict[str, ValueType] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    """The name of an input or layer in the architecture -> the value it has become."""
    inputs: list[Port] = field(default_factory=list)

    def model(self) -> NativeModel:
        """What has been placed, with the outputs of the architecture."""
        ports = tuple(
            Port(name=port.name, value=self.values[port.layer], dtype="", shape=(), axes="", source_axes="")
            for port in self.architecture.outputs
        )
        return NativeModel(self.layers, tuple(self.uses), tuple(self.inputs), ports, self.where)


@dataclass
class Part:
    """One layer of the architecture while it is taken apart."""

    builder: Builder
    layer: Described
    where: str
    _placed: int = 0

    @property
    def inputs(self) -> list[str]:
        """The values it takes."""
        return [self.builder.values[name] for name in self.layer.inputs]

    def rank(self, value: str) -> int:
        """The number of axes of a value."""
        return len(self.builder.types[value].shape)

    def shape(self, value: str) -> tuple[Dimension, ...]:
        """The shape of a value."""
        return self.builder.types[value].shape

    def tensor(self, role: str) -> NativeWeight:
        """One of its arrays."""
        return self.builder.weights.weight(self.layer.arrays[role])

    def tensors(self, *roles: str) -> dict[str, NativeWeight]:
        """Those of its arrays that are there, by role."""
        return {role: self.tensor(role) for role in roles if role in self.layer.arrays}

    def refuse(self, what: str, remedy: str = "", kind: type[Refused] | type[MissingFact] = Refused) -> Any:
        """An error that names this layer."""
        return kind(self.where, what, remedy)

    def add(
        self,
        kind: str,
        config: Mapping[str, Any],
        inputs: Sequence[str],
        tensors: Mapping[str, NativeWeight] | None = None,
        name: str = "",
        main: bool = False,
        result: int = 0,
    ) -> str:
        """Place one native layer and its use; gives the value it makes. The main one keeps the layer's own name.

        `result` is which of the results of a recurrent layer is wanted.
        """
        builder, layer = self.builder, self.layer
        check_shapes(layer.array_shapes, tensors or {}, self.where, builder.problems)
        full = layer.name if main else f"{layer.name}.{name or kind}"
        number = 1
        while full in builder.layers:
            number += 1
            full = f"{layer.name}.{name or kind}{number}"
        settings = self._settings() if main else {}
        split_from = None if main else layer.name
        origin = Origin(framework="theano", type=layer.kind, name=layer.name, config=settings, split_from=split_from)
        native = Native(kind, full, dict(config), dict(tensors or {}), origin=origin)
        outputs = (*(f"{full}:{i}" for i in range(result)), full)
        builder.layers[full], builder.where[full] = native, self.where
        builder.uses.append(NativeUse(full, tuple(inputs), outputs))
        self._infer(native, inputs, outputs)
        return full

    def _settings(self) -> dict[str, Any]:
        """The layer as the architecture has it, its arrays by their own names."""
        found = self.layer.model_dump(exclude_unset=True, mode="json")
        named = {role: self.builder.weights.weight(array).path for role, array in self.layer.arrays.items()}
        places = {path: place for path in named.values() if (place := self.builder.weights.place(path))}
        return found | ({"arrays": named} if named else {}) | ({"places": places} if places else {})

    def _infer(self, native: Native, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        given = [self.builder.types[value] for value in inputs]
        try:
            layer, draft = TABLE.decode(native, [Given("", found) for found in given], self.where)
            slots = [f"x{i}" for i in range(len(given))] if layer.VARIADIC else list(layer.SLOTS)
            known = {**dict(zip(slots, given, strict=False)), **draft.types}
            known |= {
                role: ValueType(found.dtype, _literal_shape(found.literal)) for role, found in draft.literals.items()
            }
            # where the layer sees a transpose of its input, the result is turned back, too
            results = dict.fromkeys(layer.RESULTS, given[0]) if draft.input_axes else layer.infer(known)
        except (ValueError, *MALFORMED) as error:
            raise self.refuse(f"its inputs do not fit: {error}") from error
        names = list(layer.RESULTS)
        for slot, value in zip(names, outputs, strict=False):
            self.builder.types[value] = results[slot]


def _literal_shape(value: Any) -> tuple[int, ...]:
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else 0.0
    return tuple(shape)
