"""What is done to one value more than once, done once: moves of elements, which hold no weights."""

from __future__ import annotations

from dataclasses import replace

from irconv.ir.bundle import Bundle
from irconv.log import timed
from irconv.passes import unused

_OF_AXES = ("Expand", "Flip", "Pad", "Repeat", "Reshape", "Squeeze", "Tile", "Transpose", "Unsqueeze")
_OF_PLACES = ("Gather", "Select", "Slice", "Split", "Unstack")
_MOVES = frozenset((*_OF_AXES, *_OF_PLACES, "Cast"))


@timed
def run(bundle: Bundle) -> Bundle:
    """The same function; a module keeps its own moves, whatever others do."""
    graph = bundle.graph
    if graph is None:
        return bundle
    done: dict[object, dict[str, str]] = {}
    same: dict[str, str] = {}
    nodes = []
    shown = {port.value for port in graph.outputs}
    for node in graph.nodes:
        layer = bundle.layers[node.layer]
        inputs = {slot: same.get(value, value) for slot, value in node.inputs.items()}
        now = node.model_copy(update={"inputs": inputs})
        if layer.type in _MOVES and not layer.operands and shown.isdisjoint(node.outputs.values()):
            key = node.scope, layer.type, repr(layer.settings()), tuple(inputs.items())
            earlier = done.get(key)
            if earlier is not None and node.outputs.keys() <= earlier.keys():
                same |= {value: earlier[slot] for slot, value in node.outputs.items()}
                continue
            done[key] = dict(node.outputs)
        nodes.append(now)
    if not same:
        return bundle
    return unused.run(replace(bundle, graph=graph.model_copy(update={"nodes": tuple(nodes)})))
