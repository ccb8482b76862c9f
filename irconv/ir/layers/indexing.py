"""Elements found by index: gathers, scatters, orders. Indices are int64 (or int32) and count from 0.

A negative index counts from the end, as in NumPy and ONNX. Frameworks differ on an index that is outside: PyTorch and
ONNX Runtime raise; TensorFlow raises on a CPU and gives zeros on a GPU.
"""

from collections.abc import Mapping
from math import prod
from typing import ClassVar, Literal

import numpy as np

from irconv.ir.known import numeric
from irconv.ir.layers.base import AxisBehaviour, AxisFields, Barrier, Decomposition, Indexing, Layer, Step, ValueType
from irconv.ir.layers.ranges import Axis, Count
from irconv.ir.layers.shape_ops import without_axis
from irconv.ir.layers.tensor_ops import Add, Mul, Reshape, constant
from irconv.ir.shapes import Dimension, may_agree, static
from irconv.layout import Array

Combination = Literal["none", "add", "mul", "max", "min"]


class Gather(Layer):
    """``y[a..., i..., b...] = x[a..., indices[i...], b...]``, where the axis `axis` of x gives way to those of indices.

    ``numpy.take``, ``tf.gather``, PyTorch's ``index_select`` (and ``x[:, indices]``); PyTorch's ``gather`` is
    `GatherElements`.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "*a", "indices": "*i"}
    INTEGERS: ClassVar[tuple[str, ...]] = ("indices",)
    BEHAVIOUR: ClassVar[AxisBehaviour] = Indexing()

    type: Literal["Gather"] = "Gather"
    axis: Axis

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        if not 0 <= self.axis < len(x.shape):
            raise ValueError(f"shape {x.shape} has no axis {self.axis}")
        return {"y": ValueType(x.dtype, without_axis(x.shape, self.axis, given["indices"].shape))}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        if len(known) < 2 or not numeric(known["indices"]):
            return None
        return {"y": np.asarray(known["x"].take(known["indices"], self.axis))}


class GatherElements(Layer):
    """``y[..., i, ...] = x[..., indices[..., i, ...], ...]`` along `axis`: one index for every element of the result.

    ``numpy.take_along_axis``, PyTorch's ``gather`` and ``take_along_dim``. Indices have the rank of x and the shape of
    the result; nothing is broadcast.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "*a", "indices": "*a"}
    INTEGERS: ClassVar[tuple[str, ...]] = ("indices",)
    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("axis",))

    type: Literal["GatherElements"] = "GatherElements"
    axis: Axis

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, indices = given["x"], given["indices"]
        if len(x.shape) != len(indices.shape):
            raise ValueError(f"indices of shape {indices.shape} do not have the rank of {x.shape}")
        return {"y": ValueType(x.dtype, indices.shape)}


class GatherND(Layer):
    """``y[b..., i...] = x[b..., indices[b..., i..., :]]``: the last axis of indices names a place in x.

    The first `batch_axes` axes (b) are common to both. A place that names fewer axes than x has left gives a slice.
    ``tf.gather_nd`` with batch_dims.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "*a", "indices": "*i"}
    INTEGERS: ClassVar[tuple[str, ...]] = ("indices",)
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["GatherND"] = "GatherND"
    batch_axes: Count

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, indices = given["x"], given["indices"].shape
        depth = _place_length(x, indices, self.batch_axes)
        return {"y": ValueType(x.dtype, (*indices[:-1], *x.shape[self.batch_axes + depth :]))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        """The places of the axes that are named counted as one axis, along which slices are gathered."""
        from irconv.ir.layers.arithmetic import Mod

        x, indices = given["x"], given["indices"]
        depth = _place_length(x, indices.shape, self.batch_axes)
        sizes = static(x.shape[:depth])
        if self.batch_axes or sizes is None:
            return None
        steps: list[Step] = []
        axis, total = len(indices.shape) - 1, ""
        for i, size in enumerate(sizes):
            steps.append(constant(f"index{i}", i, "int64"))
            steps.append(Step(Gather(axis=axis), {"x": "indices", "indices": f"index{i}"}, {"y": f"signed{i}"}))
            steps.append(constant(f"size{i}", size, indices.dtype))
            steps.append(Step(Mod(sign="divisor"), {"x0": f"signed{i}", "x1": f"size{i}"}, {"y": f"place{i}"}))
            if i:
                steps.append(Step(Mul(), {"x0": total, "x1": f"size{i}"}, {"y": f"rows{i}"}))
                steps.append(Step(Add(), {"x0": f"rows{i}", "x1": f"place{i}"}, {"y": f"total{i}"}))
            total = f"total{i}" if i else "place0"
        flat = Reshape(shape=(prod(sizes), *x.shape[depth:]))
        return [
            *steps,
            Step(flat, {"x": "x"}, {"y": "flat"}),
            Step(Gather(axis=0), {"x": "flat", "indices": total}, {"y": "y"}),
        ]


class ScatterElements(Layer):
    """A copy of x with ``y[..., indices[..., i, ...], ...]`` set to (or combined with) ``updates[..., i, ...]``.

    The index is along `axis`; `reduction` says how updates meet what is there: ``none`` puts them in its place (with
    several for one place, which of them stays is not defined). PyTorch's ``scatter`` and ``scatter_reduce`` with
    include_self.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "*a", "indices": "*a", "updates": "*a"}
    INTEGERS: ClassVar[tuple[str, ...]] = ("indices",)
    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("axis",))

    type: Literal["ScatterElements"] = "ScatterElements"
    axis: Axis
    reduction: Combination

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        shapes = [value.shape for value in given.values()]
        if len({len(shape) for shape in shapes}) > 1 or given["indices"].shape != given["updates"].shape:
            raise ValueError(f"shapes {', '.join(map(str, shapes))} do not go together")
        return {"y": given["x"]}


