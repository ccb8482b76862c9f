"""Functions that a file defines, read as if their nodes stood where they are called."""

from __future__ import annotations

from typing import Any

import onnx

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.model import ModelReader

_DEEPEST = 32


def call(reader: ModelReader, node: Any, domain: str, where: str) -> None:
    """The nodes of a function, with names of their own, its arguments and its attributes those of the call.

    Raises `Refused` for functions that call each other without end.
    """
    function = reader.functions[domain, node.op_type]
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
