"""Recurrent layers as ``nn.LSTM``, ``nn.GRU`` and ``nn.RNN``, where PyTorch computes the same; the others become loops.

PyTorch has two biases or none, no forget bias, and reads forwards: a layer that reads backwards gets its sequence
turned, and its results turned back. Packed sequences end in zeros: lengths behind which outputs come again become a
mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import field, replace

import numpy as np

from irconv.codec import Table
from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle, Tensor, made
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Layer, StoredOperand, ValueType
from irconv.ir.layers.comparisons import Cast, Less
from irconv.ir.layers.indexing import ReverseSequence
from irconv.ir.layers.recurrent import GRU, LSTM, RNN
from irconv.ir.layers.shape_ops import Range, Unsqueeze
from irconv.ir.layers.slicing import Flip
from irconv.ir.shapes import Dimension
from irconv.ir.tensors import LazyTensor
from irconv.passes import kept_by_update

_BIASES = ("bias_input", "bias_recurrent")


def run(bundle: Bundle, table: Table) -> Bundle:
    """The graph with every recurrent layer that PyTorch has in the form that it has."""
    if bundle.graph is None or not any(isinstance(layer, RNN | GRU | LSTM) for layer in bundle.layers.values()):
        return bundle
    bundle = kept_by_update.run(bundle)
    assert bundle.graph is not None, "it had one before"
    used = {value for node in bundle.graph.nodes for value in node.inputs.values()}
    used |= {port.value for port in bundle.graph.outputs}
    lowered = _Lowered(bundle, table, infer_types(bundle), used, dict(bundle.layers), dict(bundle.tensors))
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
    used: Set[str]
    layers: dict[str, Layer]
    tensors: dict[str, Tensor]
    nodes: list[Node] = field(default_factory=list)

    def place(self, node: Node, layer: RNN | GRU | LSTM) -> bool:
        """Add the node, if PyTorch has the layer."""
        given = {slot: self.types[value] for slot, value in node.inputs.items()} | self.bundle.operand_types(layer)
        plain = {"reverse": False, "order": "time"} | ({"forget_bias": 0.0} if isinstance(layer, LSTM) else {})
        if node.outputs.get("y") not in self.used:
            plain["masked_output"] = "zero"
        changed = layer.model_copy(update=plain)
        repeats = "lengths" in node.inputs and changed.masked_output == "repeat"
        if repeats:
            del given["lengths"]
            given["mask"] = ValueType("bool", given["x"].shape[:2])
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
        node = self._with_mask(node, given["x"].shape[1]) if repeats else node
        self._turned(node, layer) if layer.reverse else self.nodes.append(node)
        return True

    def _with_mask(self, node: Node, steps: Dimension) -> Node:
        """The node with a mask for its lengths."""
        lengths, name = node.inputs["lengths"], f"{node.layer}.mask"
        numbers = self._made(node, f"{name}.steps", Range(start=0, limit=steps, step=1))
        whole = self._made(node, f"{name}.lengths", Cast(dtype="int64"), x=lengths)
        column = self._made(node, f"{name}.column", Unsqueeze(axes=(1,)), x=whole)
        mask = self._made(node, name, Less(), x0=numbers, x1=column)
        kept = {slot: value for slot, value in node.inputs.items() if slot != "lengths"}
        return node.model_copy(update={"inputs": {**kept, "mask": mask}})

    def _turned(self, node: Node, layer: RNN | GRU | LSTM) -> None:
        """The node between the sequence turned and its results turned back; a sequence of a known length within it."""
        inputs, outputs, lengths = dict(node.inputs), dict(node.outputs), node.inputs.get("lengths")
        result = next(iter(outputs.values()))
        inputs["x"] = self._flip(node, inputs["x"], f"{result}.backwards", lengths)
        if "mask" in inputs:
            inputs["mask"] = self._flip(node, inputs["mask"], f"{result}.mask backwards", None)
        y = outputs.get("y")
        back = y in self.used and (layer.order == "time" or lengths is not None)
        if y is not None and back:
            outputs["y"] = f"{y}.turned"
        self.nodes.append(node.model_copy(update={"inputs": inputs, "outputs": outputs}))
        if y is not None and back:
            in_time = layer.order == "time"
            made = self._flip(node, outputs["y"], y if in_time else f"{y}.in time", lengths)
            if not in_time:
                self._flip(node, made, y, None)

    def _flip(self, node: Node, value: str, result: str, lengths: str | None) -> str:
        """The value turned around, where there are lengths each sequence up to its own."""
        if lengths is None:
            return self._made(node, result, Flip(axes=(1,)), x=value)
        return self._made(node, result, ReverseSequence(batch_axis=0, time_axis=1), x=value, lengths=lengths)

    def _made(self, node: Node, result: str, layer: Layer, /, **inputs: str) -> str:
        """A node in front of another, or behind it."""
        name = f"{result}.{layer.type.lower()}"
        self.layers[name] = layer
        self.nodes.append(Node(layer=name, scope=node.scope, inputs=inputs, outputs={"y": result}))
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
