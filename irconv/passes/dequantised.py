"""The weights of a quantised network as the real numbers that they stand for, for targets without such layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from irconv.ir.bundle import Bundle, made
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.graph import Node
from irconv.ir.layers.base import LiteralOperand, StoredOperand
from irconv.ir.layers.quantisation import DequantizeLinear
from irconv.ir.layers.tensor_ops import Constant
from irconv.ir.tensors import LazyTensor
from irconv.layout import Array
from irconv.log import timed
from irconv.passes import unused

_ROLES = ("scale", "zero_point")


@timed
def run(bundle: Bundle) -> Bundle:
    """The graph with every dequantised constant as a parameter, ``(x - zero_point) scale``, computed as
    the layer would: in the type of the scale, so that no number changes."""
    graph = bundle.graph
    if graph is None or not any(isinstance(layer, DequantizeLinear) for layer in bundle.layers.values()):
        return bundle
    layers, tensors, nodes = dict(bundle.layers), dict(bundle.tensors), list[Node]()
    held = {node.outputs["y"]: layer for node in graph.nodes if isinstance(layer := layers[node.layer], Constant)}
    for node in graph.nodes:
        array = _real(bundle, node, held)
        if array is None:
            nodes.append(node)
            continue
        value = node.outputs["y"]
        key, name = f"{value}/real", f"{node.layer}/real"
        tensors[key] = made(LazyTensor.of(array), trainable=True)
        layers[name] = Constant(operands={"value": StoredOperand(tensor=key)})
        nodes.append(Node(layer=name, scope=node.scope, inputs={}, outputs={"y": value}))
    graph = graph.model_copy(update={"nodes": tuple(nodes)})
    return unused.run(replace(bundle, layers=layers, tensors=tensors, graph=graph))


def _real(bundle: Bundle, node: Node, held: Mapping[str, Constant]) -> Array | None:
    """The real numbers of a node; None for one whose numbers are not all stored, and for a single number."""
    layer = bundle.layers[node.layer]
    if not isinstance(layer, DequantizeLinear):
        return None
    constants = {slot: held[value].operands["value"] for slot, value in node.inputs.items() if value in held}
    operands = {**layer.operands, **constants}
    if not operands.keys() >= {"x", *_ROLES}:
        return None
    x, scale, zero = (_array(bundle, operands[role]) for role in ("x", *_ROLES))
    if not x.ndim or max(scale.ndim, zero.ndim) > 1:
        return None
    if layer.axis is not None:
        along = tuple(-1 if axis == layer.axis else 1 for axis in range(x.ndim))
        scale, zero = scale.reshape(along), zero.reshape(along)
    return np.asarray((x.astype(scale.dtype) - zero.astype(scale.dtype)) * scale)


def _array(bundle: Bundle, operand: StoredOperand | LiteralOperand) -> Array:
    if isinstance(operand, StoredOperand):
        return bundle.tensors[operand.tensor].data.numpy()
    return np.asarray(operand.literal, numpy_dtype(operand.dtype))
