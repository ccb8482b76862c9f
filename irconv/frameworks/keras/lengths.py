"""Lengths of sequences as the masks that Keras' recurrent layers take in their place."""

from __future__ import annotations

from dataclasses import replace

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, LiteralOperand
from irconv.ir.layers.comparisons import Cast, Less
from irconv.ir.layers.recurrent_base import Recurrent
from irconv.ir.layers.shape_ops import Unsqueeze
from irconv.ir.layers.tensor_ops import Constant


def as_masks(bundle: Bundle) -> Bundle:
    """The same function, where the number of steps is known: step t counts for a row of more than t steps."""
    graph, layers = bundle.graph, dict(bundle.layers)
    if graph is None or not any(isinstance(layer, Recurrent) for layer in layers.values()):
        return bundle
    if not any("lengths" in node.inputs and isinstance(layers[node.layer], Recurrent) for node in graph.nodes):
        return bundle
    types = infer_types(bundle)
    nodes: list[Node] = []

    def place(layer: Layer, name: str, **inputs: str) -> str:
        layers[name] = layer
        nodes.append(Node(layer=name, scope="", inputs=inputs, outputs={"y": name}))
        return name

    for node in graph.nodes:
        steps = types[node.inputs["x"]].shape[1] if isinstance(layers[node.layer], Recurrent) else None
        if "lengths" not in node.inputs or not isinstance(steps, int):
            nodes.append(node)
            continue
        inputs, base = dict(node.inputs), next(iter(node.outputs.values()))
        lengths = place(Cast(dtype="int32"), f"{base}.lengths", x=inputs.pop("lengths"))
        column = place(Unsqueeze(axes=(1,)), f"{base}.column", x=lengths)
        operand = LiteralOperand(literal=[list(range(steps))], dtype="int32")
        numbers = place(Constant(operands={"value": operand}), f"{base}.steps")
        mask = place(Less(), f"{base}.mask", x0=numbers, x1=column)
        nodes.append(node.model_copy(update={"inputs": {**inputs, "mask": mask}}))
    return replace(bundle, layers=layers, graph=graph.model_copy(update={"nodes": tuple(nodes)}))
