"""Reads TensorFlow's graphs into `irconv.containers.graph_def`: binary or text, each kind of message by its content."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from irconv.containers import messages
from irconv.containers.files import SourceFile
from irconv.containers.graph_def import (
    ArgDef,
    FunctionDef,
    FunctionName,
    GraphDef,
    MetaGraph,
    NodeDef,
    ObjectGraph,
    ObjectNode,
    Placeholder,
    SavedModel,
    SaverDef,
    Shape,
    Signature,
    TensorInfo,
    VariableDef,
)
from irconv.containers.graph_def_kind import FIRST_FIELDS, FIRST_WORD, SAVED_MODEL, Kind
from irconv.containers.graph_def_scan import MOST_BYTES, without_constants
from irconv.containers.tensor_protos import tensor
from irconv.containers.tensor_types import type_name
from irconv.errors import DamagedFile

_DEEPEST = 64


def read_graph(path: Path) -> GraphDef:
    """A GraphDef. Raises `DamagedFile`."""
    message, constants = _message(path, "GraphDef")
    return constants.graph(message)


def read_meta_graph(path: Path) -> MetaGraph:
    """A MetaGraphDef, such as a checkpoint's ``.meta``. Raises `DamagedFile`."""
    message, constants = _message(path, "MetaGraphDef")
    return constants.meta_graph(message)


def read_saved_model(path: Path) -> SavedModel:
    """A SavedModel, given its folder or its ``saved_model.pb``. Raises `DamagedFile`."""
    folder = path if path.is_dir() else path.parent
    file = path if path.is_file() else next(folder / name for name in SAVED_MODEL if (folder / name).is_file())
    message, constants = _message(file, "SavedModel")
    if not message.meta_graphs:
        raise DamagedFile(str(file), "expected a SavedModel with a graph, got none")
    prefix = folder / "variables" / "variables"
    found = prefix if Path(f"{prefix}.index").is_file() else None
    return SavedModel(file, tuple(map(constants.meta_graph, message.meta_graphs)), found)


def read_objects(content: bytes, where: str) -> ObjectGraph:
    """The graph of objects that a checkpoint keeps beside its tensors. Raises `DamagedFile`."""
    return _objects(messages.parse("tensorflow", "TrackableObjectGraph", content, where), where)


def _message(path: Path, kind: Kind) -> tuple[Any, _Constants]:
    where = str(path)
    file = SourceFile(path)
    head = bytearray(min(file.size, 1 << 12))
    file.read_into(memoryview(head), 0)
    if (word := FIRST_WORD.match(bytes(head))) and FIRST_FIELDS.get(word[1]) == kind:
        if file.size > MOST_BYTES:
            raise DamagedFile(where, f"expected at most {MOST_BYTES} bytes of text, got {file.size}")
        content = bytearray(file.size)
        file.read_into(memoryview(content), 0)
        return messages.parse_text("tensorflow", kind, bytes(content), where), _Constants(where, None, frozenset())
    left = without_constants(file, kind, where)
    parsed = messages.parse("tensorflow", kind, bytes(left.content), where)
    return parsed, _Constants(where, file, frozenset(left.large))


class _Constants:
    """Makes plain data of messages; knows where the constants lie that were left out of them."""

    def __init__(self, where: str, file: SourceFile | None, large: frozenset[tuple[int, int]]) -> None:
        self.where, self.file, self.large = where, file, large

    def graph(self, message: Any) -> GraphDef:
        """A GraphDef. Raises `DamagedFile` where a function stands twice."""
        functions: dict[str, FunctionDef] = {}
        for function in message.library.function:
            if function.signature.name in functions:
                raise DamagedFile(f"{self.where}: function {function.signature.name}", "stands in the library twice")
            functions[function.signature.name] = self._function(function)
        return GraphDef(self._nodes(message.node, self.where), functions, message.versions.producer)

    def meta_graph(self, message: Any) -> MetaGraph:
        """A MetaGraphDef."""
        variables: dict[str, tuple[VariableDef, ...]] = {}
        collections: dict[str, tuple[str, ...]] = {}
        for name, collection in message.collection_def.items():
            if collection.WhichOneof("kind") == "node_list":
                collections[name] = tuple(collection.node_list.value)
            elif name.endswith("variables") and collection.WhichOneof("kind") == "bytes_list":
                where = f"{self.where}: collection {name}"
                variables[name] = tuple(_variable(content, where) for content in collection.bytes_list.value)
        saver = message.saver_def if message.HasField("saver_def") else None
        objects = message.object_graph_def if message.HasField("object_graph_def") else None
        return MetaGraph(
            self.graph(message.graph_def),
            tuple(message.meta_info_def.tags),
            {name: _signature(found) for name, found in sorted(message.signature_def.items())},
            variables,
            collections,
            saver
            and SaverDef(saver.filename_tensor_name, saver.save_tensor_name, saver.restore_op_name, saver.version),
            message.meta_info_def.tensorflow_version,
            objects and _objects(objects, self.where),
            tuple(asset.filename for asset in message.asset_file_def),
        )

    def _function(self, message: Any) -> FunctionDef:
        signature = message.signature
        where = f"{self.where}: function {signature.name}"
        return FunctionDef(
            signature.name,
            tuple(map(_argument, signature.input_arg)),
            tuple(map(_argument, signature.output_arg)),
            self._nodes(message.node_def, where),
            dict(message.ret),
            dict(message.control_ret),
            self._attrs(message.attr, where),
        )

    def _nodes(self, found: Any, where: str) -> tuple[NodeDef, ...]:
        names: set[str] = set()
        nodes: list[NodeDef] = []
        for node in found:
            if node.name in names or not node.name or not node.op:
                what = "is in the graph twice" if node.name in names else "has no name or no operation"
                raise DamagedFile(f"{where}: {node.name}", what)
            names.add(node.name)
            attrs = self._attrs(node.attr, f"{where}: {node.name}")
            nodes.append(NodeDef(node.name, node.op, tuple(node.input), attrs, node.device))
        return tuple(nodes)

    def _attrs(self, found: Any, where: str, depth: int = 0) -> dict[str, Any]:
        if depth > _DEEPEST:
            raise DamagedFile(where, f"has attributes nested more than {_DEEPEST} deep")
        return {name: self._attr(found[name], f"{where}: attribute {name}", depth) for name in sorted(found)}

    def _attr(self, message: Any, where: str, depth: int) -> Any:
        kind = message.WhichOneof("value")
        if kind is None:
            return None
        if kind == "list":
            fields = [listed.name for listed, _ in message.list.ListFields()]
            if len(fields) > 1:
                raise DamagedFile(where, f"expected a list of one kind, got {', '.join(fields)}")
            values = getattr(message.list, fields[0]) if fields else ()
            return tuple(self._value(fields[0], value, where, depth) for value in values)
        return self._value(kind, getattr(message, kind), where, depth)

    def _value(self, kind: str, value: Any, where: str, depth: int) -> Any:
        if kind == "s":
            return _text(value)
        if kind == "type":
            return type_name(value)
        if kind == "shape":
            return _shape(value)
        if kind == "tensor":
            return self._tensor(value, where)
        if kind == "func":
            return FunctionName(value.name, self._attrs(value.attr, where, depth + 1))
        if kind == "placeholder":
            return Placeholder(value)
        return value

    def _tensor(self, message: Any, where: str) -> Any:
        if message.left_out_size and (message.left_out_offset, message.left_out_size) not in self.large:
            raise DamagedFile(where, "has a field that TensorFlow does not know")
        return tensor(message, where, self.file)