class ScatterND(Layer):
    """A copy of x with ``y[indices[i..., :]]`` set to (or combined with) ``updates[i...]``.

    The last axis of indices names a place in x; a place of fewer axes than x has is a slice. `reduction` as in
    `ScatterElements`. ``tf.tensor_scatter_nd_update``, ``_add``, ``_max``, ``_min``; PyTorch's ``index_put``.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "*a", "indices": "*i", "updates": "*u"}
    INTEGERS: ClassVar[tuple[str, ...]] = ("indices",)
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["ScatterND"] = "ScatterND"
    reduction: Combination

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, indices, updates = given["x"], given["indices"].shape, given["updates"].shape
        depth = _place_length(x, indices, 0)
        if not may_agree(updates, (*indices[:-1], *x.shape[depth:])):
            raise ValueError(f"updates of shape {updates} do not fit indices of shape {indices} into {x.shape}")
        return {"y": x}


class TopK(Layer):
    """The `k` largest (or smallest) elements along `axis`, in order when `sorted`, and their int64 indices.

    Of equal elements the one with the lower index comes first (TensorFlow, ONNX); PyTorch leaves that open. TensorFlow
    gives int32 indices.
    """

    RESULTS: ClassVar[Mapping[str, str]] = {"values": "*a", "indices": "*a"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("axis",))
    SIZES: ClassVar[tuple[str, ...]] = ("k",)

    type: Literal["TopK"] = "TopK"
    axis: Axis
    k: Dimension
    largest: bool
    sorted: bool

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, size = given["x"], given["x"].shape[self.axis]
        if isinstance(size, int) and isinstance(self.k, int) and self.k > size:
            raise ValueError(f"axis {self.axis} of shape {x.shape} does not have {self.k} elements")
        shape = without_axis(x.shape, self.axis, (self.k,))
        return {"values": ValueType(x.dtype, shape), "indices": ValueType("int64", shape)}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition | None:
        """The smallest elements are the largest of the negated ones."""
        from irconv.ir.layers.elementwise import Neg

        if self.largest or given["x"].dtype.startswith(("uint", "bool")):
            return None
        best = self.model_copy(update={"largest": True, "operands": {}})
        return [
            Step(Neg(), {"x": "x"}, {"y": "negated"}),
            Step(best, {"x": "negated"}, {"values": "largest", "indices": "indices"}),
            Step(Neg(), {"x": "largest"}, {"y": "values"}),
        ]


class Sort(Layer):
    """The elements along `axis` in rising (or `descending`) order, and the int64 indices they had.

    Equal elements stay in the order of their indices, in both directions (PyTorch with ``stable=True``).
    """

    RESULTS: ClassVar[Mapping[str, str]] = {"values": "*a", "indices": "*a"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("axis",))

    type: Literal["Sort"] = "Sort"
    axis: Axis
    descending: bool

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        return {"values": x, "indices": ValueType("int64", x.shape)}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        size = given["x"].shape[self.axis]
        best = TopK(axis=self.axis, k=size, largest=self.descending, sorted=True)
        return [Step(best, {"x": "x"}, {"values": "values", "indices": "indices"})]


class _Extreme(Layer):
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    axis: Axis
    keepdims: bool
    ties: Literal["first", "last"]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        shape = given["x"].shape
        if not 0 <= self.axis < len(shape):
            raise ValueError(f"shape {shape} has no axis {self.axis}")
        return {"y": ValueType("int64", without_axis(shape, self.axis, (1,) if self.keepdims else ()))}


class ArgMax(_Extreme):
    """The int64 index of the largest element along `axis`; `ties` says which of equal ones.

    NumPy, Keras and PyTorch take the first. Keras gives int32 indices.
    """

    type: Literal["ArgMax"] = "ArgMax"


class ArgMin(_Extreme):
    """The int64 index of the smallest element along `axis`; `ties` says which of equal ones.

    NumPy, Keras and PyTorch take the first. Keras gives int32 indices.
    """

    type: Literal["ArgMin"] = "ArgMin"


class ReverseSequence(Layer):
    """The first ``lengths[b]`` elements along `time_axis` reversed, for each index b of `batch_axis`; the rest stay."""

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "*a", "lengths": "n"}
    INTEGERS: ClassVar[tuple[str, ...]] = ("lengths",)
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["ReverseSequence"] = "ReverseSequence"
    batch_axis: Axis
    time_axis: Axis

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, lengths = given["x"], given["lengths"].shape
        if len(lengths) != 1 or self.batch_axis == self.time_axis:
            raise ValueError(f"lengths of shape {lengths} do not fit axis {self.batch_axis} of shape {x.shape}")
        return {"y": x}


def _place_length(x: ValueType, indices: tuple[Dimension, ...], batch_axes: int) -> int:
    """How many axes of x the last axis of `indices` names."""
    depth = indices[-1] if indices else None
    if not isinstance(depth, int) or not 0 < depth <= len(x.shape) - batch_axes:
        raise ValueError(f"indices of shape {indices} name no places in a value of shape {x.shape}")
    return depth
