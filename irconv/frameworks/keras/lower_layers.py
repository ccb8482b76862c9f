"""Layers of other frameworks in the settings that Keras has: spreads as variances, pools that count their padding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

import numpy as np

from irconv.ir.bundle import Bundle, Tensor
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.activations import HardSigmoid
from irconv.ir.layers.base import Decomposition, StoredOperand, ValueType
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.indexing import Sort, TopK
from irconv.ir.layers.matrix import Einsum, MatMul
from irconv.ir.layers.normalisation import BatchNorm, RMSNorm
from irconv.ir.layers.recurrent import GRU, LSTM
from irconv.ir.layers.shape_ops import Full
from irconv.ir.layers.tensor_ops import Reshape, Transpose
from irconv.ir.manifest import TensorRecord
from irconv.ir.shapes import static
from irconv.ir.tensors import LazyTensor

_NEW_GATE, _OLD_GATE = HardSigmoid(slope=1 / 6, offset=0.5), HardSigmoid(slope=0.2, offset=0.5)

#: Operands of recurrent layers whose first axis is that of gates and units.
_OF_GATES = ("kernel", "recurrent_kernel", "bias_input", "bias_recurrent")


def with_places(bundle: Bundle) -> Bundle:
    """Sorts whose places something takes as the best of all: Keras' give the elements alone."""
    if bundle.graph is None:
        return bundle
    graph, layers = bundle.graph, dict(bundle.layers)
    wanted = {value for node in graph.nodes for value in node.inputs.values()} | {port.value for port in graph.outputs}
    sorts = [node for node in graph.nodes if isinstance(layers[node.layer], Sort)]
    sorts = [node for node in sorts if node.outputs.get("indices", "") in wanted]
    if not sorts:
        return bundle
    types, nodes = infer_types(bundle), {id(node): node for node in graph.nodes}
    for node in sorts:
        layer = bundle.layers[node.layer]
        assert isinstance(layer, Sort), "they have been chosen"
        name, size = f"{node.layer}.best", types[node.inputs["x"]].shape[layer.axis]
        layers[name] = TopK(axis=layer.axis, k=size, largest=layer.descending, sorted=True)
        nodes[id(node)] = node.model_copy(update={"layer": name})
    used = {node.layer for node in nodes.values()}
    layers = {name: layer for name, layer in layers.items() if name in used or not isinstance(layer, Sort)}
    return replace(bundle, layers=layers, graph=graph.model_copy(update={"nodes": tuple(nodes.values())}))


def with_both_states(bundle: Bundle) -> Bundle:
    """LSTMs that are given one of their two first states start the other from zeros, which Keras has to be given."""
    if bundle.graph is None:
        return bundle
    types: dict[str, ValueType] = {}
    nodes, layers = list[Node](), dict(bundle.layers)
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        given = [slot for slot in ("initial_h", "initial_c") if slot in node.inputs]
        if not isinstance(layer, LSTM) or len(given) != 1:
            nodes.append(node)
            continue
        types = types or infer_types(bundle)
        missing = "initial_c" if given == ["initial_h"] else "initial_h"
        known = bundle.operand_types(layer) | {slot: types[value] for slot, value in node.inputs.items()}
        rows, hidden = static(known["recurrent_kernel"].shape) or (0, 0)
        units = hidden if missing == "initial_h" else rows // LSTM.GATES
        value = f"{next(iter(node.outputs.values()))}.{missing}"
        layers[value] = Full(shape=(known["x"].shape[0], units), value=0.0, dtype=known["x"].dtype)
        nodes.append(Node(layer=value, scope=node.scope, inputs={}, outputs={"y": value}))
        nodes.append(node.model_copy(update={"inputs": {**node.inputs, missing: value}}))
    return replace(bundle, layers=layers, graph=bundle.graph.model_copy(update={"nodes": tuple(nodes)}))


def with_variances(bundle: Bundle) -> Bundle:
    """BatchNorms that keep a standard deviation, or one over it, keep a variance; the epsilon stays where it can."""
    layers, tensors = dict(bundle.layers), dict(bundle.tensors)
    for name, layer in bundle.layers.items():
        if not isinstance(layer, BatchNorm):
            continue
        role = next((role for role in ("std", "inv_std") if role in layer.operands), "")
        stored = layer.operands.get(role)
        if not isinstance(stored, StoredOperand):
            continue
        given = tensors[stored.tensor]
        spread = given.data.numpy().astype(np.float64)
        square = (spread + layer.epsilon) ** 2 if role == "std" else 1 / spread**2
        epsilon = layer.epsilon if bool((square >= layer.epsilon).all()) else 0.0
        key = f"{name}.variance"
        data = LazyTensor.of((square - epsilon).astype(given.data.numpy().dtype))
        tensors[key] = Tensor(replace(given.record, source=None, steps=()), data)
        others = {other: operand for other, operand in layer.operands.items() if other != role}
        operands = {**others, "variance": StoredOperand(tensor=key)}
        layers[name] = layer.model_copy(update={"operands": operands, "epsilon": epsilon})
    return replace(bundle, layers=layers, tensors=tensors)


