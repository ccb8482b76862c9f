"""Recurrent layers as ONNX's own ops, where onnxruntime computes exactly the same; the others become Scans.

ONNX has sequences (t, n, in), a direction axis in front of every weight and state, gates i o f c and z r h, one bias
for both products side by side, and no forget bias: it is added to the bias of the forget gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

import numpy as np

from irconv.data_classes import dataclass
from irconv.frameworks.onnx.recurrent_op import OnnxRecurrent
from irconv.ir.bundle import Bundle, Tensor, made
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.activations import HardSigmoid, Relu, Sigmoid, Tanh
from irconv.ir.layers.base import Layer, StoredOperand, ValueType
from irconv.ir.layers.comparisons import Cast, Where
from irconv.ir.layers.recurrent import GRU, LSTM, RNN
from irconv.ir.layers.shape_ops import Squeeze, Unsqueeze
from irconv.ir.layers.slicing import Flip
from irconv.ir.layers.tensor_ops import Transpose
from irconv.ir.tensors import LazyTensor
from irconv.layout import Array, relayout
from irconv.passes import kept_by_update

_ACTIVATIONS = (Sigmoid, Tanh, Relu, HardSigmoid)
_GATES = {"LSTM": "iofg", "GRU": "zrn", "RNN": ""}


def run(bundle: Bundle) -> Bundle:
    """The graph with every recurrent layer that ONNX has as an `OnnxRecurrent` between transposes."""
    if bundle.graph is None or not any(isinstance(layer, RNN | GRU | LSTM) for layer in bundle.layers.values()):
        return bundle
    bundle = kept_by_update.run(bundle)
    assert bundle.graph is not None, "it had one before"
    lowered = _Lowered(bundle, infer_types(bundle), dict(bundle.layers), dict(bundle.tensors))
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        if isinstance(layer, RNN | GRU | LSTM) and lowered.fits(node, layer):
            lowered.place(node, layer)
        else:
            lowered.nodes.append(node)
    graph = bundle.graph.model_copy(update={"nodes": tuple(lowered.nodes)})
    return replace(bundle, layers=lowered.layers, tensors=lowered.tensors, graph=graph)


@dataclass
class _Lowered:
    """The graph while it is rewritten."""

    bundle: Bundle
    types: Mapping[str, ValueType]
    layers: dict[str, Layer]
    tensors: dict[str, Tensor]
    nodes: list[Node] = field(default_factory=list)
    made: set[str] = field(default_factory=set)
    """The values that were added."""

    def fits(self, node: Node, layer: RNN | GRU | LSTM) -> bool:
        """Whether onnxruntime has all settings of a layer, and numbers for its weights."""
        if any(role in node.inputs for role in layer.PARAMETERS) or "mask" in node.inputs:
            return False
        if "lengths" in node.inputs and layer.masked_output != "zero":
            return False
        if not all(isinstance(activation, _ACTIVATIONS) for activation in _activations(layer)):
            return False
        if isinstance(layer, GRU) and layer.update_keeps != "old":
            return False
        return self.types[node.inputs["x"]].dtype == "float32" and (not isinstance(layer, LSTM) or _plain(layer))

    def place(self, node: Node, layer: RNN | GRU | LSTM) -> None:
        """The op, its inputs turned as ONNX has them and its results turned back."""
        name, value = f"{node.layer}.onnx", next(iter(node.outputs.values()))
        if name not in self.layers:
            self.layers[name] = self._op(name, layer)
        inputs = {"x": self._add(node, Transpose(permutation=(1, 0, 2)), node.inputs["x"], self._free(f"{value}.x"))}
        if "lengths" in node.inputs:
            free = self._free(f"{value}.lengths")
            inputs["lengths"] = self._add(node, Cast(dtype="int32"), node.inputs["lengths"], free)
        for slot in ("initial_h", "initial_c"):
            if slot in node.inputs:
                free = self._free(f"{value}.{slot}")
                inputs[slot] = self._add(node, Unsqueeze(axes=(0,)), node.inputs[slot], free)
        made = {slot: self._free(f"{result}.onnx") for slot, result in node.outputs.items()}
        self.nodes.append(Node(layer=name, scope=node.scope, inputs=inputs, outputs=made))
        for slot, result in node.outputs.items():
            if slot != "y":
                self._state(node, slot, made[slot], result)
                continue
            flat = self._add(node, Squeeze(axes=(1,)), made[slot], self._free(f"{result}.flat"))
            if not (layer.reverse and layer.order == "processing"):
                self._add(node, Transpose(permutation=(1, 0, 2)), flat, result)
                continue
            turned = self._add(node, Transpose(permutation=(1, 0, 2)), flat, self._free(f"{result}.turned"))
            self._add(node, Flip(axes=(1,)), turned, result)

    def _state(self, node: Node, slot: str, made: str, result: str) -> None:
        """A last state; onnxruntime gives zeros for a sequence of no steps, which keeps the one it starts with."""
        start, lengths = node.inputs.get(f"initial_{slot}"), node.inputs.get("lengths")
        if start is None or lengths is None:
            self._add(node, Squeeze(axes=(0,)), made, result)
            return
        after = self._add(node, Squeeze(axes=(0,)), made, self._free(f"{result}.after"))
        some = self._add(node, Cast(dtype="bool"), lengths, self._free(f"{result}.some"))
        column = self._add(node, Unsqueeze(axes=(1,)), some, self._free(f"{result}.column"))
        self._put(node, Where(), result, condition=column, x0=after, x1=start)

    def _free(self, name: str) -> str:
        """A name that no value has: a graph of ONNX that irconv wrote may have all that are given here."""
        while name in self.types or name in self.made:
            name += "_"
        self.made.add(name)
        return name

    def _add(self, node: Node, layer: Layer, value: str, result: str) -> str:
        return self._put(node, layer, result, x=value)

    def _put(self, node: Node, layer: Layer, result: str, /, **inputs: str) -> str:
        name = f"{result}.{layer.type.lower()}"
        while name in self.layers:
            name += "_"
        self.layers[name] = layer
        self.nodes.append(Node(layer=name, scope=node.scope, inputs=inputs, outputs={"y": result}))
        return result

    def _op(self, name: str, layer: RNN | GRU | LSTM) -> OnnxRecurrent:
        attributes: dict[str, Any] = {"direction": "reverse" if layer.reverse else "forward"}
        attributes |= _spelt(_activations(layer))
        if isinstance(layer, GRU):
            attributes["linear_before_reset"] = int(layer.reset_after)
        found = {"W": self._data(layer, "kernel"), "R": self._data(layer, "recurrent_kernel")}
        attributes["hidden_size"] = found["R"].shape[1]
        stored = {role: _directed(layer, data) for role, data in found.items()}
        if (bias := self._bias(layer, found["W"].shape[0])) is not None:
            stored["B"] = LazyTensor.of(bias[None])
        if isinstance(layer, LSTM) and (peepholes := self._peepholes(layer, found["R"].shape[1])) is not None:
            stored["P"] = LazyTensor.of(peepholes[None])
        operands = {role: self._store(f"{name}.{role}", data) for role, data in stored.items()}
        return OnnxRecurrent(op=layer.type, attributes=attributes, operands=operands)

    def _bias(self, layer: RNN | GRU | LSTM, rows: int) -> Array | None:
        """Both biases side by side, the forget bias in the first; None where there is none of them."""
        forget = layer.forget_bias if isinstance(layer, LSTM) else 0.0
        roles = ("bias_input", "bias_recurrent")
        if not forget and not any(role in layer.operands for role in roles):
            return None
        first, second = (
            self._data(layer, role).numpy() if role in layer.operands else np.zeros(rows, np.float32) for role in roles
        )
        if forget:
            start, units = layer.ORDERS["gate"].index("f") * rows // layer.GATES, rows // layer.GATES
            first = first.copy()
            first[start : start + units] += np.float32(forget)
        return np.concatenate([_ordered(layer, first), _ordered(layer, second)])

    def _peepholes(self, layer: LSTM, units: int) -> Array | None:
        roles = ("peephole_input", "peephole_output", "peephole_forget")
        if not any(role in layer.operands for role in roles):
            return None
        return np.concatenate(
            [
                self._data(layer, role).numpy() if role in layer.operands else np.zeros(units, np.float32)
                for role in roles
            ]
        )

    def _data(self, layer: Layer, role: str) -> LazyTensor:
        operand = layer.operands[role]
        if isinstance(operand, StoredOperand):
            return self.bundle.tensors[operand.tensor].data
        return LazyTensor.of(np.asarray(operand.literal, numpy_dtype(operand.dtype)))

    def _store(self, key: str, data: LazyTensor) -> StoredOperand:
        self.tensors[key] = made(data, trainable=True)
        return StoredOperand(tensor=key)


def _activations(layer: RNN | GRU | LSTM) -> tuple[Layer, ...]:
    if isinstance(layer, RNN):
        return (layer.activation,)
    if isinstance(layer, GRU):
        return layer.recurrent_activation, layer.activation
    return layer.recurrent_activation, layer.activation, layer.output_activation


def _spelt(activations: tuple[Layer, ...]) -> dict[str, Any]:
    """ONNX's attributes; numbers are taken in order by the activations that need some."""
    hard = [activation for activation in activations if isinstance(activation, HardSigmoid)]
    spelt: dict[str, Any] = {"activations": [activation.type for activation in activations]}
    if hard:
        spelt["activation_alpha"] = [activation.slope for activation in hard]
        spelt["activation_beta"] = [activation.offset for activation in hard]
    return spelt


def _plain(layer: LSTM) -> bool:
    """Whether an LSTM has no setting beyond ONNX's (its ``clip`` limits other values than the cell)."""
    limits = layer.cell_clip is None and layer.projection_clip is None and "projection" not in layer.operands
    peephole = layer.output_peephole == "before_activation" or "peephole_output" not in layer.operands
    return limits and peephole and not layer.couple_input_forget


def _directed(layer: RNN | GRU | LSTM, data: LazyTensor) -> LazyTensor:
    """A kernel with ONNX's direction axis and gate order, unread."""
    gate = "gate " if layer.GATES > 1 else ""
    source, target = f"(d {gate}unit) in", f"d ({gate}unit) in"
    return data.relayout(relayout(source, target, data.shape, _orders(layer), {"d": 1}))


def _ordered(layer: RNN | GRU | LSTM, bias: Array) -> Array:
    return relayout("(gate unit)", "(gate unit)", bias.shape, _orders(layer)).apply(bias) if layer.GATES > 1 else bias


def _orders(layer: RNN | GRU | LSTM) -> dict[str, tuple[str, str]]:
    return {axis: (order, _GATES[layer.type]) for axis, order in layer.ORDERS.items()}
