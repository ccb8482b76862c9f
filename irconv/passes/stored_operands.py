"""Operands made of stored arrays by Cast, Concat, cuts and turns alone become stored themselves, for targets that need
them so.

Readers keep an array as its file has it: a matrix a gate (Theano, Keras 1), one matrix for input and state (TensorFlow
1), float64 weights of a float32 model. What is made here has no source any more, so a bundle is never kept like this;
the arrays are put together when they are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle, Tensor, made
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.graph import Node
from irconv.ir.layers.base import Layer, StoredOperand, ValueType
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.shape_ops import Full
from irconv.ir.layers.tensor_ops import Concat, Constant
from irconv.ir.shapes import static
from irconv.ir.tensors import AtOnce, LazyTensor
from irconv.layout import Array, Box
from irconv.log import timed
from irconv.passes import bodies


@dataclass(frozen=True)
class CastTo(AtOnce):
    """A tensor as another element type. A `irconv.ir.tensors.Source`."""

    tensor: LazyTensor
    dtype: str

    @property
    def shape(self) -> tuple[int, ...]:
        return self.tensor.shape

    @cached_property
    def _whole(self) -> Array:
        return self.tensor.numpy().astype(numpy_dtype(self.dtype))


@dataclass(frozen=True)
class Joined(AtOnce):
    """Tensors joined along an axis. A `irconv.ir.tensors.Source`."""

    parts: tuple[LazyTensor, ...]
    axis: int

    @property
    def dtype(self) -> str:
        return self.parts[0].dtype

    @property
    def shape(self) -> tuple[int, ...]:
        sizes = list(self.parts[0].shape)
        sizes[self.axis] = sum(part.shape[self.axis] for part in self.parts)
        return tuple(sizes)

    @cached_property
    def _whole(self) -> Array:
        return np.concatenate([part.numpy() for part in self.parts], self.axis)


@dataclass(frozen=True)
class Part(AtOnce):
    """A result of a layer that cuts or turns a tensor. A `irconv.ir.tensors.Source`."""

    layer: Layer
    tensor: LazyTensor
    slot: str
    shape: tuple[int, ...]

    @property
    def dtype(self) -> str:
        return self.tensor.dtype

    @cached_property
    def _whole(self) -> Array:
        folded = self.layer.fold({"x": _type(self.tensor)}, {"x": self.tensor.numpy()})
        assert folded is not None, "cuts and turns fold"
        return np.ascontiguousarray(folded[self.slot])


@dataclass(frozen=True)
class Zeros:
    """Nothing but one number. A `irconv.ir.tensors.Source`."""

    dtype: str
    shape: tuple[int, ...]
    value: float

    def read(self, atoms: tuple[int, ...], box: Box) -> Array:
        """See `irconv.ir.tensors.Source.read`."""
        return np.full([stop - start for start, stop in box], self.value, numpy_dtype(self.dtype))


_PARTS = ("Slice", "Split", "Transpose", "Unstack", "Select", "Squeeze", "Reshape")
"""Layers of one input that cut or turn it."""
_SHAPING = ("Reshape", "Squeeze")
"""Those of them that leave every element where it is."""


def _type(tensor: LazyTensor) -> ValueType:
    return ValueType(tensor.dtype, tensor.shape)


@timed
def run(bundle: Bundle) -> Bundle:
    """The same function; only operands and Constants are changed, other computations stay in the graph."""
    if bundle.graph is None:
        return bundle
    found = _made(bundle)
    if not any(role in bundle.layers[n.layer].PARAMETERS for n in bundle.graph.nodes for role in n.inputs):
        return bundle
    layers, tensors = dict(bundle.layers), dict(bundle.tensors)
    nodes: list[Node] = []
    done: dict[tuple[str, str], str] = {}
    for node in bundle.graph.nodes:
        layer = layers[node.layer]
        moved = {role: v for role, v in node.inputs.items() if role in layer.PARAMETERS and v in found}
        for role, value in moved.items():
            if done.setdefault((node.layer, role), value) != value:
                return bundle  # one layer with different weights in two uses: its nodes need them as inputs
            key = f"{node.layer}.{role}"
            tensors[key] = made(found[value], axes=layer.PARAMETERS[role].axes)
            layer = layer.model_copy(update={"operands": {**layer.operands, role: StoredOperand(tensor=key)}})
        layers[node.layer] = layer
        nodes.append(node.model_copy(update={"inputs": {r: v for r, v in node.inputs.items() if r not in moved}}))
    return _tidy(bundle, layers, tensors, nodes, found)


def _made(bundle: Bundle) -> dict[str, LazyTensor]:
    """Every value that Cast, Concat, cuts and turns make of stored Constants, those themselves included."""
    assert bundle.graph is not None, "the caller has looked"
    found: dict[str, LazyTensor] = {}
    for node in bundle.graph.nodes:
        layer, parts = bundle.layers[node.layer], [found.get(value) for value in node.inputs.values()]
        known = tuple(part for part in parts if part is not None)
        if isinstance(layer, Constant) and isinstance(operand := layer.operands["value"], StoredOperand):
            found[node.outputs["y"]] = bundle.tensors[operand.tensor].data
        elif isinstance(layer, Full) and (shape := static(layer.shape)) is not None and len(shape) == 1:
            found[node.outputs["y"]] = LazyTensor(Zeros(layer.dtype, shape, layer.value))
        elif not known or len(known) < len(parts):
            continue
        elif isinstance(layer, Cast):
            found[node.outputs["y"]] = LazyTensor(CastTo(known[0], layer.dtype))
        elif isinstance(layer, Concat):
            found[node.outputs["y"]] = LazyTensor(Joined(known, layer.axis))
        elif layer.type in _PARTS and list(node.inputs) == ["x"]:
            for slot, value in layer.infer({"x": _type(known[0])}).items():
                if slot in node.outputs and (size := static(value.shape)) is not None:
                    found[node.outputs[slot]] = LazyTensor(Part(layer, known[0], slot, size))
    return found


def _tidy(
    bundle: Bundle,
    layers: dict[str, Layer],
    tensors: dict[str, Tensor],
    nodes: list[Node],
    found: Mapping[str, LazyTensor],
) -> Bundle:
    """Without the computations that nothing needs; one that is needed as a value becomes a Constant."""
    assert bundle.graph is not None, "the caller has looked"
    rest = [node for node in nodes if not set(node.outputs.values()) <= found.keys()]
    rest += (kept_so := _other_shapes(bundle, nodes, rest))
    wanted = {value for node in rest for value in node.inputs.values()} | {p.value for p in bundle.graph.outputs}
    kept: list[Node] = []
    trained = _trained(bundle, found)
    for node in nodes:
        values = [value for value in node.outputs.values() if value in found and value in wanted]
        computed = not set(node.outputs.values()) <= found.keys() or node in kept_so
        if computed or (values and isinstance(layers[node.layer], Constant)):
            kept.append(node)
            continue
        for value in values:
            name = f"{value}.stored"
            tensors[name] = made(found[value], trainable=True if value in trained else None, axes="*a")
            layers[name] = Constant(operands={"value": StoredOperand(tensor=name)})
            kept.append(Node(layer=name, scope=node.scope, inputs={}, outputs={"y": value}))
    graph = bundle.graph.model_copy(update={"nodes": tuple(kept)})
    names = set(bodies.used(layers, graph))
    used = {name: layer for name, layer in layers.items() if name in names}
    keys = {o.tensor for layer in used.values() for o in layer.operands.values() if isinstance(o, StoredOperand)}
    return replace(bundle, layers=used, tensors={k: t for k, t in tensors.items() if k in keys}, graph=graph)


def _other_shapes(bundle: Bundle, nodes: Sequence[Node], rest: Sequence[Node]) -> list[Node]:
    """The nodes that give an array of the file another shape, for layers that stay: stored so, it would be another."""
    wanted = {value for node in rest for value in node.inputs.values()}
    own: set[str] = set()
    for node in nodes:
        layer = bundle.layers.get(node.layer)
        operand = layer.operands.get("value") if isinstance(layer, Constant) else None
        if isinstance(operand, StoredOperand) and bundle.tensors[operand.tensor].record.source is not None:
            own.update(node.outputs.values())
    shaping = [node for node in nodes if node.layer in bundle.layers and bundle.layers[node.layer].type in _SHAPING]
    return [n for n in shaping if list(n.inputs) == ["x"] and n.inputs["x"] in own and n.outputs["y"] in wanted]


def _trained(bundle: Bundle, found: Mapping[str, LazyTensor]) -> set[str]:
    """The values that are made of a parameter of which the source says that it is trained."""
    assert bundle.graph is not None, "the caller has looked"
    trained: set[str] = set()
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        operand = layer.operands["value"] if isinstance(layer, Constant) else None
        said = bundle.tensors[operand.tensor].record.trainable if isinstance(operand, StoredOperand) else None
        if said or not trained.isdisjoint(node.inputs.values()):
            trained |= found.keys() & set(node.outputs.values())
    return trained
