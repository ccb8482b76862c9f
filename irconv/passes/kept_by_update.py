"""GRUs whose update gate takes the new state become ones whose update gate keeps the old one.

With ``z = f(a)``, Lasagne and many papers have ``h' = (1 - z) h + z n`` where Keras, PyTorch and ONNX have
``h' = z h + (1 - z) n``. ``1 - f(a) = f(-a)`` for the sigmoid and for a hard sigmoid of offset 0.5, so the one is the
other with the rows of the update gate negated, in both kernels and both biases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle, made
from irconv.ir.layers.activations import HardSigmoid, Sigmoid
from irconv.ir.layers.base import Layer, StoredOperand
from irconv.ir.layers.recurrent import GRU
from irconv.ir.tensors import AtOnce, LazyTensor
from irconv.layout import Array
from irconv.log import timed

_HALF = 0.5


@dataclass(frozen=True)
class WithNegated(AtOnce):
    """A tensor whose rows from `start` to `stop` are negated. A `irconv.ir.tensors.Source`."""

    tensor: LazyTensor
    start: int
    stop: int

    @property
    def dtype(self) -> str:
        return self.tensor.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.tensor.shape

    @cached_property
    def _whole(self) -> Array:
        whole = self.tensor.numpy().copy()
        whole[self.start : self.stop] *= -1
        return whole


@timed
def run(bundle: Bundle) -> Bundle:
    """The same function; a GRU stays where its gates are of another shape or the graph computes its weights."""
    if bundle.graph is None or not any(_turns(layer) for layer in bundle.layers.values()):
        return bundle
    named = {node.layer for node in bundle.graph.nodes}
    computed = {node.layer for node in bundle.graph.nodes if node.inputs.keys() & GRU.PARAMETERS.keys()}
    layers, tensors = dict(bundle.layers), dict(bundle.tensors)
    for name in named - computed:
        layer = bundle.layers[name]
        stored = {role: o for role, o in layer.operands.items() if isinstance(o, StoredOperand)}
        if not _turns(layer) or stored.keys() != layer.operands.keys():
            continue
        operands = {}
        for role, operand in stored.items():
            old, key = bundle.tensors[operand.tensor], f"{name}.{role}, update gate negated"
            units = old.data.shape[0] // GRU.GATES
            start = GRU.ORDERS["gate"].index("z") * units
            data = LazyTensor(WithNegated(old.data, start, start + units))
            tensors[key] = made(data, trainable=old.record.trainable, axes=old.record.axes, letters=old.record.letters)
            operands[role] = StoredOperand(tensor=key)
        layers[name] = layer.model_copy(update={"operands": operands, "update_keeps": "old"})
    before, after = _held(bundle.layers), _held(layers)
    kept = {key: tensor for key, tensor in tensors.items() if key in after or key not in before}
    return replace(bundle, layers=layers, tensors=kept)


def _turns(layer: Layer) -> bool:
    if not isinstance(layer, GRU) or layer.update_keeps == "old":
        return False
    gate = layer.recurrent_activation
    return isinstance(gate, Sigmoid) or (isinstance(gate, HardSigmoid) and gate.offset == _HALF)


def _held(layers: Mapping[str, Layer]) -> set[str]:
    """Keys of the tensors that layers hold."""
    return {o.tensor for layer in layers.values() for o in layer.operands.values() if isinstance(o, StoredOperand)}
