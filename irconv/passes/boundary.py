"""The axes of a graph's inputs and outputs: turned back to the source's own where the user wants that."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from irconv.ir.bundle import Bundle
from irconv.ir.graph import Node, Port
from irconv.ir.layers.base import Layer
from irconv.layout import invert
from irconv.passes.transposes import transposing


def to_source_axes(bundle: Bundle) -> Bundle:
    """The same function on inputs and outputs laid out as in the source, with a Transpose at each that moved."""
    if bundle.graph is None:
        return bundle
    layers: dict[str, Layer] = dict(bundle.layers)
    entry: list[Node] = []
    leave: list[Node] = []
    inputs: list[Port] = []
    outputs: list[Port] = []
    renamed: dict[str, str] = {}
    shared = Counter(port.value for port in (*bundle.graph.inputs, *bundle.graph.outputs))
    for port in bundle.graph.inputs:
        if port.axes != port.source_axes:
            order = tuple(port.source_axes.index(axis) for axis in port.axes)
            renamed[port.value] = f"{port.value}.{port.axes}"
            entry.append(_transpose(layers, order, port.value, renamed[port.value]))
            port = _at_source(port, invert(order))  # noqa: PLW2901
        inputs.append(port)
    for port in bundle.graph.outputs:
        if port.axes != port.source_axes:
            order = tuple(port.axes.index(axis) for axis in port.source_axes)
            if shared[port.value] > 1:  # another port gives the same value, maybe in other axes
                inner, result = renamed.get(port.value, port.value), f"{port.name}.{port.source_axes}"
            else:
                inner, result = renamed.setdefault(port.value, f"{port.value}.{port.axes}"), port.value
            leave.append(_transpose(layers, order, inner, result))
            port = _at_source(port, order).model_copy(update={"value": result})  # noqa: PLW2901
        elif port.value in renamed:
            port = port.model_copy(update={"value": renamed[port.value]})  # noqa: PLW2901
        outputs.append(port)
    nodes = tuple(
        node.model_copy(
            update={
                "inputs": {slot: renamed.get(v, v) for slot, v in node.inputs.items()},
                "outputs": {slot: renamed.get(v, v) for slot, v in node.outputs.items()},
            }
        )
        for node in bundle.graph.nodes
    )
    graph = bundle.graph.model_copy(
        update={"inputs": tuple(inputs), "outputs": tuple(outputs), "nodes": (*entry, *nodes, *leave)}
    )
    return replace(bundle, layers=layers, graph=graph)


def _transpose(layers: dict[str, Layer], order: tuple[int, ...], value: str, result: str) -> Node:
    return Node(layer=transposing(layers, order), scope="", inputs={"x": value}, outputs={"y": result})


def _at_source(port: Port, order: tuple[int, ...]) -> Port:
    shape = tuple(port.shape[axis] for axis in order)
    return port.model_copy(update={"shape": shape, "axes": port.source_axes})
