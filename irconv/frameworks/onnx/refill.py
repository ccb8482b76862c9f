"""An ONNX file with other values in its initializers: nodes, names, opset and metadata stay as its owner saved them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import Message

from irconv.containers import onnx_model
from irconv.containers.onnx_model import OnnxFile
from irconv.containers.outputs import Output
from irconv.frameworks.onnx.write import write_model
from irconv.ir.tensors import LazyTensor


def can_refill(path: Path, destination: Path, values: Mapping[str, LazyTensor]) -> bool:
    """Whether a file has an initializer of the same type and shape for each value, and nothing that would be lost."""
    if {path.suffix, destination.suffix} != {".onnx"}:
        return False
    file = onnx_model.read(path)
    graph = file.model.graph
    if any(tensor.data_type == onnx.TensorProto.STRING for tensor in graph.initializer) or graph.sparse_initializer:
        return False
    places = {tensor.name: file.tensor(tensor, tensor.name) for tensor in graph.initializer}
    return all(
        name in places and (places[name].dtype, places[name].shape) == (value.dtype, value.shape)
        for name, value in values.items()
    )


def refill(path: Path, destination: Path, values: Mapping[str, LazyTensor], output: Output) -> list[Path]:
    """Write the model with these values in the place of its own; `can_refill` has said that it can be done.

    Data that lay beside the file are in the new one, or beside it above 2 GB.
    """
    file = onnx_model.read(path)
    model, initializers = file.model, dict[str, LazyTensor]()
    for tensor in model.graph.initializer:
        initializers[tensor.name] = values.get(tensor.name) or file.tensor(tensor, f"{path}: {tensor.name}")
    model.graph.ClearField("initializer")
    for tensor in _tensors(model):
        _bring_in(file, tensor, str(path))
    return write_model(model, initializers, output, destination, None)


def _tensors(message: Any) -> Iterator[Any]:
    """Every tensor in the nodes of a model, its functions and its inner graphs."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if isinstance(value, Message) else value:
                yield from _tensors(part)


def _bring_in(file: OnnxFile, tensor: Any, where: str) -> None:
    """Data that were left in the file, or lie beside it, in the message itself."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        data = file.tensor(tensor, where).numpy().tobytes()
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
        tensor.raw_data = data
