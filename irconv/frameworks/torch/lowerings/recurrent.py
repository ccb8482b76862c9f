"""Recurrent layers as ``nn.LSTM``, ``nn.GRU`` and ``nn.RNN``, where PyTorch computes the same; the others become loops.

PyTorch has two biases or none, no forget bias, and reads forwards: a layer that reads backwards gets its sequence
turned, and its results turned back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from irconv.codec import Table
from irconv.ir.bundle import Bundle, Tensor, made
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, StoredOperand, ValueType
from irconv.ir.layers.recurrent import GRU, LSTM, RNN
from irconv.ir.layers.slicing import Flip
from irconv.ir.tensors import LazyTensor

_BIASES = ("bias_input", "bias_recurrent")


def run(bundle: Bundle, table: Table) -> Bundle:
    """The graph with every recurrent layer that PyTorch has in the form that it has."""
    if bundle.graph is None or not any(isinstance(layer, RNN | GRU | LSTM) for layer in bundle.layers.values()):
        return bundle
    lowered = _Lowered(bundle, table, infer_types(bundle), dict(bundle.layers), dict(bundle.tensors))
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        if not isinstance(layer, RNN | GRU | LSTM) or not lowered.place(node, layer):
            lowered.nodes.append(node)
    graph = bundle.graph.model_copy(update={"nodes": tuple(lowered.nodes)})
    return replace(bundle, layers=lowered.layers, tensors=lowered.tensors, graph=graph)


@dataclass
class _Lowered:
    """The graph while it is rewritten."""

    bundle: Bundle
    table: Table
    types: Mapping[str, ValueType]
    layers: dict[str, Layer]
    tensors: dict[str, Tensor]
    nodes: list[Node] = field(default_factory=list)

    def place(self, node: Node, layer: RNN | GRU | LSTM) -> bool:
        """Add the node, if PyTorch has the layer."""
        given = {slot: self.types[value] for slot, value in node.inputs.items()} | self.bundle.operand_types(layer)
        plain = {"reverse": False, "order": "time"} | ({"forget_bias": 0.0} if isinstance(layer, LSTM) else {})
        changed = layer.model_copy(update=plain)
        forget = layer.forget_bias if isinstance(layer, LSTM) else 0.0
        wants = [role for role in _BIASES if forget or any(role in given for role in _BIASES)]
        if any(role in node.inputs for role in _BIASES):
            return False
        rows = ValueType(given["kernel"].dtype, given["kernel"].shape[:1])
        operands = {**layer.operands, **{role: StoredOperand(tensor="") for role in wants}}
        as_if = changed.model_copy(update={"operands": operands})
        if not self.table.has(as_if, {**given, **dict.fromkeys(wants, rows)}):
            return False
        if wants and (forget or any(role not in layer.operands for role in wants)):
            changed = self._with_biases(node.layer, changed, rows, forget)
        self.layers[node.layer] = changed
        self._turned(node, layer) if layer.reverse else self.nodes.append(node)
        return True

    def _turned(self, node: Node, layer: RNN | GRU | LSTM) -> None:
        """The node between the sequence turned and its results turned back."""
        result = next(iter(node.outputs.values()))
        x = self._flip(node, node.inputs["x"], f"{result}.backwards")
        y = node.outputs.get("y")
        back = y is not None and layer.order == "time"
        outputs = {**node.outputs, "y": f"{y}.turned"} if back else node.outputs
        self.nodes.append(node.model_copy(update={"inputs": {**node.inputs, "x": x}, "outputs": outputs}))
        if back and y is not None:
            self._flip(node, f"{y}.turned", y)

    def _flip(self, node: Node, value: str, result: str) -> str:
        name = f"{result}.flip"
        self.layers[name] = Flip(axes=(1,))
        self.nodes.append(Node(layer=name, scope=node.scope, inputs={"x": value}, outputs={"y": result}))
        return result

    def _with_biases(self, name: str, layer: RNN | GRU | LSTM, rows: ValueType, forget: float) -> RNN | GRU | LSTM:
        """The layer with both biases, zeros where it has none, and the forget bias in the first."""
        operands = dict(layer.operands)
        for role in _BIASES:
            stored = operands.get(role)
            if stored is not None and not (forget and role == "bias_input"):
                continue
            (size,) = rows.shape
            assert isinstance(size, int), "kernels have known sizes"
            data = np.zeros(size, numpy_dtype(rows.dtype))
            if isinstance(stored, StoredOperand):
                data = data + self.bundle.tensors[stored.tensor].data.numpy()
            if forget and role == "bias_input":
                units, start = size // layer.GATES, layer.ORDERS["gate"].index("f")
                data[start * units : (start + 1) * units] += data.dtype.type(forget)
            key = f"{name}.{role}" if stored is None else f"{name}.{role} and forget bias"
            self.tensors[key] = made(LazyTensor.of(data), trainable=True)
            operands[role] = StoredOperand(tensor=key)
        return layer.model_copy(update={"operands": operands})
