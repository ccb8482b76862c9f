"""Writes ONNX: the graph through protobuf, the weights streamed into its raw data, or beside it above 2 GB."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
from onnx import StringStringEntryProto, helper

from irconv.containers import protobuf
from irconv.containers.files import OutputFile, Progress, write_tensors
from irconv.containers.outputs import Output
from irconv.errors import Refused
from irconv.frameworks import Made, graphless
from irconv.frameworks.onnx import noted
from irconv.frameworks.onnx.lower import lower, prepared
from irconv.frameworks.onnx.nodes import inner_values, nodes, value_info
from irconv.frameworks.onnx.recurrent_op import OnnxRecurrent
from irconv.frameworks.onnx.table import TABLE
from irconv.frameworks.onnx.table.rows import LOWEST_OPSET
from irconv.ir.bundle import Bundle
from irconv.ir.kept import KEY, Kept, Names, axes_of, left_of, names_of
from irconv.ir.layers.base import StoredOperand
from irconv.ir.manifest import Fact
from irconv.ir.tensors import LazyTensor
from irconv.options import WriteOptions
from irconv.translate import NativeModel, encode

_GRAPH, _INITIALIZER, _RAW_DATA = (
    7,
    5,
    9,
)  # field numbers of ModelProto.graph, GraphProto.initializer, TensorProto.raw_data
_PROTOBUF_LIMIT = 2**31 - 2**20
_SMALL = 1024
_NAMED = 3
"""Weights that are told by name, where there are more."""
_ALIGNMENT = 4096  # of external data, so that runtimes can map it
_ROLES = {"W": ("kernel",), "R": ("recurrent_kernel",), "B": ("bias_input", "bias_recurrent")}
"""The operands of ONNX's recurrent ops -> those of the IR that they are made of."""
_IR_VERSION = {18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11, 24: 12, 25: 13, 26: 13}
"""What ONNX has with each opset; the newest are those that onnxruntime 1.31 loads."""


def write(
    bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None = None
) -> Made:
    """Write the model; returns the files made, data first.

    Raises `Refused` naming every layer ONNX cannot express.
    """
    ready = prepared(bundle)
    model, initializers = build(bundle, options.opset, ready=ready)
    files = write_model(model, initializers, output, destination, progress)
    return Made(files, merged=_merged(bundle, ready))


def _merged(bundle: Bundle, ready: Bundle) -> tuple[Fact, ...]:
    """The weights that the file has only as the model takes them: in another element type, or put together."""
    made = {key: tensor for key, tensor in ready.tensors.items() if tensor.record.source is None}
    parameters = {k for k, t in bundle.tensors.items() if t.record.role == "parameter" and t.record.source is not None}
    gone = sorted(key for key in parameters if key in made or key not in ready.tensors)
    if not gone:
        return ()
    kinds = sorted({tensor.dtype for tensor in made.values()})
    named = ", ".join(gone[:_NAMED]) + (", ..." if len(gone) > _NAMED else "")
    evidence = f"written as the model computes with them, in {' and '.join(kinds)}: {named}"
    return (Fact(name="weights", value=str(len(gone)), evidence=evidence),)


def write_model(
    model: Any, initializers: dict[str, LazyTensor], output: Output, destination: Path, progress: Progress | None
) -> list[Path]:
    """Write a model without its weights, and these by their names: in one file, or large ones beside it."""
    if protobuf.size(_with_data(model, initializers)) < _PROTOBUF_LIMIT:
        protobuf.write(output.path(destination), _with_data(model, initializers), progress)
        return [destination]
    beside = destination.with_name(destination.name + ".data")
    # onnx's shape inference must find the values of pads, axes and the like in the model itself
    small = {name: tensor for name, tensor in initializers.items() if tensor.nbytes < _SMALL}
    large = {name: tensor for name, tensor in initializers.items() if name not in small}
    _write_beside(model, large, output.path(beside), beside.name, progress)
    protobuf.write(output.path(destination), _with_data(model, small))
    return [beside, destination]


