"""The order of a model's layers: Keras gives weights to layers by position, in the order in which *it* lists them.

Every Keras lists the layers of a Functional model by their depth, the longest way to an output, and layers of one depth
by when a walk from the outputs back to the inputs meets them first (``_map_graph_network``, later ``map_graph``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from irconv.errors import Refused
from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.outlined import Outline, Outlined, values_in

_Node: TypeAlias = tuple[int, int]
"""A layer by its place in the list so far, and which of its calls."""


def order_layers(model: Outline) -> None:
    """Put the layers of a model, and of the models in it, into Keras' order; changes them in place.

    Raises `Refused` for an output that no layer makes.
    """
    for layer in model.layers:
        if layer.model is not None:
            order_layers(layer.model)
    if model.sequential:
        return
    walk = _Walk(model)
    for value in model.outputs:
        if value not in walk.makers:
            raise Refused(f"output {value}", "is a constant, and every output of a Keras model is made by a layer")
        walk.from_value(value)
    depths = walk.depths()
    indices = dict.fromkeys(range(len(model.layers)), -1) | walk.met
    places = sorted(range(len(model.layers)), key=lambda place: (-depths.get(place, 0), indices[place]))
    model.layers[:] = [model.layers[place] for place in places]


class _Walk:
    def __init__(self, model: Outline) -> None:
        self.model = model
        self.makers: dict[str, _Node] = {
            value: (place, index)
            for place, layer in enumerate(model.layers)
            for index, call in enumerate(layer.calls)
            for value in call.outputs
        }
        self.met: dict[int, int] = {}
        """Layer -> when it was met first."""
        self.finished: dict[_Node, None] = {}
        """Calls, each after those it depends on."""

    def from_value(self, value: Value) -> None:
        """Visit all that a value depends on, the call that makes it last."""
        stack = [self._enter(self.makers[value])]
        while stack:
            node, parents = stack[-1]
            following = next((parent for parent in parents if parent not in self.finished), None)
            if following is None:
                self.finished.setdefault(node)
                stack.pop()
            else:
                stack.append(self._enter(following))

    def _enter(self, node: _Node) -> tuple[_Node, Iterator[_Node]]:
        self.met.setdefault(node[0], len(self.met))
        return node, iter(self._parents(node))

    def _parents(self, node: _Node) -> list[_Node]:
        layer: Outlined = self.model.layers[node[0]]
        call = layer.calls[node[1]]
        taken = list(values_in([*call.arguments, *call.keywords.values()]))
        if made := [value for value in taken if value not in self.makers]:
            what = f"takes {made[0]}, a constant; what a layer of Keras takes is made by another, of the model's inputs"
            raise Refused(f"layer {layer.name} ({layer.kind})", what)
        return [self.makers[value] for value in taken]

    def depths(self) -> dict[int, int]:
        """Layer -> its depth."""
        layers: dict[int, int] = {}
        nodes: dict[_Node, int] = {}
        for node in reversed(self.finished):
            depth = max(nodes.get(node, 0), layers.get(node[0], 0))
            layers[node[0]] = nodes[node] = depth
            for parent in self._parents(node):
                nodes[parent] = max(depth + 1, nodes.get(parent, 0))
        return layers
