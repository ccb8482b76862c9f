"""A Theano model while it is read: what has been placed so far is decoded, and says the type of every value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from irconv import edits
from irconv.codec import Native, NativeModel, NativeUse, NativeWeight
from irconv.data_classes import dataclass
from irconv.errors import MissingFact, Refused
from irconv.frameworks.theano.architecture import Architecture
from irconv.frameworks.theano.kinds import Described
from irconv.frameworks.theano.weights import Weights, check_shapes
from irconv.ir.graph import Port
from irconv.ir.layers.base import Origin, ValueType
from irconv.ir.shapes import Dimension
from irconv.translate import Decoder, Importer


@dataclass
class Builder:
    """What has been placed so far, and the ways to add to it."""

    architecture: Architecture
    weights: Weights
    decoder: Decoder
    layers: dict[str, Native] = field(default_factory=dict)
    uses: list[NativeUse] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    """The name of an input or layer in the architecture -> the value it has become."""
    skipped: list[Described] = field(default_factory=list)
    """Layers that nothing to be read depends on."""

    @property
    def importer(self) -> Importer:
        """What knows the values."""
        return self.decoder.importer

    def outputs(self, until: Sequence[str] = ()) -> tuple[Port, ...]:
        """The outputs of the architecture, or the results of the layers and parts to read until.

        Raises `MissingFact` where no layer is taken apart into a part of the name.
        """
        if not until:
            return tuple(_port(port.name, self.values[port.layer]) for port in self.architecture.outputs)
        values = {name: self.values.get(name, name) for name in until}
        for name, value in values.items():
            if not self.importer.has(value):
                self.importer.problem(f"--until {name}", edits.NO_LAYER, kind=MissingFact)
        self.importer.problems.raise_any()
        return tuple(_port(name, value) for name, value in values.items())

    def model(self) -> NativeModel:
        """What has been placed, in Theano's own words, with the outputs of the architecture."""
        return NativeModel(self.layers, tuple(self.uses), tuple(self.importer.inputs), self.outputs())


def _port(name: str, value: str) -> Port:
    return Port(name=name, value=value, dtype="", shape=(), axes="", source_axes="")


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

    def type_of(self, value: str) -> ValueType:
        """Element type and shape of a value. Raises `Unknown` where what makes it could not be read."""
        return self.builder.importer.type_of(value)

    def rank(self, value: str) -> int:
        """The number of axes of a value. Raises `Unknown`."""
        return len(self.type_of(value).shape)

    def shape(self, value: str) -> tuple[Dimension, ...]:
        """The shape of a value. Raises `Unknown`."""
        return self.type_of(value).shape

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
        """Place one native layer and its use, decoded; gives the value it makes. The main one has the layer's own name.

        `result` is which of the results of a recurrent layer is wanted.
        """
        builder, layer = self.builder, self.layer
        check_shapes(layer.array_shapes, tensors or {}, self.where, builder.importer.problems)
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
        use = NativeUse(full, tuple(inputs), outputs)
        builder.layers[full] = native
        builder.uses.append(use)
        if (wish := builder.decoder.replaced.get(full)) is not None:
            edits.check_single(use, wish)
        builder.decoder.add(native, use, self.where)
        return full

    def _settings(self) -> dict[str, Any]:
        """The layer as the architecture has it, its arrays by their own names."""
        found = self.layer.model_dump(exclude_unset=True, mode="json")
        named = {role: self.builder.weights.weight(array).path for role, array in self.layer.arrays.items()}
        places = {path: place for path in named.values() if (place := self.builder.weights.place(path))}
        return found | ({"arrays": named} if named else {}) | ({"places": places} if places else {})