def to_bytes(bundle: Bundle, execution: bool = False) -> bytes:
    """The model in memory, for running it; for `execution` see `irconv.frameworks.onnx.lower.lower`."""
    return protobuf.join(_with_data(*build(bundle, None, execution)))


def build(
    bundle: Bundle, opset: int | None, execution: bool = False, ready: Bundle | None = None
) -> tuple[Any, dict[str, LazyTensor]]:
    """The model without its weights, and the weights by initializer name; `ready`: the bundle as it is `prepared`."""
    if bundle.graph is None:
        raise graphless.refused(bundle, "and an ONNX model needs one")
    ready = ready or prepared(bundle)
    lowered = lower(ready, execution)
    native = encode(lowered, TABLE)
    needed = max([LOWEST_OPSET, *(layer.since for layer in native.layers.values())])
    if opset is not None and opset < needed:
        late = sorted({layer.type for layer in native.layers.values() if layer.since > opset})
        because = f" for {', '.join(late)}" if late else ""
        raise Refused(
            f"--opset {opset}", f"this model needs opset {needed}{because}", f"Give --opset {needed} or more."
        )
    initializers, renamed = _initializers(native)
    graph = helper.make_graph(
        list(nodes(native, native.layers, renamed)),
        _name(bundle),
        [value_info(port) for port in native.inputs],
        [value_info(port) for port in native.outputs],
        value_info=list(inner_values(native, native.layers, renamed)),
    )
    version = opset or needed
    if version not in _IR_VERSION:
        raise Refused(f"--opset {version}", f"irconv writes opsets {LOWEST_OPSET} to {max(_IR_VERSION)}")
    model = helper.make_model(
        graph, producer_name="irconv", opset_imports=[helper.make_opsetid("", version)], ir_version=_IR_VERSION[version]
    )
    model.metadata_props.extend(StringStringEntryProto(key=k, value=v) for k, v in _provenance(bundle))
    if (keys := names_of(lowered)) is not None:
        text = _kept(lowered, native, renamed, {**keys, **_of_loops(bundle, lowered)}).text()
        model.metadata_props.append(StringStringEntryProto(key=KEY, value=text))
    if notes := noted.text(ready, lowered, native, renamed):
        model.metadata_props.append(StringStringEntryProto(key=noted.KEY, value=notes))
    return model, initializers


def _kept(bundle: Bundle, model: NativeModel, renamed: Mapping[str, str], keys: Names) -> Kept:
    """The keys that initializers have in a state dict of PyTorch's. The scopes stand in the names of the nodes."""
    found: dict[str, tuple[str, ...]] = {}
    turned: dict[str, tuple[int, ...]] = {}
    constants: dict[str, None] = {}
    for name, layer in model.layers.items():
        for slot, weight in layer.tensors.items():
            initializer = renamed[f"{name}.{slot}"]
            if weight.role == "constant" or weight.literal:
                if "float" in weight.data.dtype and weight.data.shape:  # a reader takes others for numbers
                    constants[initializer] = None
            elif weight.path in keys and initializer not in found:
                found[initializer] = keys[weight.path]
                order = axes_of(bundle, weight.path, weight.data)
                if order is not None and order != tuple(range(len(weight.data.shape))):
                    turned[initializer] = order
    return Kept(found, turned, tuple(constants), left=left_of(bundle, found.values()))


def _of_loops(bundle: Bundle, lowered: Bundle) -> Names:
    """The keys of what the operands of recurrent ops were put together of."""
    keys = names_of(bundle) or {}
    found: dict[str, tuple[str, ...]] = {}
    for name, layer in lowered.layers.items():
        before = bundle.layers.get(name.removesuffix(".onnx"))
        if not isinstance(layer, OnnxRecurrent) or before is None:
            continue
        for slot, roles in _ROLES.items():
            operands = [before.operands.get(role) for role in roles]
            stored = [part.tensor for part in operands if isinstance(part, StoredOperand)]
            said = tuple(key for tensor in stored for key in keys.get(tensor, ()))
            if said:
                found[f"{name}.{slot}"] = said
    return found


