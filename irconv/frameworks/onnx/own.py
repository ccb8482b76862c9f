"""The operators of other domains in a graph that irconv has no rule for, as ONNX spells them: for a first plugin."""

from __future__ import annotations

from pathlib import Path

from onnx import helper

from irconv import edits
from irconv.codec import Native, NativeModel, NativeUse, NativeWeight, Table
from irconv.containers import onnx_model
from irconv.frameworks.onnx.reading.attributes import text
from irconv.frameworks.onnx.reading.handlers import HANDLERS
from irconv.frameworks.onnx.reading.model import STANDARD
from irconv.frameworks.onnx.table import TABLE
from irconv.options import ReadOptions


def native(path: Path, options: ReadOptions) -> tuple[NativeModel, Table] | None:
    """These operators alone, and the rules that would read them; None where the graph has none. A weight stands in its
    operator by its name, and in its place among the inputs of the call. Raises `DamagedFile`."""
    file, table = onnx_model.read(path), edits.with_plugins(TABLE, options)
    model = file.model
    functions = {(function.domain, function.name) for function in model.functions}
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    layers, uses = dict[str, Native](), list[NativeUse]()
    for at, node in enumerate(model.graph.node):
        kind, known = f"{node.domain}.{node.op_type}", (node.domain, node.op_type)
        if node.domain in STANDARD or known in functions or known in HANDLERS or table.knows(kind):
            continue
        name = node.name or next((result for result in node.output if result), f"{node.op_type}_{at}")
        name = name if name not in layers else f"{name}_{at}"
        config = {one.name: text(helper.get_attribute_value(one)) for one in node.attribute}
        where = f"{path.name}: node {name}"
        tensors = {key: NativeWeight(key, file.tensor(stored[key], where)) for key in node.input if key in stored}
        layers[name] = Native(kind, name, config, tensors)
        uses.append(NativeUse(name, tuple(node.input), tuple(node.output)))
    return (NativeModel(layers, tuple(uses), (), ()), table) if layers else None
