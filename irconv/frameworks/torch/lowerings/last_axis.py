"""Layers that reading moved from the last axis to the channels stand on the last axis again, as the network had them.

A Linear over the channels of an image has become a 1x1 convolution, whose weight has two axes more than the one in the
state dict. Transposes go around each such layer; those of neighbours cancel, also across what acts on each element.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.layers.base import Pointwise
from irconv.ir.layers.tensor_ops import Transpose
from irconv.layout import compose
from irconv.passes import to_channels_last


def run(bundle: Bundle) -> Bundle:
    """The same function with these layers on their own axis."""
    if bundle.graph is None:
        return bundle
    moved = to_channels_last.on_the_last_axis(bundle)
    return bundle if moved.layers == bundle.layers else _cancelled(moved)


def _cancelled(bundle: Bundle) -> Bundle:
    """Without pairs of Transposes that undo each other; a pair may have layers of one value between, each alone."""
    assert bundle.graph is not None, "the caller has looked"
    users = Counter(value for node in bundle.graph.nodes for value in node.inputs.values())
    users.update(port.value for port in bundle.graph.outputs)
    ends = {port.value for port in bundle.graph.outputs}
    turned: dict[str, tuple[str, tuple[int, ...]]] = {}
    """A value -> what it is a transpose of, and how."""
    nodes: list[Node] = []
    renamed: dict[str, str] = {}
    for old in bundle.graph.nodes:
        node = old.model_copy(update={"inputs": {slot: renamed.get(v, v) for slot, v in old.inputs.items()}})
        layer = bundle.layers[node.layer]
        if isinstance(layer, Transpose) and node.inputs["x"] in turned:
            source, order = turned[node.inputs["x"]]
            undone = compose(order, layer.permutation) == tuple(range(len(order)))
            if undone and node.outputs["y"] not in ends:
                renamed[node.outputs["y"]] = source
                continue
        (first, *others) = node.inputs.values() or [""]
        alone = isinstance(layer.BEHAVIOUR, Pointwise) and not layer.operands and not others and len(node.outputs) == 1
        if alone and first in turned and users[first] == 1:
            # what stood behind the Transpose goes before it
            source, order = turned[first]
            value = f"{node.outputs['y']}/turned"
            nodes.append(node.model_copy(update={"inputs": {"x": source}, "outputs": {"y": value}}))
            maker = next(other for other in nodes if first in other.outputs.values())
            nodes.append(maker.model_copy(update={"inputs": {"x": value}, "outputs": node.outputs}))
            turned[node.outputs["y"]] = (value, order)
            continue
        if isinstance(layer, Transpose):
            turned[node.outputs["y"]] = (node.inputs["x"], layer.permutation)
        nodes.append(node)
    return replace(bundle, graph=bundle.graph.model_copy(update={"nodes": _used(bundle, nodes)}))


def _used(bundle: Bundle, nodes: list[Node]) -> tuple[Node, ...]:
    """The nodes without Transposes that nobody needs."""
    assert bundle.graph is not None, "the caller has looked"
    kept: list[Node] = []
    wanted = {port.value for port in bundle.graph.outputs}
    for node in reversed(nodes):
        if isinstance(bundle.layers[node.layer], Transpose) and wanted.isdisjoint(node.outputs.values()):
            continue
        wanted |= set(node.inputs.values())
        kept.append(node)
    return tuple(reversed(kept))
