"""Takes out nodes that pass their input on unchanged at inference."""

from __future__ import annotations

from dataclasses import replace

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.layers.base import Layer
from irconv.ir.layers.normalisation import Dropout
from irconv.ir.layers.tensor_ops import Identity


def run(bundle: Bundle) -> Bundle:
    """The graph without Identity and Dropout; an output that would be an input keeps an Identity."""
    if bundle.graph is None:
        return bundle
    same: dict[str, str] = {}
    nodes: list[Node] = []
    for node in bundle.graph.nodes:
        moved = node.model_copy(update={"inputs": {slot: same.get(v, v) for slot, v in node.inputs.items()}})
        if isinstance(bundle.layers[node.layer], Identity | Dropout):
            same[node.outputs["y"]] = moved.inputs["x"]
        else:
            nodes.append(moved)
    layers: dict[str, Layer] = {}
    entrances = {port.value for port in bundle.graph.inputs}
    outputs = []
    for port in bundle.graph.outputs:
        value = same.get(port.value, port.value)
        if value in entrances:
            layers["identity"] = Identity()
            nodes.append(Node(layer="identity", scope="", inputs={"x": value}, outputs={"y": port.value}))
            value = port.value
        outputs.append(port.model_copy(update={"value": value}))
    used = {node.layer for node in nodes}
    layers |= {name: layer for name, layer in bundle.layers.items() if name in used}
    graph = bundle.graph.model_copy(update={"nodes": tuple(nodes), "outputs": tuple(outputs)})
    return replace(bundle, layers=layers, graph=graph)
