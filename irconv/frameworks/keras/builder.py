"""A Keras model while it is normalised: what has been placed so far, and the layers and calls still to be placed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any, TypeAlias

from irconv.codec import Native, NativeWeight
from irconv.data_classes import dataclass
from irconv.errors import Problems
from irconv.frameworks.keras.facts import Facts
from irconv.frameworks.keras.precision import precision
from irconv.frameworks.keras.spelling import spelling
from irconv.ir.graph import Port
from irconv.ir.layers.base import Origin
from irconv.ir.manifest import Omitted
from irconv.translate import NativeUse

_PARTS = re.compile(r"[.#:/]")
"""What stands between a layer's name and the name of a part or of a result."""


class Value(str):
    """The name of a value of the graph, as against text among the keywords of a call."""

    __slots__ = ()


Outputs: TypeAlias = tuple[Value, ...]
"""The values that one call of a layer makes."""


@dataclass(frozen=True)
class KerasCall:
    """One call of a layer."""

    index: int
    """Which of the layer's calls; the first is 0."""
    inputs: tuple[Value, ...]
    """The positional tensors, in order."""
    keywords: Mapping[str, Any] = field(default_factory=dict)
    """The arguments by name that are not None: `Value` (or lists with such) where they are tensors, else plain data."""
    arguments: tuple[Any, ...] = ()
    """The positional arguments as they were given: `Value`, plain data, nested lists and mappings of these."""
    results: int = 1
    """How many results other layers take of it, by the highest of them."""


@dataclass(frozen=True)
class KerasLayer:
    """A layer as its file has it, under a name that is unique in the outermost model."""

    kind: str
    name: str
    config: dict[str, Any]
    """As in the file."""
    tensors: Mapping[str, NativeWeight]
    """By local name, such as ``kernel`` or ``forward_layer/cell/kernel``."""
    calls: tuple[KerasCall, ...]
    origin: Origin

    @property
    def part(self) -> Origin:
        """The origin of a native layer that is split from this one."""
        return self.origin.model_copy(update={"config": {}, "split_from": self.name})


def value_name(layer: str, call: int = 0, output: int = 0) -> Value:
    """The value that a call of a layer makes.

    >>> value_name("conv"), value_name("conv", 1), value_name("lstm", 0, 2)
    ('conv', 'conv#1', 'lstm:2')
    """
    return Value(layer + (f"#{call}" if call else "") + (f":{output}" if output else ""))


@dataclass
class Builder:
    """What has been normalised so far, and the ways to add to it."""

    facts: Facts
    expand: Callable[[Builder, KerasLayer], list[Outputs]]
    """What `add` does: adds a layer of any kind, and says which values each of its calls makes."""
    apart: frozenset[str] = frozenset()
    """Layers of the file that are called otherwise, because parts of others have their names; see `normalise`."""
    problems: Problems = field(default_factory=Problems)
    layers: dict[str, Native] = field(default_factory=dict)
    uses: list[NativeUse] = field(default_factory=list)
    own: set[str] = field(default_factory=set)
    """The names of layers that the file has, each unique in the outermost model."""
    twice: set[str] = field(default_factory=set)
    """Names that two layers had which are not the same."""
    where: dict[str, str] = field(default_factory=dict)
    """The place of each layer in its file, for messages."""
    inputs: dict[str, Port] = field(default_factory=dict)
    omitted: list[Omitted] = field(default_factory=list)
    """Tensors that inference does not use."""
    scope: str = ""
    """Of the uses being added: the nested model they are in."""
    compute: str = ""
    """The type that the layer being added computes in; empty where values are taken as they come."""
    masks: dict[str, Callable[[], Value | None]] = field(default_factory=dict)
    """How to make the mask of a value, for those that have one; see `keras.masks`."""

    @property
    def fixed_batch(self) -> bool:
        """Whether the file says how many samples a batch has."""
        return any(port.shape and isinstance(port.shape[0], int) for port in self.inputs.values())

    def add(self, layer: KerasLayer) -> list[Outputs]:
        """Add a Keras layer or model with its calls, as native layers; the values that each call makes, in order."""
        outer = self.scope
        self.where.setdefault(layer.name, self.place_of(layer))
        if layer.calls:
            made = self.expand(self, layer)
        self.scope = outer
        return made if layer.calls else []

    def sublayer(
        self, layer: KerasLayer, entry: Mapping[str, Any], path: str, calls: Sequence[KerasCall], name: str = ""
    ) -> KerasLayer:
        """The layer that another wraps, serialised in its config; its weights are those under `path`."""
        config, kind = entry["config"], str(entry.get("class_name"))
        body = dict(config) if isinstance(config, Mapping) else {"layers": config}
        tensors = {key[len(path) + 1 :]: value for key, value in layer.tensors.items() if key.startswith(f"{path}/")}
        name = name or f"{layer.name}/{path}"
        self.where[name] = self.where.get(layer.name, self.place_of(layer))
        return KerasLayer(kind, name, body, tensors, tuple(calls), layer.part)

    def named(self, name: str) -> str:
        """The name of a layer of the file, under which its parts are named, too."""
        self.own.add(name)
        while name in self.apart:
            name = f"{_PARTS.sub('_', name)}_"
        return name

    def mixed(self) -> frozenset[str]:
        """Layers of the file whose names begin with that of another, where any name or value is there twice."""
        values = [value for use in self.uses for value in use.outputs if value]
        if not self.twice and len(set(values)) == len(values):
            return frozenset()
        places = {name: [match.start() for match in _PARTS.finditer(name)] for name in self.own}
        return frozenset(name for name in self.own if any(name[:place] in self.own for place in places[name]))

    def mask(self, value: str) -> Value | None:
        """The mask that travels with a value, if there is one; its layers are added when it is first asked for."""
        return self.masks[value]() if value in self.masks else None

    def place_of(self, layer: KerasLayer) -> str:
        """Where a layer stands, for messages."""
        return f"{self.facts.path}: layer {layer.name} ({layer.kind})" if layer.name else f"{self.facts.path}: model"

    def place(
        self,
        kind: str,
        name: str,
        config: Mapping[str, Any],
        tensors: Mapping[str, NativeWeight] | None = None,
        origin: Origin | None = None,
        of: str = "",
    ) -> None:
        """Add a native layer, its settings brought to the spelling of the tables. `of` is the Keras layer it is of."""
        if of:
            self.where[name] = self.where[of]
        settings = spelling(self.facts, kind, config, lambda what: self.problem(name, what))
        casts = precision(self.facts, kind, self.compute)
        before = self.layers.get(name)
        if before is not None and (before.type, before.config) != (kind, settings):
            self.twice.add(name)
        self.layers[name] = Native(kind, name, settings, dict(tensors or {}), origin=origin, precision=casts)

    def use(self, layer: str, inputs: Iterable[str], outputs: Iterable[str]) -> None:
        """Add a call of a native layer."""
        self.uses.append(NativeUse(layer, tuple(inputs), tuple(outputs), self.scope))

    def constant(self, name: str, value: Any) -> Value:
        """A number, or nested lists of them, as a value of the graph; the same name is the same value."""
        if name not in self.layers:
            self.layers[name] = Native("constant", name, {"value": value})
            self.where[name] = f"{self.facts.path}: constant {name}"
            self.uses.append(NativeUse(name, (), (name,)))
        return Value(name)

    def problem(self, layer: str, what: str, remedy: str = "") -> None:
        """Note why a layer cannot be carried over; all problems are raised together."""
        self.problems.add(self.where.get(layer, f"{self.facts.path}: layer {layer}"), what, remedy)
