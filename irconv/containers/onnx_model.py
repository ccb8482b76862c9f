"""ONNX files as messages with their large tensors left where they are, and tensors as lazy ones.

The messages are those of the `onnx` package. A tensor's bytes lie in the file itself, or in files beside it (external
data), whose names may lead nowhere else: no folders above, no absolute paths, no links out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import helper, numpy_helper

from irconv.containers.files import FileBytes, SourceFile
from irconv.containers.graph_def_scan import Scheme, without_constants
from irconv.containers.nibbles import Nibbles
from irconv.containers.varints import varint
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile, Refused
from irconv.ir.dtypes import item_size, logical_name
from irconv.ir.tensors import LazyTensor

_INNER: Mapping[str, Mapping[int, str]] = {
    "ModelProto": {7: "GraphProto", 25: "FunctionProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "FunctionProto": {7: "NodeProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {5: "TensorProto", 6: "GraphProto", 10: "TensorProto", 11: "GraphProto", 22: "SparseTensorProto"},
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
}
_HERE = "irconv: in this file"
"""The location of data that was left in the model's own file."""


def _entry(key: str, value: str) -> bytes:
    pair = b"".join(varint(n << 3 | 2) + varint(len(t)) + t.encode() for n, t in ((1, key), (2, value)))
    return varint(13 << 3 | 2) + varint(len(pair)) + pair


def _mark(offset: int, size: int) -> bytes:
    """As external data: TensorProto.external_data and data_location."""
    entries = {"location": _HERE, "offset": str(offset), "length": str(size)}
    return b"".join(_entry(key, value) for key, value in entries.items()) + varint(14 << 3) + varint(1)


NARROW = {onnx.TensorProto.INT4: "int8", onnx.TensorProto.UINT4: "uint8"}
"""Types of four bits, and those of the bytes that they are read as."""

_SCHEME = Scheme(_INNER, frozenset((9,)), {}, _mark)


@dataclass
class OnnxFile:
    """A model whose large tensors have not been read."""

    path: Path
    model: Any
    """`onnx.ModelProto`."""
    file: SourceFile
    beside: dict[str, SourceFile] = field(default_factory=dict)
    """The files of external data that were opened, by their names."""

    def tensor(self, message: Any, where: str) -> LazyTensor:
        """The elements of a TensorProto, unread where they are many.

        Raises `DamagedFile` for bytes that are not there, `Refused` for an element type that irconv lacks.
        """
        shape = tuple(message.dims)
        if any(size < 0 for size in shape):
            raise DamagedFile(where, f"expected sizes of at least 0, got {shape}")
        if message.data_type in NARROW:
            return self._narrow(message, shape, where)
        dtype = _element_type(message, where)
        if message.data_location == onnx.TensorProto.EXTERNAL:
            return self._external(message, dtype, shape, where)
        count = prod(shape)
        if message.HasField("raw_data") and len(message.raw_data) != count * item_size(dtype):
            raise DamagedFile(where, f"expected {count * item_size(dtype)} bytes, got {len(message.raw_data)}")
        try:
            return LazyTensor.of(np.ascontiguousarray(numpy_helper.to_array(message)).reshape(shape))
        except (ValueError, TypeError) as error:
            raise DamagedFile(where, f"expected {count} elements of {dtype}: {error}") from error

    def _narrow(self, message: Any, shape: tuple[int, ...], where: str) -> LazyTensor:
        """Numbers of four bits as bytes."""
        size = -(-prod(shape) // 2)
        if message.data_location == onnx.TensorProto.EXTERNAL:
            packed = self._external(message, "uint8", (size,), where)
        elif message.HasField("raw_data"):
            packed = LazyTensor.of(np.frombuffer(message.raw_data, np.uint8))
        else:
            packed = LazyTensor.of(np.asarray(message.int32_data, np.int64).astype(np.uint8))
        if packed.shape != (size,):
            raise DamagedFile(where, f"expected {size} bytes, got {packed.shape[0]}")
        return LazyTensor(Nibbles(packed, NARROW[message.data_type], shape))

    def _external(self, message: Any, dtype: str, shape: tuple[int, ...], where: str) -> LazyTensor:
        entries = {entry.key: entry.value for entry in message.external_data}
        location = entries.get("location", "")
        try:
            offset, length = int(entries.get("offset", 0)), int(entries.get("length", -1))
        except ValueError as error:
            raise DamagedFile(where, f"expected numbers for offset and length, got {entries}") from error
        nbytes = prod(shape) * item_size(dtype)
        if length not in (-1, nbytes):
            raise DamagedFile(where, f"expected {nbytes} bytes of external data, got {length}")
        file = self.file if location == _HERE else self._opened(location, where)
        return LazyTensor(FileBytes(file, offset, dtype, shape))

    def _opened(self, location: str, where: str) -> SourceFile:
        if location not in self.beside:
            folder = self.path.parent.resolve()
            found = (folder / location).resolve() if location and "\0" not in location else folder
            if found == folder or not found.is_relative_to(folder):
                what = f"expected external data in the folder of the model, got {location!r}"
                raise Refused(where, what, "Nothing outside that folder is opened.")
            if not found.is_file():
                raise DamagedFile(where, f"expected the file {location} beside the model, which is not there")
            self.beside[location] = SourceFile(found)
        return self.beside[location]


def read(path: Path) -> OnnxFile:
    """A model. Raises `DamagedFile` where the file is none."""
    file = SourceFile(path)
    left = without_constants(file, "ModelProto", str(path), _SCHEME)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(bytes(left.content))
    except (DecodeError, RecursionError) as error:
        raise DamagedFile(str(path), f"expected a model of ONNX, got bytes that are none: {error}") from error
    if (wrong := not_unicode(model)) is not None:
        raise DamagedFile(str(path), f"expected texts in UTF-8, got {wrong!r:.80}")
    return OnnxFile(path, model, file)


def not_unicode(message: Any) -> bytes | None:
    """A text of a message, at any depth, that is no UTF-8: some versions of protobuf let it pass, as bytes."""
    waiting = [message]
    while waiting:
        for field_, value in waiting.pop().ListFields():
            if field_.type not in (field_.TYPE_STRING, field_.TYPE_MESSAGE):
                continue
            values = [value] if hasattr(value, "ListFields") or isinstance(value, str | bytes) else value
            if field_.type == field_.TYPE_MESSAGE:
                waiting += values
                continue
            for text in values:
                if isinstance(text, bytes):
                    return text
    return None


def _element_type(message: Any, where: str) -> str:
    try:
        name = logical_name(helper.tensor_dtype_to_np_dtype(message.data_type))
    except KeyError:
        name = None
    if name is None or message.data_type == onnx.TensorProto.STRING:
        known = onnx.TensorProto.DataType.Name(message.data_type) if 0 < message.data_type < 64 else message.data_type
        raise Refused(where, f"holds elements of type {known}, which irconv does not read")
    return name
