"""Constants in every form, and nodes that give on what they take."""

from __future__ import annotations

from typing import Any

import numpy as np

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.attributes import element_type
from irconv.frameworks.onnx.reading.model import ModelReader, Op
from irconv.frameworks.onnx.reading.selection import counted_sizes
from irconv.ir.layers.base import Layer
from irconv.ir.layers.comparisons import BitCast, Cast
from irconv.ir.layers.shape_ops import Expand, Full
from irconv.ir.layers.training import Dropout
from irconv.ir.tensors import LazyTensor


def _constant(reader: ModelReader, op: Op) -> None:
    ((form, value),) = [(key, found) for key, found in op.attributes.items() if key != "sparse_value" or found]
    if form == "value":
        reader.gives(op, reader.stored(op.outputs[0], value, op.where))
    elif form == "sparse_value":
        reader.gives(op, reader.weight(op.outputs[0], LazyTensor.of(_dense(reader, op, value))))
    elif form in ("value_float", "value_floats", "value_int", "value_ints"):
        dtype = np.float32 if "float" in form else np.int64
        reader.gives(op, reader.importer.constant(op.outputs[0], np.asarray(value, dtype)))
    else:
        raise Refused(op.where, "holds text, which no layer of irconv takes")


def _dense(reader: ModelReader, op: Op, sparse: Any) -> Any:
    """A sparse tensor with its zeros. Raises `Refused` for places outside of it."""
    shape = tuple(sparse.dims)
    values = reader.file.tensor(sparse.values, op.where).numpy()
    indices = reader.file.tensor(sparse.indices, op.where).numpy()
    total = int(np.prod(shape, dtype=object))
    if total > 1 << 28:
        raise Refused(op.where, f"is a sparse tensor of {total} elements, which would be written out")
    flat = (
        np.ravel_multi_index(tuple(indices[:, i] for i in range(len(shape))), shape) if indices.ndim == 2 else indices
    )
    if flat.size and (flat.min() < 0 or flat.max() >= total):
        raise Refused(op.where, f"names places outside its shape {shape}")
    dense = np.zeros(total, values.dtype)
    dense[flat] = values
    return dense.reshape(shape)


def _filled(reader: ModelReader, op: Op) -> None:
    """ConstantOfShape: one number everywhere, zero where none is given."""
    shape, value = counted_sizes(reader, op, 0), op.attribute("value")
    array = np.zeros(1, np.float32) if value is None else reader.file.tensor(value, op.where).numpy()
    dtype = reader.file.tensor(value, op.where).dtype if value is not None else "float32"
    number = array.reshape(-1)[0].item()
    if isinstance(number, float) and not np.isfinite(number):  # which no setting can be
        reader.place(op, Expand(shape=shape or ()), x=reader.constant(op, array.reshape(-1)[0], "number", dtype))
        return
    reader.place(op, Full(shape=shape or (), value=number, dtype=dtype))


def _same(reader: ModelReader, op: Op) -> None:
    reader.importer.type_of(op.given(0))
    reader.gives(op, op.given(0))


def _dropout(reader: ModelReader, op: Op) -> None:
    """The identity at inference; its mask keeps everything."""
    if len(op.inputs) > 2 and op.given(2) and reader.number(op, 2):
        raise Refused(op.where, "is in training mode")
    if len(op.outputs) > 1 and op.outputs[1]:
        dtype, shape = reader.type_of(op.given(0))
        mask = (
            Full(shape=shape, value=True, dtype="bool") if op.version >= 10 else Full(shape=shape, value=1, dtype=dtype)
        )
        reader.importer.place(mask, {}, [op.outputs[1]], name=op.outputs[1], where=op.where)
    rate = op.attribute("ratio")
    if rate is None:
        rate = reader.number(op, 1) if op.given(1) else 0.5
    reader.place(
        op, Dropout(rate=float(np.format_float_positional(np.float32(rate))), noise="zero", shared=()), x=op.given(0)
    )


def _cast(reader: ModelReader, op: Op) -> None:
    reader.place(op, Cast(dtype=element_type(op.attributes["to"], op.where)), x=op.given(0))


def _bits(reader: ModelReader, op: Op) -> None:
    reader.place(op, BitCast(dtype=element_type(op.attributes["to"], op.where)), x=op.given(0))


def _cast_like(reader: ModelReader, op: Op) -> None:
    layer: Layer = Cast(dtype=reader.type_of(op.given(1)).dtype)
    reader.place(op, layer, x=op.given(0))


HANDLERS = {
    "Constant": _constant,
    "ConstantOfShape": _filled,
    "Identity": _same,
    "Dropout": _dropout,
    "BitCast": _bits,
    "Cast": _cast,
    "CastLike": _cast_like,
}
