"""Nodes that no rule is for, kept as they are (``--keep-opaque``)."""

from __future__ import annotations

from irconv.codec import Native, NativeUse
from irconv.frameworks.onnx.reading.attributes import element_type
from irconv.frameworks.onnx.reading.model import ModelReader, Op
from irconv.translate.opaque import Hint, plain


def keep(reader: ModelReader, op: Op) -> None:
    """Keep a node, with what the file notes of the types of its results, where sizes of other symbols than those of
    inputs are open. Raises `Refused` for attributes that are tensors or graphs."""
    config, graph = plain(op.attributes, op.where), reader.file.model.graph
    for port in (*graph.value_info, *graph.output):
        kind = port.type.tensor_type
        if port.name in op.outputs and kind.HasField("shape"):
            sizes = [d.dim_value if d.dim_value > 0 else reader.symbols.get(d.dim_param) for d in kind.shape.dim]
            dtype = element_type(kind.elem_type, op.where)
            reader.keeping.hints[port.name] = Hint(sizes, dtype, "the file's own note of the value")
    native = Native(op.type, reader.importer.free(op.name), config, origin=reader.origin(op))
    reader.keeping.add(reader.importer, native, NativeUse(native.name, op.inputs, op.outputs), op.where)
