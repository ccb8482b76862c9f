"""Makes one Transpose of several in a row: composites begin with one where what they are given ends with one."""

from __future__ import annotations

from dataclasses import replace

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.layers.base import Layer
from irconv.ir.layers.tensor_ops import Identity, Transpose
from irconv.ir.turns import turning
from irconv.layout import compose
from irconv.log import timed
from irconv.passes import bodies, remove_identity


@timed
def run(bundle: Bundle) -> Bundle:
    """The graph in which no Transpose takes what another one gives, and none keeps the order that is there."""
    return bodies.everywhere(bundle, _run)


def _run(bundle: Bundle) -> Bundle:
    graph = bundle.graph
    if graph is None:
        return bundle
    layers, nodes = dict(bundle.layers), list[Node]()
    turned: dict[str, tuple[str, tuple[int, ...]]] = {}
    changed = False
    for node in graph.nodes:
        layer = layers[node.layer]
        if not isinstance(layer, Transpose):
            nodes.append(node)
            continue
        given, order = node.inputs["x"], layer.permutation
        if given in turned:
            given, order = turned[given][0], compose(turned[given][1], order)
            nodes.append(_turn(layers, node, given, order))
            changed = True
        else:
            nodes.append(node)
        turned[node.outputs["y"]] = given, order
    if not changed:
        return bundle
    found = replace(bundle, layers=layers, graph=graph.model_copy(update={"nodes": tuple(nodes)}))
    return remove_identity.left_over(_without_idle(found))


def _turn(layers: dict[str, Layer], node: Node, given: str, order: tuple[int, ...]) -> Node:
    """The node as one that turns another value by another order; by none at all it passes it on."""
    if order == tuple(range(len(order))):
        name = f"{node.layer}/none"
        layers.setdefault(name, Identity())
    else:
        name = turning(layers, order)
    return node.model_copy(update={"layer": name, "inputs": {"x": given}})


def _without_idle(bundle: Bundle) -> Bundle:
    """The graph without Transposes whose results nothing takes any more."""
    assert bundle.graph is not None, "the caller has looked"
    taken = {port.value for port in bundle.graph.outputs}
    taken |= {value for node in bundle.graph.nodes for value in node.inputs.values()}
    nodes = [
        node
        for node in bundle.graph.nodes
        if node.outputs.get("y") in taken or not isinstance(bundle.layers[node.layer], Transpose)
    ]
    return replace(bundle, graph=bundle.graph.model_copy(update={"nodes": tuple(nodes)}))
