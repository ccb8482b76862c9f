"""A graph as it is compared: who makes and who takes each value, with the layers left out that do nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from irconv.comparison.sides import Side
from irconv.data_classes import dataclass
from irconv.errors import IrconvError
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.layers import HANDED_ON
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.control import Scan

IDLE = frozenset(HANDED_ON)
"""Types of layers that pass their input on at inference."""
RESHAPES = frozenset({"Flatten", "Reshape", "Squeeze", "Unsqueeze"})
"""Types of layers that are one where their results have one shape."""


@dataclass(frozen=True, eq=False)
class Wired:
    """The nodes of a side, by layer and by value; `idle` layers are passed through."""

    side: Side
    idle: frozenset[str]
    nodes: tuple[Node, ...]
    types: Mapping[str, ValueType]
    makers: dict[str, tuple[Node, str]] = field(default_factory=dict)
    """Value -> the node that makes it, and its result slot."""
    takers: dict[str, list[tuple[Node, str]]] = field(default_factory=dict)
    """Value -> the nodes that take it, and the slot, those behind idle layers in their place."""
    numbers: dict[int, int] = field(default_factory=dict)
    """``id`` of a node -> its number."""
    aliases: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, int] = field(default_factory=dict)
    """Value -> number of the graph's input that it is."""

    def number(self, node: Node) -> int:
        """The place of a node in the order of execution."""
        return self.numbers[id(node)]

    def layer(self, node: Node) -> Layer:
        """The layer that a node uses."""
        return self.side.bundle.layers[node.layer]

    def source(self, value: str) -> str:
        """The value that this one is, idle layers left out."""
        while value in self.aliases:
            value = self.aliases[value]
        return value

    def maker(self, value: str) -> Node | None:
        """The node that makes a value, none of them idle."""
        found = self.makers.get(self.source(value))
        return found[0] if found else None

    def kind(self, node: Node) -> str:
        """The type of a node's layer, one for all that only give another shape."""
        kind = self.layer(node).type
        return "Reshape" if kind in RESHAPES else kind

    def result_shape(self, node: Node) -> tuple[object, ...] | None:
        """The shape of the node's first result, where it is known."""
        known = self.types.get(next(iter(node.outputs.values()), ""))
        return known.shape if known else None


def wired(side: Side, idle: Iterable[str]) -> Wired:
    """The graph of a side, with the layers of `idle` and those that do nothing passed through."""
    graph = side.bundle.graph
    assert graph is not None, "it was asked of a side with a graph"
    named = frozenset(idle) | side.glue
    found = Wired(side, named, graph.nodes, _types(side))
    found.numbers.update({id(node): i for i, node in enumerate(graph.nodes)})
    for number, port in enumerate(graph.inputs):
        found.inputs[port.value] = number
    for node in graph.nodes:
        if node.layer in named or found.layer(node).type in IDLE:
            taken, made = node.inputs.get("x"), next(iter(node.outputs.values()))
            if taken is not None:
                found.aliases[made] = taken
                continue
        for slot, value in node.outputs.items():
            found.makers[value] = (node, slot)
    for node in graph.nodes:
        if next(iter(node.outputs.values()), "") in found.aliases:
            continue
        for slot, value in node.inputs.items():
            found.takers.setdefault(found.source(value), []).append((node, slot))
    return found


def _types(side: Side) -> Mapping[str, ValueType]:
    try:
        return infer_types(side.bundle)
    except IrconvError:
        return {}


def bodies(side: Side) -> set[str]:
    """The layers that only bodies of Scans use."""
    graph = side.bundle.graph
    if graph is None:
        return set()
    outer = {node.layer for node in graph.nodes}
    inner: set[str] = set()

    def walk(nodes: Iterable[Node]) -> None:
        for node in nodes:
            layer = side.bundle.layers[node.layer]
            if isinstance(layer, Scan):
                inner.update(n.layer for n in layer.body.nodes)
                walk(layer.body.nodes)

    walk(graph.nodes)
    return inner - outer
