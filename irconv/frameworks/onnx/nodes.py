"""Native layers and their uses as ONNX nodes; a nested graph becomes the ``body`` of its node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from onnx import helper

from irconv.codec import Native
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.graph import Port
from irconv.translate import NativeModel

Names = Mapping[str, str]
"""A name that `irconv.translate.encode` gave an input -> its name in the ONNX model."""


def nodes(model: NativeModel, natives: Mapping[str, Native], initializers: Names) -> Iterator[Any]:
    """The nodes of the outermost graph. A Constant is none: its value is an initializer; as an output it is copied."""
    constants = _constants(model, natives, initializers)
    yield from _apart(_nodes(model, natives, {**initializers, **constants}, ""))
    for value in dict.fromkeys(port.value for port in model.outputs if port.value in constants):
        yield helper.make_node("Identity", [constants[value]], [value], value)


def value_info(port: Port, name: str = "") -> Any:
    """An input or output of a graph, under its value's name unless said."""
    element = helper.np_dtype_to_tensor_dtype(numpy_dtype(port.dtype))
    info = helper.make_tensor_value_info(name or port.value, element, list(port.shape))
    if port.axes:
        info.doc_string = f"axes {port.axes}"
    return info


def inner_values(model: NativeModel, natives: Mapping[str, Native], names: Names) -> Iterator[Any]:
    """What is known of the values between inputs and outputs, which viewers show: element types and shapes."""
    outputs = {port.value for port in model.outputs}
    for use in model.uses:
        for value in use.outputs:
            found = model.types.get(value)
            if value and found is not None and value not in outputs and natives[use.layer].type != "Constant":
                element = helper.np_dtype_to_tensor_dtype(numpy_dtype(found.dtype))
                yield helper.make_tensor_value_info(names.get(value, value), element, list(found.shape))


def _constants(model: NativeModel, natives: Mapping[str, Native], initializers: Names) -> dict[str, str]:
    uses = [use for use in model.uses if natives[use.layer].type == "Constant"]
    return {use.outputs[0]: initializers[f"{use.layer}.value"] for use in uses}


def _apart(made: Iterator[Any]) -> Iterator[Any]:
    """Nodes whose names differ, as runtimes want them: a scope and a value may read like another scope and value."""
    taken: set[str] = set()
    for node in made:
        while node.name in taken:
            node.name += "_"
        taken.add(node.name)
        yield node


def _nodes(model: NativeModel, natives: Mapping[str, Native], names: Names, prefix: str) -> Iterator[Any]:
    for use in model.uses:
        native = natives[use.layer]
        if native.type == "Constant":
            continue
        inputs = [names.get(name, name) for name in use.inputs]
        outputs = [names.get(name, name) for name in use.outputs]
        first = next(name for name in use.outputs if name)
        name = f"{prefix}{use.scope}/{first}" if use.scope else f"{prefix}{first}"
        node = helper.make_node(native.type, inputs, outputs, name, **native.config)
        if use.layer in model.bodies:
            body = _body(model.bodies[use.layer], natives, names, f"{prefix}{first}/")
            node.attribute.append(helper.make_attribute("body", body))
        yield node


def _body(model: NativeModel, natives: Mapping[str, Native], outer: Names, prefix: str) -> Any:
    """A nested graph. ONNX wants its names to differ from those around it, hence the prefix; weights are the outermost
    graph's initializers, so each stands once.

    An output that no node of the body makes, or that stands twice among the outputs, gets a node of its own.
    """
    constants = _constants(model, natives, outer)
    made = {value for use in model.uses for value in use.outputs if value and value not in constants}
    own = {value: f"{prefix}{value}" for value in made | {port.value for port in model.inputs}}
    names = {**outer, **constants, **own}
    body = list(_apart(_nodes(model, natives, names, prefix)))
    outputs: list[Any] = []
    for port in model.outputs:
        name = names[port.value]
        if port.value not in made or name in {info.name for info in outputs}:
            name = f"{prefix}{port.name}/{len(outputs)}"
            body.append(helper.make_node("Identity", [names[port.value]], [name], name))
        outputs.append(value_info(port, name))
    inputs = [value_info(port, own[port.value]) for port in model.inputs]
    inner = [info for info in inner_values(model, natives, names) if info.name not in {out.name for out in outputs}]
    return helper.make_graph(body, prefix.rstrip("/"), inputs, outputs, value_info=inner)
