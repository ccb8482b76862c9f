"""Layers of other frameworks whose operands, laid out anew, make them layers that Keras has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from irconv.ir.bundle import Bundle, Tensor
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.activations import PRelu
from irconv.ir.layers.base import Layer, StoredOperand
from irconv.ir.layers.convolution import Conv, ConvTranspose
from irconv.ir.layers.patches import DepthToSpace
from irconv.ir.layers.slicing import Split
from irconv.ir.layers.tensor_ops import Concat
from irconv.ir.tensors import LazyTensor
from irconv.layout import Array

_MOST_GROUPS = 64
"""More layers are not written in the place of one."""


def laid_out(bundle: Bundle, grouped: bool) -> Bundle:
    """The same function with slopes of full rank, transposed convolutions of one group, and PyTorch's order of blocks
    in the weights before them; other convolutions of one group, too, where the target has none that are `grouped`."""
    if bundle.graph is None:
        return bundle
    return _in_one_group(_without_holes(_blocks_first(_whole_slopes(bundle))), grouped)


def _stored(bundle: Bundle, layer: Layer, role: str) -> Tensor | None:
    operand = layer.operands.get(role)
    return bundle.tensors[operand.tensor] if isinstance(operand, StoredOperand) else None


def _changed(tensor: Tensor, array: Array) -> Tensor:
    record = replace(tensor.record, source=None, steps=(), shape=array.shape)
    return Tensor(record, LazyTensor.of(np.ascontiguousarray(array)))


def _whole_slopes(bundle: Bundle) -> Bundle:
    """PReLUs with a slope for each axis but the first; the axes that PyTorch leaves out have length 1."""
    if not any(isinstance(layer, PRelu) for layer in bundle.layers.values()):
        return bundle
    types, layers, tensors = infer_types(bundle), dict(bundle.layers), dict(bundle.tensors)
    assert bundle.graph is not None, "the caller has looked"
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        slope = _stored(bundle, layer, "slope") if isinstance(layer, PRelu) else None
        missing = 0 if slope is None else len(types[node.inputs["x"]].shape) - 1 - len(slope.data.shape)
        if slope is not None and missing > 0:
            key = f"{node.layer}.slope.{missing}"
            tensors[key] = _changed(slope, slope.data.numpy().reshape(*slope.data.shape, *(1,) * missing))
            layers[node.layer] = layer.model_copy(update={"operands": {"slope": StoredOperand(tensor=key)}})
    return replace(bundle, layers=layers, tensors=tensors)


def _blocks_first(bundle: Bundle) -> Bundle:
    """A convolution whose channels PyTorch spreads over space (``c b b + i b + j``) makes them in TensorFlow's order
    (``(i b + j) C + c``)."""
    assert bundle.graph is not None, "the caller has looked"
    nodes, layers, tensors = bundle.graph.nodes, dict(bundle.layers), dict(bundle.tensors)
    makers = {value: node for node in nodes for value in node.outputs.values()}
    uses = Counter(value for node in nodes for value in node.inputs.values())
    uses.update(port.value for port in bundle.graph.outputs)
    calls = Counter(node.layer for node in nodes)
    for node in nodes:
        layer, maker = layers[node.layer], makers.get(node.inputs.get("x", ""))
        if not isinstance(layer, DepthToSpace) or layer.mode != "CRD" or maker is None or calls[node.layer] > 1:
            continue
        before = bundle.layers[maker.layer]
        if not isinstance(before, Conv) or before.groups != 1 or calls[maker.layer] > 1 or uses[node.inputs["x"]] > 1:
            continue
        found = {role: _stored(bundle, before, role) for role in ("kernel", "bias") if role in before.operands}
        operands = dict(before.operands)
        if any(tensor is None for tensor in found.values()) or "kernel" not in found:
            continue
        for role, tensor in found.items():
            assert tensor is not None, "the others were passed over"
            array, blocks = tensor.data.numpy(), layer.block**2
            key = f"{maker.layer}.{role}.blocks"
            order = [c * blocks + ij for ij in range(blocks) for c in range(len(array) // blocks)]
            tensors[key] = _changed(tensor, array[order])
            operands[role] = StoredOperand(tensor=key)
        layers[maker.layer] = before.model_copy(update={"operands": operands})
        layers[node.layer] = layer.model_copy(update={"mode": "DCR"})
    return replace(bundle, layers=layers, tensors=tensors)


def _without_holes(bundle: Bundle) -> Bundle:
    """Transposed convolutions with steps and holes, which Keras does not have both of, with zeros in the holes."""
    layers, tensors = dict(bundle.layers), dict(bundle.tensors)
    for name, layer in bundle.layers.items():
        kernel = _stored(bundle, layer, "kernel") if isinstance(layer, ConvTranspose) else None
        if not isinstance(layer, ConvTranspose) or kernel is None or max(layer.stride) == 1 or max(layer.dilation) == 1:
            continue
        array = kernel.data.numpy()
        spans = [(k - 1) * d + 1 for k, d in zip(array.shape[2:], layer.dilation, strict=True)]
        whole = np.zeros((*array.shape[:2], *spans), array.dtype)
        whole[(slice(None), slice(None), *(slice(None, None, d) for d in layer.dilation))] = array
        key = f"{name}.kernel.whole"
        tensors[key] = _changed(kernel, whole)
        operands = {**layer.operands, "kernel": StoredOperand(tensor=key)}
        layers[name] = layer.model_copy(update={"operands": operands, "dilation": (1,) * len(spans)})
    return replace(bundle, layers=layers, tensors=tensors)


def _in_one_group(bundle: Bundle, grouped: bool) -> Bundle:
    """Convolutions of several groups as one for each group, on its channels; depthwise ones stay."""
    assert bundle.graph is not None, "the caller has looked"
    layers, tensors, nodes = dict(bundle.layers), dict(bundle.tensors), list[Node]()
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        kernel = _stored(bundle, layer, "kernel")
        if isinstance(layer, Conv | ConvTranspose) and kernel is not None and _is_apart(layer, kernel, grouped):
            nodes += _of_each_group(bundle, node, layer, kernel, layers, tensors)
        else:
            nodes.append(node)
    graph = bundle.graph.model_copy(update={"nodes": tuple(nodes)})
    return replace(bundle, layers=layers, tensors=tensors, graph=graph)


def _is_apart(layer: Conv | ConvTranspose, kernel: Tensor, grouped: bool) -> bool:
    if layer.groups == 1 or isinstance(layer, ConvTranspose):
        return layer.groups > 1
    return not grouped and kernel.data.shape[1] > 1 and layer.groups <= _MOST_GROUPS


def _of_each_group(
    bundle: Bundle,
    node: Node,
    layer: Conv | ConvTranspose,
    kernel: Tensor,
    layers: dict[str, Layer],
    tensors: dict[str, Tensor],
) -> list[Node]:
    count, name, result = layer.groups, node.layer, node.outputs["y"]
    pieces: Mapping[str, list[Array]] = {"kernel": np.split(kernel.data.numpy(), count, axis=0)}
    if (bias := _stored(bundle, layer, "bias")) is not None:
        pieces = {**pieces, "bias": np.split(bias.data.numpy(), count)}
    size = kernel.data.shape[1] if isinstance(layer, Conv) else kernel.data.shape[0] // count
    layers[f"{name}.groups"] = Split(axis=1, sizes=(size,) * count)
    layers[f"{name}.joined"] = Concat(axis=1)
    parts = [f"{result}.group{i}" for i in range(count)]
    made = [f"{result}.made{i}" for i in range(count)]
    whole = {"kernel": kernel, "bias": bias}
    nodes = [_node(f"{name}.groups", node, {"x": node.inputs["x"]}, {f"y{i}": part for i, part in enumerate(parts)})]
    for i in range(count):
        operands = {}
        for role, arrays in pieces.items():
            tensor = whole[role]
            assert tensor is not None, "it has been cut"
            key = f"{name}.{role}.{i}"
            tensors[key], operands[role] = _changed(tensor, arrays[i]), StoredOperand(tensor=key)
        layers[f"{name}.{i}"] = layer.model_copy(update={"groups": 1, "operands": operands})
        nodes.append(_node(f"{name}.{i}", node, {"x": parts[i]}, {"y": made[i]}))
    nodes.append(_node(f"{name}.joined", node, {f"x{i}": value for i, value in enumerate(made)}, {"y": result}))
    return nodes


def _node(layer: str, of: Node, inputs: dict[str, str], outputs: dict[str, str]) -> Node:
    return Node(layer=layer, scope=of.scope, inputs=inputs, outputs=outputs)
