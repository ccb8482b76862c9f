"""Attributes of nodes as plain data, what they are where nobody says them, and element types by their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx
from onnx import AttributeProto, defs, helper

from irconv.errors import Refused
from irconv.ir.dtypes import logical_name


def defaults(name: str, version: int, domain: str) -> dict[str, Any]:
    """The attributes that an op has when nobody says them. Raises `SchemaError` for an op that the opset has not."""
    schema = defs.get_schema(name, version, domain)
    said = {key: a.default_value for key, a in schema.attributes.items() if a.default_value.name}
    return {key: helper.get_attribute_value(value) for key, value in said.items()}


def element_type(number: int, where: str) -> str:
    """The name of an element type of ONNX. Raises `Refused` for one that irconv lacks."""
    try:
        name = logical_name(helper.tensor_dtype_to_np_dtype(number))
    except KeyError:
        name = None
    if name is None or number == onnx.TensorProto.STRING:
        known = onnx.TensorProto.DataType.Name(number) if 0 < number < 64 else str(number)
        raise Refused(where, f"has elements of type {known}, which irconv does not read")
    return name


def text(value: Any) -> Any:
    """Bytes as text, in lists, too."""
    if isinstance(value, list):
        return [text(part) for part in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(plain, value))
    return isinstance(value, bool | int | float | str)


def nodes_of(graph: Any) -> Iterator[Any]:
    """The nodes of a graph and of the branches and bodies in it."""
    waiting = [graph]
    while waiting:
        for node in waiting.pop().node:
            yield node
            waiting += [each.g for each in node.attribute if each.type == AttributeProto.GRAPH]
