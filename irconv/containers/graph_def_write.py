"""Writes TensorFlow's graphs from `irconv.containers.graph_def`, constants streamed into them.

Attributes are told apart by their Python types: `ElementType` and `Sizes` are a type and a shape, other text and tuples
of numbers are text and lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from irconv.containers import messages, protobuf
from irconv.containers.graph_def import (
    ArgDef,
    ElementType,
    FunctionDef,
    FunctionName,
    GraphDef,
    MetaGraph,
    NodeDef,
    Signature,
    Sizes,
    TensorInfo,
    VariableDef,
)
from irconv.containers.protobuf import Pieces
from irconv.containers.tensor_protos import StringTensor
from irconv.containers.tensor_types import type_number
from irconv.ir.tensors import LazyTensor

LARGEST = 2**31 - 2**20
"""Bytes of a message that every reader of protocol buffers takes."""

# field numbers of GraphDef, NodeDef, the entries of its attributes, AttrValue and TensorProto
_NODE, _LIBRARY, _VERSIONS = 1, 2, 4
_ATTR, _KEY, _VALUE, _TENSOR, _CONTENT = 5, 1, 2, 8, 4
_FUNCTION, _FUNCTION_NODE = 1, 3
_META_INFO, _GRAPH, _SAVER, _COLLECTION, _SIGNATURE = 1, 2, 3, 4, 5


def graph_pieces(graph: GraphDef) -> Pieces:
    """A GraphDef."""
    pieces: Pieces = []
    for node in graph.nodes:
        pieces += protobuf.field(_NODE, _node(node))
    if graph.functions:
        library: Pieces = []
        for function in graph.functions.values():
            library += protobuf.field(_FUNCTION, _function(function))
        pieces += protobuf.field(_LIBRARY, library)
    versions = messages.message("tensorflow", "VersionDef")
    versions.producer = graph.producer
    return [*pieces, *protobuf.field(_VERSIONS, [_bytes(versions)])]


def meta_graph_pieces(meta: MetaGraph, made_by: str) -> Pieces:
    """A MetaGraphDef; `made_by` stands where TensorFlow notes the commit that it was built of."""
    info = messages.message("tensorflow", "MetaGraphDef.MetaInfoDef")
    info.tags.extend(meta.tags)
    info.tensorflow_version, info.tensorflow_git_version = meta.version, made_by
    pieces = protobuf.field(_META_INFO, [_bytes(info)]) + protobuf.field(_GRAPH, graph_pieces(meta.graph))
    rest = messages.message("tensorflow", "MetaGraphDef")
    if meta.saver is not None:
        saver = rest.saver_def
        saver.filename_tensor_name, saver.save_tensor_name = meta.saver.filename, meta.saver.save
        saver.restore_op_name, saver.version, saver.max_to_keep = meta.saver.restore, meta.saver.version, 5
        saver.keep_checkpoint_every_n_hours = 10000.0
    for name, variables in meta.variables.items():
        rest.collection_def[name].bytes_list.value.extend(_bytes(_variable(variable)) for variable in variables)
    for name, signature in meta.signatures.items():
        _sign(rest.signature_def[name], signature)
    return [*pieces, _bytes(rest)]


def saved_model_pieces(metas: Iterable[MetaGraph], made_by: str) -> Pieces:
    """A SavedModel."""
    head = messages.message("tensorflow", "SavedModel")
    head.saved_model_schema_version = 1
    pieces: Pieces = [_bytes(head)]
    for meta in metas:
        pieces += protobuf.field(2, meta_graph_pieces(meta, made_by))
    return pieces


def _node(node: NodeDef) -> Pieces:
    """A node, the elements of its tensors left lazy."""
    message = messages.message("tensorflow", "NodeDef")
    message.name, message.op, message.device = node.name, node.op, node.device
    message.input.extend(node.inputs)
    lazy: Pieces = []
    for name in sorted(node.attrs):
        value = node.attrs[name]
        if isinstance(value, LazyTensor):
            lazy += protobuf.field(_ATTR, [*protobuf.field(_KEY, [name.encode()]), *_tensor_value(value)])
        else:
            _fill(message.attr[name], value)
    return [_bytes(message), *lazy]


def _tensor_value(tensor: LazyTensor) -> Pieces:
    head = messages.message("tensorflow", "TensorProto")
    head.dtype = type_number(tensor.dtype)
    head.tensor_shape.SetInParent()
    for size in tensor.shape:
        head.tensor_shape.dim.add(size=size)
    content = protobuf.field(_CONTENT, [tensor]) if tensor.nbytes else []
    return protobuf.field(_VALUE, protobuf.field(_TENSOR, [_bytes(head), *content]))


def _fill(message: Any, value: Any) -> None:
    """An AttrValue that holds no large tensor."""
    if isinstance(value, ElementType):
        message.type = type_number(value)
    elif isinstance(value, Sizes):
        _shape(message.shape, value)
    elif isinstance(value, bool):
        message.b = value
    elif isinstance(value, int):
        message.i = value
    elif isinstance(value, float):
        message.f = value
    elif isinstance(value, str | bytes):
        message.s = value.encode() if isinstance(value, str) else value
    elif isinstance(value, StringTensor):
        message.tensor.dtype = type_number("string")
        _shape(message.tensor.tensor_shape, value.shape)
        message.tensor.string_val.extend(value.values)
    elif isinstance(value, FunctionName):
        message.func.name = value.name
    else:
        _fill_list(message.list, value)


def _fill_list(message: Any, values: tuple[Any, ...]) -> None:
    message.SetInParent()
    for value in values:
        if isinstance(value, ElementType):
            message.type.append(type_number(value))
        elif isinstance(value, Sizes):
            _shape(message.shape.add(), value)
        elif isinstance(value, str):
            message.s.append(value.encode())
        else:
            message.i.append(value)


def _shape(message: Any, sizes: Iterable[int]) -> None:
    message.SetInParent()
    for size in sizes:
        message.dim.add(size=size)


def _function(function: FunctionDef) -> Pieces:
    message = messages.message("tensorflow", "FunctionDef")
    message.signature.name = function.name
    for found, arguments in (
        (message.signature.input_arg, function.inputs),
        (message.signature.output_arg, function.outputs),
    ):
        for argument in arguments:
            _argument(found.add(), argument)
    for name, value in function.ret.items():
        message.ret[name] = value
    pieces: Pieces = [_bytes(message)]
    for node in function.nodes:
        pieces += protobuf.field(_FUNCTION_NODE, _node(node))
    return pieces


def _argument(message: Any, argument: ArgDef) -> None:
    message.name, message.type = argument.name, type_number(argument.dtype)


def _variable(variable: VariableDef) -> Any:
    message = messages.message("tensorflow", "VariableDef")
    message.variable_name, message.snapshot_name = variable.name, variable.snapshot
    message.initial_value_name, message.initializer_name = variable.initial_value, variable.initializer
    message.is_resource, message.trainable = variable.resource, variable.trainable
    return message


def _sign(message: Any, signature: Signature) -> None:
    message.method_name = signature.method
    for found, given in ((message.inputs, signature.inputs), (message.outputs, signature.outputs)):
        _infos(found, given)


def _infos(found: Any, given: Mapping[str, TensorInfo]) -> None:
    for name, info in given.items():
        found[name].name, found[name].dtype = info.name, type_number(info.dtype)
        _shape(found[name].tensor_shape, (-1 if size is None else size for size in info.shape or ()))


def _bytes(message: Any) -> bytes:
    content: bytes = message.SerializeToString(deterministic=True)
    return content
