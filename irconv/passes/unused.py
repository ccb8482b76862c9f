"""Takes out nodes whose results nothing needs, and then the layers and tensors that no node uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node
from irconv.ir.layers.base import Layer, StoredOperand, symbols_in
from irconv.ir.layers.control import Scan
from irconv.ir.shapes import symbols
from irconv.log import timed


@timed
def run(bundle: Bundle) -> Bundle:
    """The bundle without what its outputs do not depend on."""
    if bundle.graph is None:
        return bundle
    nodes = _needed(bundle.graph, bundle.layers)
    names = _used(bundle, nodes)
    layers = {name: layer for name, layer in bundle.layers.items() if name in names}
    stored = (o for layer in layers.values() for o in layer.operands.values() if isinstance(o, StoredOperand))
    keys = {operand.tensor for operand in stored}
    tensors = {key: tensor for key, tensor in bundle.tensors.items() if key in keys}
    return replace(bundle, layers=layers, tensors=tensors, graph=bundle.graph.model_copy(update={"nodes": nodes}))


def _needed(graph: Graph, layers: Mapping[str, Layer]) -> tuple[Node, ...]:
    """The nodes that make a value that is wanted, or a size that a setting of one of these depends on."""
    wanted, kept = {port.value for port in graph.outputs}, list[Node]()
    counting = any(layers[node.layer].MAKES for node in graph.nodes)
    sizes = {symbol for port in graph.outputs for size in port.shape for symbol in symbols(size)} if counting else set()
    for node in reversed(graph.nodes):
        layer = layers[node.layer]
        if wanted & set(node.outputs.values()) or (layer.MAKES and sizes & symbols_in(layer, layer.MAKES)):
            wanted |= set(node.inputs.values())
            kept.append(node)
            sizes |= symbols_in(layer, layer.SIZES) if counting else set()
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
