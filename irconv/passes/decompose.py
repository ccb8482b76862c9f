"""Composite layers become the simpler ones their class says they are made of, where a target lacks them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TypeAlias

from irconv.errors import Refused
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node
from irconv.ir.inference import MISFIT
from irconv.ir.layers.base import Decomposition, Layer, Step, ValueType
from irconv.ir.layers.control import Scan
from irconv.log import timed

Supports: TypeAlias = Callable[[Layer, Mapping[str, ValueType]], bool]
Split: TypeAlias = Callable[[Layer, Mapping[str, ValueType]], "Decomposition | None"]


def by_class(layer: Layer, given: Mapping[str, ValueType]) -> Decomposition | None:
    """What the layer's class says it is made of."""
    return layer.decompose(given)


@timed
def run(bundle: Bundle, supported: Collection[str] | Supports, split: Split = by_class) -> Bundle:
    """The graph with every type outside `supported` decomposed, as often as it takes; simple types stay.

    `supported` may look at a layer's settings and at the types of its inputs and operands, too. The bodies of Scans are
    decomposed as well. `split` is for targets that have other parts to offer than the classes name.
    """
    if bundle.graph is None:
        return bundle
    return _Decomposition(bundle, supported, split).run(bundle.graph)


_Above: TypeAlias = tuple[tuple[str, Mapping[str, object], Mapping[str, ValueType]], ...]
"""The layers that one is a part of, from the outermost: type, settings, types of inputs and operands."""
_DEEPEST = 64
"""More than any layer is made of layers of layers."""


class _Decomposition:
    def __init__(self, bundle: Bundle, supported: Collection[str] | Supports, split: Split) -> None:
        self.bundle, self.split = bundle, split
        self.supports = supported if callable(supported) else lambda layer, _: layer.type in supported
        self.layers: dict[str, Layer] = dict(bundle.layers)
        self.used: set[str] = set()
        self.prefixes: set[str] = set()
        self.values: set[str] = set()
        """What the graph at hand has from the start; a name made by an earlier run may be among them."""
        self.decompositions: dict[str, list[Decomposition]] = {}

    def run(self, graph: Graph) -> Bundle:
        done = self._graph(graph)
        layers = {name: layer for name, layer in self.layers.items() if name in self.used}
        return replace(self.bundle, layers=layers, graph=done)

    def _graph(self, graph: Graph) -> Graph:
        types = {port.value: ValueType(port.dtype, port.shape) for port in graph.inputs}
        nodes: list[Node] = []
        waiting: list[tuple[Node, _Above]] = [(node, ()) for node in reversed(graph.nodes)]
        self.values |= {*types, *(value for node, _ in waiting for value in node.outputs.values())}
        while waiting:
            node, above = waiting.pop()
            layer = self.layers[node.layer]
            given = {slot: types[value] for slot, value in node.inputs.items()} | self.bundle.operand_types(layer)
            results = self._inferred(node, layer, given)
            types |= {value: results[slot] for slot, value in node.outputs.items()}
            steps = self._steps(node, layer, given)
            same = (layer.type, layer.settings() if steps is not None else {}, given)
            if (
                steps is not None and same not in above and len(above) < _DEEPEST
            ):  # else it is a part of itself, which the table will refuse
                name, prefix = self._name(node, steps), self._prefix(node, steps)
                made = [self._node(node, layer, step, f"{name}.{i}", prefix) for i, step in enumerate(steps)]
                waiting += ((part, (*above, same)) for part in reversed(made))
                continue
            if isinstance(layer, Scan):
                self.layers[node.layer] = layer.model_copy(update={"body": self._graph(layer.body)})
            self.used.add(node.layer)
            nodes.append(node)
        return graph.model_copy(update={"nodes": tuple(nodes)})

    def _inferred(self, node: Node, layer: Layer, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        try:
            return layer.infer(given)
        except ValueError as error:
            raise Refused(f"layer {node.layer} ({layer.type})", f"{MISFIT}: {error}") from error

    def _steps(self, node: Node, layer: Layer, given: Mapping[str, ValueType]) -> Decomposition | None:
        try:
            return None if self.supports(layer, given) else self.split(layer, given)
        except ValueError as error:
            raise Refused(f"layer {node.layer} ({layer.type})", str(error)) from error

    def _name(self, node: Node, steps: Decomposition) -> str:
        """What the names of a composite's layers start with. Two uses of a shared layer have the same, unless they are
        made of different steps because the sizes of their inputs differ; a layer of the bundle may have such a name."""
        known = self.decompositions.setdefault(node.layer, [])
        if steps not in known:
            known.append(steps)
        name = node.layer + "~" * known.index(steps)
        while any(f"{name}.{i}" in self.bundle.layers for i in range(len(steps))):
            name += "."
        return name

    def _prefix(self, node: Node, steps: Decomposition) -> str:
        """What the names of the values inside a composite start with. A composite that is the last step of another has
        the same result, and may use the same names inside."""
        prefix = next(iter(node.outputs.values()))
        inside = {value for step in steps for value in step.outputs.values()}
        while prefix in self.prefixes or any(f"{prefix}.{value}" in self.values for value in inside):
            prefix += "~"
        self.prefixes.add(prefix)
        return prefix

    def _node(self, node: Node, layer: Layer, step: Step, name: str, prefix: str) -> Node:
        """The node of one step, its layer and the layers of its body put into the bundle under names of their own."""
        outer: Mapping[str, str] = {**node.inputs, **node.outputs}
        stored = {role: layer.operands[theirs] for role, theirs in step.operands.items() if theirs in layer.operands}
        computed = {role: node.inputs[theirs] for role, theirs in step.operands.items() if theirs in node.inputs}
        made = step.layer
        if isinstance(made, Scan):
            renamed = {inner: f"{name}.{inner}" for inner in step.body}
            self.layers |= {renamed[inner]: layer for inner, layer in step.body.items()}
            nodes = tuple(n.model_copy(update={"layer": renamed[n.layer]}) for n in made.body.nodes)
            made = made.model_copy(update={"body": made.body.model_copy(update={"nodes": nodes})})
        self.layers[name] = made.model_copy(update={"operands": {**made.operands, **stored}}) if stored else made
        return Node(
            layer=name,
            scope=node.scope,
            inputs={slot: outer.get(v, f"{prefix}.{v}") for slot, v in step.inputs.items()} | computed,
            outputs={slot: outer.get(v, f"{prefix}.{v}") for slot, v in step.outputs.items()},
        )
