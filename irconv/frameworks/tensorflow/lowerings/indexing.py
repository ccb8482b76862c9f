"""Elements found by index, and sizes, in the ops that TensorFlow has for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.base import Decomposition, Layer, LiteralOperand, Step, ValueType
from irconv.ir.layers.comparisons import Cast, Less, Where
from irconv.ir.layers.elementwise import Neg
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.indexing import ArgMax, Gather, GatherElements, GatherND, ScatterElements, ScatterND, TopK
from irconv.ir.layers.shape_ops import Expand, Range, ShapeOf, SizeOf, Squeeze, Unsqueeze
from irconv.ir.layers.slicing import Select, Slice, Stack
from irconv.ir.layers.tensor_ops import Add, Constant, Reshape, Transpose
from irconv.ir.shapes import Dimension

_Given = Mapping[str, ValueType]


def _size_of(layer: SizeOf, given: _Given) -> Decomposition:
    f = Formula(layer, given)
    cut = Slice(axes=(0,), starts=(layer.axis,), ends=(layer.axis + 1,), steps=(1,))
    return f.ends(cut, f(ShapeOf(), "x"))


def _select(layer: Select, given: _Given) -> Decomposition:
    """A slice of one index, whose axis goes."""
    f, index = Formula(layer, given), layer.index
    end = index + 1 if index != -1 else None
    cut = f(Slice(axes=(layer.axis,), starts=(index,), ends=(end,), steps=(1,)), "x")
    return f.ends(Squeeze(axes=(layer.axis,)), cut)


def _extreme(layer: Any, given: _Given) -> Decomposition | None:
    """With the axis that is kept put in again; the last of equal elements is not TensorFlow's."""
    if not layer.keepdims or layer.ties != "first":
        return None
    f, plain = Formula(layer, given), layer.model_copy(update={"keepdims": False, "origin": None})
    return f.ends(Unsqueeze(axes=(layer.axis,)), f(plain, "x"))


def _elements(layer: GatherElements, given: _Given) -> Decomposition:
    f = Formula(layer, given)
    return f.ends(GatherND(batch_axes=0), "x", _places(f, given, layer.axis))


def _scattered(layer: ScatterElements, given: _Given) -> Decomposition:
    f = Formula(layer, given)
    return f.ends(ScatterND(reduction=layer.reduction), "x", _places(f, given, layer.axis), "updates")


def _places(f: Formula, given: _Given, axis: int) -> str:
    """For every index its whole place in x: its own along `axis`, where it stands along the others."""
    shape, rank = given["indices"].shape, len(given["indices"].shape)
    indices = _not_negative(f, "indices", given["indices"].dtype, given["x"].shape[axis])
    parts = []
    for other, size in enumerate(shape):
        if other == axis:
            parts.append(f(Cast(dtype="int64"), indices) if given["indices"].dtype != "int64" else indices)
            continue
        numbers = f(Range(start=0, limit=size, step=1))
        laid = f(Reshape(shape=(size, *(1,) * (rank - other - 1))), numbers)
        parts.append(f(Expand(shape=shape), laid))
    return f(Stack(axis=rank), *parts)


def _not_negative(f: Formula, indices: str, dtype: str, size: Dimension) -> str:
    """Indices counted from the end, counted from the start; TensorFlow knows no others."""
    if not isinstance(size, int):
        return indices
    below = f(Less(), indices, f.number(0, dtype))
    return f(Where(), below, f(Add(), indices, f.number(size, dtype)), indices)


