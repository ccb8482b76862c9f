"""What Theano's functions cannot say as it stands, in IR they can say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from irconv.errors import Problems
from irconv.frameworks.theano.parts import split
from irconv.frameworks.theano.table import TABLE
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.convolution import Conv
from irconv.ir.layers.pooling import MaxPool
from irconv.ir.layers.recurrent_base import Recurrent
from irconv.ir.layers.slicing import Flip, Select
from irconv.ir.layers.tensor_ops import Pad
from irconv.ir.layers.window import Padding, explicit_padding
from irconv.ir.shapes import Shape
from irconv.passes import decompose, padding, stored_operands

_NO_LOOPS = "is a recurrence in float16, which Theano's scan does not run"
_Window = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def lower(bundle: Bundle) -> Bundle:
    """The same function in types, paddings and results that the table can write. Raises `Refused`."""
    bundle = _with_sequences(stored_operands.run(bundle))
    bundle = decompose.run(bundle, _has, split)
    bundle = padding.run(bundle, symmetric=True, native=_native_padding)
    return decompose.run(bundle, _has, split)


def of_its_types(bundle: Bundle, types: Mapping[str, ValueType]) -> None:
    """Raise `Refused` for element types of which Theano has no arrays, or no loops."""
    problems = Problems()
    for node in bundle.graph.nodes if bundle.graph is not None else ():
        layer = bundle.layers[node.layer]
        dtypes = {types[value].dtype for value in (*node.inputs.values(), *node.outputs.values())}
        loops = "float16" in dtypes and isinstance(layer, Recurrent)
        if "bfloat16" in dtypes or loops:
            fault = _NO_LOOPS if loops else "computes in bfloat16, which Theano does not have"
            problems.add(f"layer {node.layer} ({layer.type})", fault, "--dtype f32 makes the model float32.")
    problems.raise_any()


def _has(layer: Layer, given: Mapping[str, ValueType]) -> bool:
    """Whether the table has a layer; its padding only puts elements there."""
    cuts = isinstance(layer, Pad) and any(isinstance(n, int) and n < 0 for pair in layer.pads for n in pair)
    return not cuts and TABLE.has(layer, given)


def _native_padding(layer: Layer, sizes: Shape, window: _Window) -> Padding | None:
    """A convolution takes any numbers, over three axes the same ones on both sides; a pool does so, too, with numbers
    smaller than its window, where no partial windows are kept."""
    numbers = explicit_padding(layer.settings()["padding"], sizes, *window)
    if numbers is None:
        return None
    if isinstance(layer, Conv):
        # Theano 1.0.5: "Asymmetric padding not implemented for 3D"
        return numbers if len(numbers) < 3 or all(before == after for before, after in numbers) else None
    kernel, ceil = window[0], layer.settings()["ceil_mode"]
    alike = all(before == after < k for (before, after), k in zip(numbers, kernel, strict=True))
    plain = not isinstance(layer, MaxPool) or all(d == 1 for d in layer.dilation)
    if ceil and any(map(any, numbers)):
        return numbers  # the table refuses it: partial windows after padding are another set of windows
    return numbers if alike and plain else None


def _with_sequences(bundle: Bundle) -> Bundle:
    """Recurrent layers with their outputs in order of time as the only result; the last state is one of them."""
    if bundle.graph is None:
        return bundle
    problems = Problems()
    layers, nodes = dict(bundle.layers), list[Node]()
    wanted = {v for node in bundle.graph.nodes for v in node.inputs.values()} | {p.value for p in bundle.graph.outputs}
    for node in bundle.graph.nodes:
        layer = bundle.layers[node.layer]
        if not isinstance(layer, Recurrent) or layer.type not in ("LSTM", "GRU", "RNN"):
            nodes.append(node)
            continue
        if node.outputs.get("c") in wanted:
            problems.add(
                f"layer {node.layer} ({layer.type})", "its cell state is used, which irconv does not write here"
            )
        nodes += _sequence(node, layer, layers, wanted)
    problems.raise_any()
    return replace(bundle, layers=layers, graph=bundle.graph.model_copy(update={"nodes": tuple(nodes)}))


def _sequence(node: Node, layer: Recurrent, layers: dict[str, Layer], wanted: set[str]) -> list[Node]:
    y, h = node.outputs.get("y", ""), node.outputs.get("h", "")
    turned = layer.reverse and layer.order == "processing"
    layers[node.layer] = layer.model_copy(update={"order": "time"})  # they differ where it is reversed only
    if not turned and y in wanted and h not in wanted:
        return [node.model_copy(update={"outputs": {"y": y}})]
    sequence = f"{y or h}.sequence"
    nodes = [node.model_copy(update={"outputs": {"y": sequence}})]
    if y in wanted and turned:
        layers[f"{y}.turned"] = Flip(axes=(1,))
        nodes.append(Node(layer=f"{y}.turned", scope=node.scope, inputs={"x": sequence}, outputs={"y": y}))
    elif y in wanted:
        nodes[0] = node.model_copy(update={"outputs": {"y": y}})
        sequence = y
    if h in wanted:
        layers[f"{h}.last"] = Select(axis=1, index=0 if layer.reverse else -1)
        nodes.append(Node(layer=f"{h}.last", scope=node.scope, inputs={"x": sequence}, outputs={"y": h}))
    return nodes
