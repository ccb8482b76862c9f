"""Constants of an element type that a target lacks, in float32: those that are cast before anything else is done."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from irconv.ir.bundle import Bundle
from irconv.ir.layers.base import Layer, LiteralOperand, StoredOperand
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.tensor_ops import Constant
from irconv.ir.tensors import LazyTensor
from irconv.passes.stored_operands import CastTo


def run(bundle: Bundle, lacking: str) -> Bundle:
    """The same function; `lacking` is how the names of the element types begin. Numbers are exact in float32."""
    graph = bundle.graph
    if graph is None:
        return bundle
    users: dict[str, list[Layer]] = defaultdict(list)
    for node in graph.nodes:
        for value in node.inputs.values():
            users[value].append(bundle.layers[node.layer])
    given = {port.value for port in graph.outputs}
    layers, tensors = dict(bundle.layers), dict(bundle.tensors)
    for node in graph.nodes:
        layer, (value, *_) = layers[node.layer], node.outputs.values()
        operand = layer.operands.get("value") if isinstance(layer, Constant) else None
        if operand is None or value in given or not all(isinstance(user, Cast) for user in users[value]):
            continue
        if isinstance(operand, LiteralOperand) and operand.dtype.startswith(lacking):
            wide: StoredOperand | LiteralOperand = operand.model_copy(update={"dtype": "float32"})
        elif isinstance(operand, StoredOperand) and tensors[operand.tensor].record.dtype.startswith(lacking):
            tensor, key = tensors[operand.tensor], f"{operand.tensor}/float32"
            record = replace(tensor.record, dtype="float32", source=None, steps=())
            tensors[key] = replace(tensor, record=record, data=LazyTensor(CastTo(tensor.data, "float32")))
            wide = StoredOperand(tensor=key)
        else:
            continue
        layers[node.layer] = layer.model_copy(update={"operands": {"value": wide}})
    return bundle if layers == bundle.layers else replace(bundle, layers=layers, tensors=tensors)