def with_scales(bundle: Bundle) -> Bundle:
    """RMSNorms with a scale, which Keras' layer always has: ones where there was none."""
    bare = {name for name, layer in bundle.layers.items() if isinstance(layer, RMSNorm) and not layer.operands}
    if bundle.graph is None or not bare:
        return bundle
    types, layers, tensors = infer_types(bundle), dict(bundle.layers), dict(bundle.tensors)
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        if node.layer not in bare or not isinstance(layer, RMSNorm) or "gamma" in node.inputs:
            continue
        dtype, shape = types[node.inputs["x"]]
        sizes = static(tuple(shape[axis] for axis in layer.axes))
        if sizes is None:
            continue
        key, ones = f"{node.layer}.gamma", np.ones(sizes, numpy_dtype(dtype))
        record = TensorRecord(
            role="constant", trainable=False, dtype=dtype, shape=sizes, axes="*k", letters="", source=None, steps=()
        )
        tensors[key] = Tensor(record, LazyTensor.of(ones))
        layers[node.layer] = layer.model_copy(
            update={"operands": {**layer.operands, "gamma": StoredOperand(tensor=key)}}
        )
    return replace(bundle, layers=layers, tensors=tensors)


def with_old_gates(bundle: Bundle) -> Bundle:
    """Gates by Keras 3's hard sigmoid, ``clip(x / 6 + 1 / 2)``, as gates by Keras 2's, ``clip(x / 5 + 1 / 2)``, whose
    weights are 5 / 6 of what they were."""
    layers, tensors = dict(bundle.layers), dict(bundle.tensors)
    for name, layer in bundle.layers.items():
        if not isinstance(layer, LSTM | GRU) or layer.recurrent_activation != _NEW_GATE:
            continue
        gates = layer.ORDERS["gate"]
        factors = np.asarray([1.0 if gate in "gn" else _NEW_GATE.slope / _OLD_GATE.slope for gate in gates])
        operands = dict(layer.operands)
        stored = {role: operand for role, operand in operands.items() if role in _OF_GATES}
        if any(not isinstance(operand, StoredOperand) for operand in stored.values()):
            continue
        for role, operand in stored.items():
            assert isinstance(operand, StoredOperand), "the others were passed over"
            given = tensors[operand.tensor]
            array = given.data.numpy()
            scaled = (array.reshape(len(gates), -1) * factors[:, None]).astype(array.dtype).reshape(array.shape)
            key = f"{name}.{role}.scaled"
            tensors[key] = Tensor(replace(given.record, source=None, steps=()), LazyTensor.of(scaled))
            operands[role] = StoredOperand(tensor=key)
        layers[name] = layer.model_copy(update={"operands": operands, "recurrent_activation": _OLD_GATE})
    return replace(bundle, layers=layers, tensors=tensors)


def with_dense_products(layer: Einsum, given: Mapping[str, ValueType]) -> Decomposition | None:
    """A product of a value and one with known sizes as a matrix product: both with the axes summed over last."""
    terms, result = layer.terms()
    if len(terms) != 2 or "..." in terms[1] or any(len(set(term)) < len(term.replace("...", ".")) for term in terms):
        return None
    # what the dots stand for gets digits for letters
    dots = "0123456789"[: len(given["x0"].shape) - len(terms[0].replace("...", ""))]
    left, right, result = terms[0].replace("...", dots), terms[1], result.replace("...", dots)
    sizes = dict(zip(left, given["x0"].shape, strict=True)) | dict(zip(right, given["x1"].shape, strict=True))
    summed = [letter for letter in left if letter not in result]
    kept, made = [x for x in left if x in result], [x for x in right if x not in left]
    fits = set(right) == {*summed, *made} and len(result) == len(left) + len(right) - 2 * len(summed)
    known = [sizes[x] for x in (*summed, *made)]
    numbers = [size for size in known if isinstance(size, int)]
    if not fits or len(numbers) != len(known):
        return None
    f, many, count = Formula(layer, given), prod(numbers[: len(summed)]), prod(numbers[len(summed) :])
    x = f(Transpose(permutation=tuple(left.index(x) for x in (*kept, *summed))), "x0")
    x = f(Reshape(shape=(*(sizes[x] for x in kept), many)), x)
    kernel = f(Transpose(permutation=tuple(right.index(x) for x in (*summed, *made))), "x1")
    y = f(MatMul(), x, f(Reshape(shape=(many, count)), kernel))
    y = f(Reshape(shape=(*(sizes[x] for x in kept), *(sizes[x] for x in made))), y)
    order = tuple([*kept, *made].index(x) for x in result)
    return f.ends(Transpose(permutation=order), y)
