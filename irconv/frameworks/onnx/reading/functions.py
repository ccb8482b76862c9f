"""Functions that a file defines, read as if their nodes stood where they are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
from onnx import defs, helper

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.model import ModelReader
from irconv.ir.dtypes import numpy_dtype

_DEEPEST = 32


def defined(reader: ModelReader, node: Any, inputs: Sequence[str], version: int) -> Any:
    """What ONNX itself says that an op of it is made of, for inputs of these types; None for an op that is no function.
    Attributes that the node leaves out are those of the op's definition."""
    schema: Any = defs.get_schema(node.op_type, version, "")  # whose functions onnx's own stubs do not name
    if schema.has_function:
        versions, find = schema.function_opset_versions, schema.get_function_with_opset_version
        usable = [number for number in versions if number <= version]
        return None if not usable else _with_defaults(onnx.FunctionProto.FromString(find(max(usable))), schema)
    usable = [number for number in schema.context_dependent_function_opset_versions if number <= version]
    if not usable:
        return None
    types = [_type(reader, value) for value in inputs]
    content = schema.get_context_dependent_function_with_opset_version(max(usable), node.SerializeToString(), types)
    return _with_defaults(onnx.FunctionProto.FromString(content), schema)


def _with_defaults(function: Any, schema: Any) -> Any:
    said = {attribute.name for attribute in function.attribute_proto}
    given = [a.default_value for a in schema.attributes.values() if a.default_value.name and a.name not in said]
    function.attribute_proto.extend(given)
    return function


def _type(reader: ModelReader, value: str) -> bytes:
    if not value:
        return bytes(onnx.TypeProto().SerializeToString())
    dtype, shape = reader.type_of(value)
    element = helper.np_dtype_to_tensor_dtype(numpy_dtype(dtype))
    return bytes(helper.make_tensor_type_proto(element, list(shape)).SerializeToString())


def call(reader: ModelReader, node: Any, function: Any, where: str) -> None:
    """The nodes of a function, with names of their own, its arguments and its attributes those of the call.

    Raises `Refused` for functions that call each other without end.
    """
    if len(reader.calls) >= _DEEPEST:
        raise Refused(where, f"calls functions more than {_DEEPEST} deep")
    prefix = next((name for name in node.output if name), node.name)
    names = dict(zip(function.input, node.input, strict=False)) | dict.fromkeys(function.input[len(node.input) :], "")
    attributes = {attribute.name: attribute for attribute in function.attribute_proto}
    attributes |= {attribute.name: attribute for attribute in node.attribute}
    names |= {inner: outer for inner, outer in zip(function.output, node.output, strict=False) if outer}
    before = reader.opsets
    opsets = {("" if o.domain == "ai.onnx" else o.domain): o.version for o in function.opset_import}
    reader.calls.append(node.op_type)
    try:
        reader.opsets = {**before, **opsets}
        for inner in function.node:
            reader.node(_renamed(inner, names, attributes, f"{prefix}/"))
    finally:
        reader.opsets = before
        reader.calls.pop()


def _renamed(node: Any, names: dict[str, str], attributes: dict[str, Any], prefix: str) -> Any:
    """A node of a function under the names of the caller; references to its attributes are filled in."""

    def name(value: str) -> str:
        if not value:
            return ""
        return names.setdefault(value, prefix + value)

    made = onnx.NodeProto()
    made.CopyFrom(node)
    made.name = prefix + (node.name or node.op_type)
    made.input[:] = [name(value) for value in node.input]
    made.output[:] = [name(value) for value in node.output]
    made.ClearField("attribute")
    for attribute in node.attribute:
        if attribute.ref_attr_name:
            if attribute.ref_attr_name in attributes:
                filled = made.attribute.add()
                filled.CopyFrom(attributes[attribute.ref_attr_name])
                filled.name = attribute.name
        elif attribute.type == onnx.AttributeProto.GRAPH:
            filled = made.attribute.add()
            filled.CopyFrom(attribute)
            for inner in filled.g.node:
                inner.CopyFrom(_renamed(inner, names, attributes, prefix))
            for port in filled.g.output:
                port.name = name(port.name)
        else:
            made.attribute.add().CopyFrom(attribute)
    return made
