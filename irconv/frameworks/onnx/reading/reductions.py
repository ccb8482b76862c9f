"""Functions along axes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from irconv.errors import Refused
from irconv.frameworks.onnx.reading import computed
from irconv.frameworks.onnx.reading.computed import is_computed
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.frameworks.onnx.reading.shapes import axis_of
from irconv.frameworks.onnx.table.tensor_ops import REDUCTIONS, Reduction
from irconv.ir.layers.activations import LogSoftmax, Softmax
from irconv.ir.layers.arithmetic import CumSum
from irconv.ir.layers.base import Layer
from irconv.ir.layers.indexing import ArgMax, ArgMin
from irconv.ir.layers.running import CumProd
from irconv.ir.layers.shape_ops import Expand
from irconv.ir.layers.tensor_ops import Identity, Reduce, Reshape
from irconv.ir.shapes import size_product


def _reduction(how: Reduction, since: int) -> Handler:
    """Axes are an attribute before `since` and an input from then on; without any, all are meant."""

    def read(reader: ModelReader, op: Op) -> None:
        dtype, shape = reader.type_of(op.given(0))
        logic = {"max": "any", "min": "all"}.get(how, how) if dtype == "bool" else how
        if op.version >= since and is_computed(reader, op, 1):
            computed.reduce_along(reader, op, logic)
            return
        axes: Any = op.attribute("axes") if op.version < since else reader.numbers(op, 1)
        if not axes and (op.attribute("noop_with_empty_axes") or not shape):
            reader.place(op, Identity(), x=op.given(0))
            return
        axes = sorted(axis_of(op, axis, len(shape)) for axis in axes) if axes else range(len(shape))
        if logic in ("max", "min") and "float" in dtype and any(shape[axis] == 0 for axis in axes):
            _of_nothing(reader, op, how, tuple(axes))
            return
        layer = Reduce(op=logic, axes=tuple(axes), keepdims=bool(op.attribute("keepdims", 1)))
        reader.place(op, layer, x=op.given(0))

    return read


def _of_nothing(reader: ModelReader, op: Op, how: str, axes: tuple[int, ...]) -> None:
    """The largest, or smallest, of no elements is infinite."""
    (dtype, shape), keeps = reader.type_of(op.given(0)), bool(op.attribute("keepdims", 1))
    left = tuple(1 if i in axes else size for i, size in enumerate(shape) if keeps or i not in axes)
    number = reader.constant(op, -np.inf if how == "max" else np.inf, "none", dtype)
    reader.place(op, Expand(shape=left), x=number)


def _softmax(layer: type[Softmax] | type[LogSoftmax]) -> Handler:
    """Before opset 13 all axes from `axis` on are one."""

    def read(reader: ModelReader, op: Op) -> None:
        shape = reader.shape(op.given(0))
        rank = len(shape)
        axis = axis_of(op, op.attributes["axis"], rank)
        if op.version >= 13 or axis == rank - 1 or all(size == 1 for size in shape[axis + 1 :]):
            reader.place(op, layer(axis=axis), x=op.given(0))
            return
        both = (size_product(shape[:axis]).dimension, size_product(shape[axis:]).dimension)
        flat = reader.place(op, Reshape(shape=both), "flat", x=op.given(0))
        reader.place(op, Reshape(shape=shape), x=reader.place(op, layer(axis=1), "rows", x=flat))

    return read


def _extreme(layer: type[ArgMax] | type[ArgMin]) -> Handler:
    def read(reader: ModelReader, op: Op) -> None:
        axis = axis_of(op, op.attributes["axis"], len(reader.shape(op.given(0))))
        ties: Literal["first", "last"] = "last" if op.attribute("select_last_index") else "first"
        made: Layer = layer(axis=axis, keepdims=bool(op.attribute("keepdims", 1)), ties=ties)
        reader.place(op, made, x=op.given(0))

    return read


def _running(layer: type[CumSum] | type[CumProd]) -> Handler:
    def read(reader: ModelReader, op: Op) -> None:
        _along(reader, op, layer)

    return read


def _along(reader: ModelReader, op: Op, layer: type[CumSum] | type[CumProd]) -> None:
    exclusive, reverse = bool(op.attribute("exclusive")), bool(op.attribute("reverse"))
    if is_computed(reader, op, 1):
        rank = len(reader.shape(op.given(0)))
        layers = [layer(axis=axis, exclusive=exclusive, reverse=reverse) for axis in range(rank)]
        computed.along_one_of(reader, op, 1, layers, rank)
        return
    axes = reader.numbers(op, 1)
    if axes is None or len(axes) != 1:
        raise Refused(op.where, f"expected one axis, got {axes}")
    axis = axis_of(op, axes[0], len(reader.shape(op.given(0))))
    reader.place(op, layer(axis=axis, exclusive=exclusive, reverse=reverse), x=op.given(0))


HANDLERS: dict[str, Handler] = {
    **{name: _reduction(how, 13 if name == "ReduceSum" else 18) for name, how in REDUCTIONS.items()},
    "Softmax": _softmax(Softmax),
    "LogSoftmax": _softmax(LogSoftmax),
    "ArgMax": _extreme(ArgMax),
    "ArgMin": _extreme(ArgMin),
    "CumSum": _running(CumSum),
    "CumProd": _running(CumProd),
}