def _best(layer: TopK, given: _Given) -> Decomposition | None:
    """The smallest are the largest of the negative values; an axis is turned to the end, and back."""
    rank, axis = len(given["x"].shape), layer.axis
    order = list(range(rank))
    order[axis], order[-1] = order[-1], order[axis]
    turns = axis != rank - 1
    if not turns and layer.largest:
        return None
    steps, value = list[Step](), "x"
    if turns:
        steps.append(Step(Transpose(permutation=tuple(order)), {"x": value}, {"y": "turned"}))
        value = "turned"
    if not layer.largest:
        steps.append(Step(Neg(), {"x": value}, {"y": "negative"}))
        value = "negative"
    plain = TopK(axis=rank - 1, k=layer.k, largest=True, sorted=layer.sorted)
    steps.append(Step(plain, {"x": value}, {"values": "found", "indices": "places" if turns else "indices"}))
    value = "found"
    if not layer.largest:
        steps.append(Step(Neg(), {"x": value}, {"y": "again" if turns else "values"}))
        value = "again"
    if turns:
        back = Transpose(permutation=tuple(order))
        steps.append(Step(back, {"x": value}, {"y": "values"}))
        steps.append(Step(back, {"x": "places"}, {"y": "indices"}))
    return steps


def counted_from_the_start(bundle: Bundle) -> Bundle:
    """Indices of a Gather that may be negative, and then count from the end, counted from the start."""
    assert bundle.graph is not None, "the caller has looked"
    if not any(isinstance(bundle.layers[node.layer], Gather) for node in bundle.graph.nodes):
        return bundle
    types, layers, nodes = infer_types(bundle), dict(bundle.layers), list[Node]()
    makers = {value: bundle.layers[node.layer] for node in bundle.graph.nodes for value in node.outputs.values()}
    for node in bundle.graph.nodes:
        layer, value = bundle.layers[node.layer], node.inputs.get("indices", "")
        size = types[node.inputs["x"]].shape[layer.axis] if isinstance(layer, Gather) else ""
        maker = makers.get(value)
        operand = maker.operands["value"] if isinstance(maker, Constant) else None
        known = np.asarray(operand.literal) if isinstance(operand, LiteralOperand) else None
        if not isinstance(layer, Gather) or not value or (known is not None and (known >= 0).all()):
            nodes.append(node)
            continue
        made, dtype = f"{node.outputs['y']}.indices", types[value].dtype
        steps: list[tuple[str, Layer, dict[str, str]]] = [
            ("zero", Constant(operands={"value": LiteralOperand(literal=0, dtype=dtype)}), {}),
            *_length(layer.axis, size, dtype, node.inputs["x"], made),
            ("below", Less(), {"x0": value, "x1": f"{made}.zero"}),
            ("from_end", Add(), {"x0": value, "x1": f"{made}.size"}),
            ("chosen", Where(), {"condition": f"{made}.below", "x0": f"{made}.from_end", "x1": value}),
        ]
        for name, step, inputs in steps:
            layers[f"{made}.{name}"] = step
            outputs = {"y": f"{made}.{name}"}
            nodes.append(Node(layer=f"{made}.{name}", scope=node.scope, inputs=inputs, outputs=outputs))
        nodes.append(node.model_copy(update={"inputs": {**node.inputs, "indices": f"{made}.chosen"}}))
    return replace(bundle, layers=layers, graph=bundle.graph.model_copy(update={"nodes": tuple(nodes)}))


def _length(axis: int, size: Dimension, dtype: str, value: str, made: str) -> list[tuple[str, Layer, dict[str, str]]]:
    """The size of an axis as one number."""
    if isinstance(size, int):
        return [("size", Constant(operands={"value": LiteralOperand(literal=size, dtype=dtype)}), {})]
    return [
        ("sizes", SizeOf(axis=axis), {"x": value}),
        ("length", Squeeze(axes=(0,)), {"x": f"{made}.sizes"}),
        ("size", Cast(dtype=dtype), {"x": f"{made}.length"}),
    ]


SPLITS: Mapping[str, Callable[[Any, _Given], Decomposition | None]] = {
    "SizeOf": _size_of,
    "Select": _select,
    ArgMax.__name__: _extreme,
    "ArgMin": _extreme,
    "GatherElements": _elements,
    "ScatterElements": _scattered,
}
LATE: Mapping[str, Callable[[Any, _Given], Decomposition | None]] = {"TopK": _best}
