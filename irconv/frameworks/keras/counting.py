"""Numbers that count up to a size which only an input tells: Keras' ``arange`` takes numbers, its ``cumsum`` values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.inference import infer_types
from irconv.ir.layers.arithmetic import CumSum
from irconv.ir.layers.base import Layer, LiteralOperand, ValueType
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.shape_ops import Range
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Add, Constant, Mul, Reshape
from irconv.ir.shapes import Size


def with_sums(bundle: Bundle) -> Bundle:
    """Ranges of as many numbers as a value has elements along an axis, as running sums of that many ones.

    A Range whose count is no axis of a value before it stays as it is.
    """
    if bundle.graph is None or not any(map(_open, bundle.layers.values())):
        return bundle
    types, layers = infer_types(bundle), dict(bundle.layers)
    seen: dict[str, ValueType] = {port.value: types[port.value] for port in bundle.graph.inputs}
    nodes = list[Node]()
    for node in bundle.graph.nodes:
        layer, result = layers[node.layer], next(iter(node.outputs.values()))
        found = _axis(seen, layer) if isinstance(layer, Range) and _open(layer) else None
        if found is None:
            nodes.append(node)
        else:
            assert isinstance(layer, Range), "which alone is open"
            nodes += _steps(layers, layer, found, seen[found[0]], result)
        seen |= {value: types[value] for value in node.outputs.values()}
    return replace(bundle, layers=layers, graph=bundle.graph.model_copy(update={"nodes": tuple(nodes)}))


def _open(layer: Layer) -> bool:
    return isinstance(layer, Range) and isinstance(layer.start, int) and isinstance(layer.limit, str)


def _axis(seen: Mapping[str, ValueType], layer: Range) -> tuple[str, int] | None:
    """A value and the axis of it that is as long as the range."""
    count = (Size.of(layer.limit) - layer.start).dimension
    if layer.step != 1:
        return None
    return next(((value, kind.shape.index(count)) for value, kind in seen.items() if count in kind.shape), None)


def _steps(layers: dict[str, Layer], layer: Range, found: tuple[str, int], kind: ValueType, result: str) -> list[Node]:
    """Zeros times one row of the value, plus one, summed up: numbers from 1 on; nothing is left of what it held."""
    (value, axis), count = found, (Size.of(layer.limit) - layer.start).dimension
    others, nodes = tuple(i for i in range(len(kind.shape)) if i != axis), list[Node]()

    def put(step: Layer, inputs: Mapping[str, str], last: bool = False) -> str:
        made = result if last else f"{result}.count{len(nodes)}"
        layers[made] = step
        nodes.append(Node(layer=made, scope="", inputs=dict(inputs), outputs={"y": made}))
        return made

    def number(literal: int) -> str:
        return put(Constant(operands={"value": LiteralOperand(literal=literal, dtype="int64")}), {})

    if others:
        zeros, ones = (0,) * len(others), (1,) * len(others)
        value = put(Slice(axes=others, starts=zeros, ends=ones, steps=ones), {"x": value})
        value = put(Reshape(shape=(count,)), {"x": value})
    value = put(Cast(dtype="int64"), {"x": value})
    value = put(Mul(), {"x0": value, "x1": number(0)})
    value = put(Add(), {"x0": value, "x1": number(1)})
    value = put(CumSum(axis=0, exclusive=False, reverse=False), {"x": value})
    put(Add(), {"x0": value, "x1": number(layer.start - 1 if isinstance(layer.start, int) else 0)}, last=True)
    return nodes
