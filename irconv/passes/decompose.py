"""Composite layers become the simpler ones their class says they are made of, where a target lacks them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.layers.base import Layer


def run(bundle: Bundle, supported: Collection[str]) -> Bundle:
    """The graph with every type outside `supported` decomposed, as often as it takes; simple types stay."""
    if bundle.graph is None:
        return bundle
    layers: dict[str, Layer] = dict(bundle.layers)
    nodes: list[Node] = []
    waiting = list(reversed(bundle.graph.nodes))
    while waiting:
        node = waiting.pop()
        layer = layers[node.layer]
        steps = None if layer.type in supported else layer.decompose()
        if steps is None:
            nodes.append(node)
            continue
        outer = {**node.inputs, **node.outputs}
        prefix = next(iter(node.outputs.values()))
        made: list[Node] = []
        for number, step in enumerate(steps):
            name = f"{node.layer}.{number}"
            layers[name] = step.layer
            inputs = {slot: outer.get(v, f"{prefix}.{v}") for slot, v in step.inputs.items()}
            outputs = {slot: outer.get(v, f"{prefix}.{v}") for slot, v in step.outputs.items()}
            made.append(Node(layer=name, scope=node.scope, inputs=inputs, outputs=outputs))
        waiting += reversed(made)
    used = {node.layer for node in nodes}
    layers = {name: layer for name, layer in layers.items() if name in used}
    return replace(bundle, layers=layers, graph=bundle.graph.model_copy(update={"nodes": tuple(nodes)}))
