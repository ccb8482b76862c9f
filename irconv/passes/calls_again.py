"""Layers that are one: of the same settings and the same stored operands, called at several places.

A graph of calls has one layer a call; where a network calls a module several times, targets whose layers hold weights
need the one layer, so that it is trained as one.
"""

from __future__ import annotations

from dataclasses import replace

from irconv.ir.bundle import Bundle
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import StoredOperand
from irconv.log import timed


@timed
def run(bundle: Bundle) -> Bundle:
    """The same function with each such layer once; a constant is no call."""
    if bundle.graph is None:
        return bundle
    types = infer_types(bundle)
    first: dict[tuple[object, ...], str] = {}
    same: dict[str, str] = {}
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        if not node.inputs or not any(isinstance(part, StoredOperand) for part in layer.operands.values()):
            continue
        shapes = tuple((slot, types[value].shape) for slot, value in node.inputs.items())
        key = (layer.type, repr(layer.settings()), repr(sorted(layer.operands.items())), shapes)
        if same.get(node.layer, node.layer) == node.layer:
            same[node.layer] = first.setdefault(key, node.layer)
    if all(name == other for name, other in same.items()):
        return bundle
    nodes = tuple(n.model_copy(update={"layer": same.get(n.layer, n.layer)}) for n in bundle.graph.nodes)
    gone = {name for name, other in same.items() if name != other}
    layers = {name: layer for name, layer in bundle.layers.items() if name not in gone}
    return replace(bundle, layers=layers, graph=bundle.graph.model_copy(update={"nodes": nodes}))