def _text(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _shape(message: Any) -> Shape:
    if message.unknown_rank:
        return None
    return tuple(None if dim.size < 0 else dim.size for dim in message.dim)


def _argument(message: Any) -> ArgDef:
    dtype = type_name(message.type) if message.type else ""
    return ArgDef(message.name, dtype, message.type_attr, message.number_attr, message.type_list_attr)


def _signature(message: Any) -> Signature:
    inputs = {name: _info(found) for name, found in sorted(message.inputs.items())}
    outputs = {name: _info(found) for name, found in sorted(message.outputs.items())}
    return Signature(inputs, outputs, message.method_name)


def _info(message: Any) -> TensorInfo:
    kind = message.WhichOneof("encoding")
    parts: tuple[str, ...] = ()
    if kind == "coo_sparse":
        sparse = message.coo_sparse
        parts = sparse.values_tensor_name, sparse.indices_tensor_name, sparse.dense_shape_tensor_name
    elif kind == "composite_tensor":
        parts = tuple(part.name for part in message.composite_tensor.components)
    return TensorInfo(message.name, type_name(message.dtype), _shape(message.tensor_shape), parts)


def _variable(content: bytes, where: str) -> VariableDef:
    message = messages.parse("tensorflow", "VariableDef", content, where)
    part = message.save_slice_info_def
    return VariableDef(
        message.variable_name,
        message.snapshot_name,
        message.is_resource,
        message.trainable,
        message.initial_value_name,
        message.initializer_name,
        part.full_name,
        tuple(part.full_shape),
        tuple(part.var_offset),
        tuple(part.var_shape),
    )


def _objects(message: Any, where: str) -> ObjectGraph:
    count = len(message.nodes)
    nodes = tuple(_object(node) for node in message.nodes)
    captured = getattr(message, "concrete_functions", {})
    bound = {name: tuple(captured[name].bound_inputs) for name in sorted(captured)}
    named = [n for node in nodes for n in (*node.children.values(), *(n for v, _, s in node.slots for n in (v, s)))]
    if wrong := [n for n in (*named, *(n for numbers in bound.values() for n in numbers)) if not 0 <= n < count]:
        raise DamagedFile(f"{where}: graph of objects", f"has {count} objects, but names number {wrong[0]}")
    return ObjectGraph(nodes, bound)


def _object(message: Any) -> ObjectNode:
    children = {child.local_name: child.node_id for child in message.children}
    slots = tuple(
        (slot.original_variable_node_id, slot.slot_name, slot.slot_variable_node_id) for slot in message.slot_variables
    )
    if message.DESCRIPTOR.name == "TrackableObject":
        keys = {saved.name: saved.checkpoint_key for saved in message.attributes}
        names = {saved.name: saved.full_name for saved in message.attributes if saved.full_name}
        return ObjectNode("", children, keys, names, slots)
    kind = message.WhichOneof("kind") or ""
    details = _DETAILS.get(kind)
    return ObjectNode(kind, children, slots=slots, **(details(getattr(message, kind)) if details else {}))


_DETAILS: Mapping[str, Any] = {
    "variable": lambda m: {
        "name": m.name, "dtype": type_name(m.dtype), "shape": _shape(m.shape), "trainable": m.trainable,
    },
    "function": lambda m: {"functions": tuple(m.concrete_functions)},
    "bare_concrete_function": lambda m: {
        "functions": (m.concrete_function_name,), "arguments": tuple(m.argument_keywords),
    },
    "constant": lambda m: {"name": m.operation},
    "captured_tensor": lambda m: {"name": m.name, "functions": (m.concrete_function,)},
    "user_object": lambda m: {"name": m.identifier, "metadata": m.metadata},
}  # fmt: skip
"""Kind of object -> what is kept of it."""
