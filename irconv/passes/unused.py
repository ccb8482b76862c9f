"""Takes out nodes whose results nothing needs, and then the layers and tensors that no node uses."""

from __future__ import annotations

from dataclasses import replace

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node
from irconv.ir.layers.base import StoredOperand
from irconv.ir.layers.control import Scan
from irconv.log import timed


@timed
def run(bundle: Bundle) -> Bundle:
    """The bundle without what its outputs do not depend on."""
    if bundle.graph is None:
        return bundle
    nodes = _needed(bundle.graph)
    names = _used(bundle, nodes)
    layers = {name: layer for name, layer in bundle.layers.items() if name in names}
    stored = (o for layer in layers.values() for o in layer.operands.values() if isinstance(o, StoredOperand))
    keys = {operand.tensor for operand in stored}
    tensors = {key: tensor for key, tensor in bundle.tensors.items() if key in keys}
    return replace(bundle, layers=layers, tensors=tensors, graph=bundle.graph.model_copy(update={"nodes": nodes}))


def _needed(graph: Graph) -> tuple[Node, ...]:
    wanted, kept = {port.value for port in graph.outputs}, list[Node]()
    for node in reversed(graph.nodes):
        if wanted & set(node.outputs.values()):
            wanted |= set(node.inputs.values())
            kept.append(node)
    return tuple(reversed(kept))


def _used(bundle: Bundle, nodes: tuple[Node, ...]) -> set[str]:
    """The names of the layers of nodes, bodies included."""
    names: set[str] = set()
    for node in nodes:
        names.add(node.layer)
        layer = bundle.layers[node.layer]
        if isinstance(layer, Scan):
            names |= _used(bundle, layer.body.nodes)
    return names