def _initializers(model: NativeModel) -> tuple[dict[str, LazyTensor], dict[str, str]]:
    """The weights by name, each once, and for every name that `encode` gave the initializer it is.

    Tensors are named by their keys in the bundle; a tensor wanted in a second layout gets a name of its own.
    """
    found: dict[str, LazyTensor] = {}
    names: dict[str, str] = {}
    owners: dict[str, tuple[Any, ...]] = dict.fromkeys(_values(model), ("a value of the graph",))
    for layer_name, layer in model.layers.items():
        for slot, weight in layer.tensors.items():
            own = weight.path, weight.literal, weight.data.changes
            wanted = f"{layer_name}.{slot}"
            name = weight.path if owners.get(weight.path, own) == own else wanted
            while owners.setdefault(name, own) != own:
                name = f"{name}_"
            found.setdefault(name, weight.data)
            names[wanted] = name
    return found, names


def _values(model: NativeModel) -> set[str]:
    """The names of values, bodies included: weights share one space of names with them."""
    named = {port.value for port in model.inputs} | {value for use in model.uses for value in use.outputs if value}
    return named.union(*(_values(body) for body in model.bodies.values()))


def with_headers(model: Any, initializers: Mapping[str, LazyTensor]) -> Any:
    """The model with its weights named, and none of their elements."""
    model.graph.initializer.extend(_header(name, tensor) for name, tensor in initializers.items())
    return model


def _header(name: str, tensor: LazyTensor) -> Any:
    element = helper.np_dtype_to_tensor_dtype(_numpy(tensor.dtype))
    return onnx.TensorProto(name=name, data_type=element, dims=tensor.shape)


def _numpy(dtype: str) -> Any:
    from irconv.ir.dtypes import numpy_dtype

    return numpy_dtype(dtype)


def _with_data(model: Any, initializers: dict[str, LazyTensor]) -> protobuf.Pieces:
    """The model as pieces: everything but the graph, then the graph with a raw-data field for each initializer."""
    shell = onnx.ModelProto()
    shell.CopyFrom(model)
    shell.ClearField("graph")
    graph: protobuf.Pieces = [model.graph.SerializeToString(deterministic=True)]
    for name, tensor in initializers.items():
        header = _header(name, tensor).SerializeToString(deterministic=True)
        graph += protobuf.field(_INITIALIZER, [header, *protobuf.field(_RAW_DATA, [tensor])])
    return [shell.SerializeToString(deterministic=True), *protobuf.field(_GRAPH, graph)]


def _write_beside(
    model: Any, initializers: dict[str, LazyTensor], path: Path, name: str, progress: Progress | None
) -> None:
    """Write the weights to a file of their own and refer to it from the model."""
    placed, offset = [], 0
    for key, tensor in initializers.items():
        header = _header(key, tensor)
        header.data_location = onnx.TensorProto.EXTERNAL
        entries = {"location": name, "offset": str(offset), "length": str(tensor.nbytes)}
        header.external_data.extend(StringStringEntryProto(key=k, value=v) for k, v in entries.items())
        model.graph.initializer.append(header)
        placed.append((tensor, offset))
        offset += -(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT
    file = OutputFile(path)
    try:
        write_tensors(file, placed, progress)
    finally:
        file.close()


def _provenance(bundle: Bundle) -> list[tuple[str, str]]:
    source = bundle.source
    files = ", ".join(file.name for file in source.files)
    known = {"source_framework": source.framework, "source_version": source.version, "source_files": files}
    return [*known.items(), *source.marks().items()]


def _name(bundle: Bundle) -> str:
    return Path(bundle.source.files[0].name).stem if bundle.source.files else "model"
