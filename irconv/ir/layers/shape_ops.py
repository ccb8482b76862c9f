"""Ops on shapes: axes of length 1, broadcasting, repetition, sizes as values, and values made from sizes alone."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import ClassVar, Literal

import numpy as np

from irconv.ir.known import KNOWN_ELEMENTS, of_sizes
from irconv.ir.layers.base import (
    AxisBehaviour,
    AxisFields,
    Barrier,
    Broadcasting,
    Decomposition,
    FactorReshape,
    Layer,
    LiteralOperand,
    Step,
    ValueType,
    broadcast,
)
from irconv.ir.layers.ranges import Axes, Axis, NotZero, Positive
from irconv.ir.layers.tensor_ops import Constant, Reshape
from irconv.ir.shapes import Dimension, Shape, Size, static
from irconv.layout import Array


class Squeeze(Layer):
    """Takes out axes of length 1: `axes`, counted from 0 in x.

    NumPy, TensorFlow and PyTorch without axes take out every axis of length 1; here they are always named. PyTorch
    leaves a named axis of another length alone; here it is an error.
    """

    BEHAVIOUR: ClassVar[AxisBehaviour] = FactorReshape()

    type: Literal["Squeeze"] = "Squeeze"
    axes: Axes

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        if any(isinstance(x.shape[axis], int) and x.shape[axis] != 1 for axis in self.axes):
            raise ValueError(f"axes {self.axes} of shape {x.shape} are not all 1")
        kept = tuple(size for axis, size in enumerate(x.shape) if axis not in self.axes)
        return {"y": ValueType(x.dtype, kept)}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        return {"y": np.squeeze(known["x"], self.axes)} if "x" in known else None


class Unsqueeze(Layer):
    """Puts in axes of length 1: `axes` are their numbers in the *result*, counted from 0."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = FactorReshape()

    type: Literal["Unsqueeze"] = "Unsqueeze"
    axes: Axes

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, rank = given["x"], len(given["x"].shape) + len(self.axes)
        if len(set(self.axes)) != len(self.axes) or any(not 0 <= axis < rank for axis in self.axes):
            raise ValueError(f"{self.axes} are no different axes of a value of rank {rank}")
        sizes = iter(x.shape)
        return {"y": ValueType(x.dtype, tuple(1 if axis in self.axes else next(sizes) for axis in range(rank)))}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        return {"y": np.expand_dims(known["x"], self.axes)} if "x" in known else None


class Expand(Layer):
    """The value broadcast (numpy's rules) against `shape`: axes of length 1 are repeated, new axes come first.

    An entry 1 of `shape` leaves the value's own size (as in ONNX); PyTorch's ``expand`` says -1, TensorFlow's
    ``broadcast_to`` the size itself.
    """

    BEHAVIOUR: ClassVar[AxisBehaviour] = Broadcasting()
    SIZES: ClassVar[tuple[str, ...]] = ("shape",)

    type: Literal["Expand"] = "Expand"
    shape: tuple[Dimension, ...]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        return {"y": ValueType(x.dtype, broadcast([x.shape, self.shape]))}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        shape = static(broadcast([given["x"].shape, self.shape]))
        if "x" not in known or shape is None or prod(shape) > KNOWN_ELEMENTS:
            return None
        return {"y": np.broadcast_to(known["x"], shape)}


class Tile(Layer):
    """The whole value repeated ``repeats[i]`` times along every axis i: ``a b`` twice gives ``a b a b``."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(per_axis=("repeats",))
    SIZES: ClassVar[tuple[str, ...]] = ("repeats",)

    type: Literal["Tile"] = "Tile"
    repeats: tuple[Dimension, ...]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        if len(self.repeats) != len(x.shape):
            raise ValueError(f"{len(self.repeats)} repeats do not fit shape {x.shape}")
        shape = tuple((Size.of(n) * times).dimension for n, times in zip(x.shape, self.repeats, strict=True))
        return {"y": ValueType(x.dtype, shape)}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        repeats = static(self.repeats)
        if "x" not in known or repeats is None or prod(repeats) * known["x"].size > KNOWN_ELEMENTS:
            return None
        return {"y": np.tile(known["x"], repeats)}


class Repeat(Layer):
    """Each element repeated `repeats` times along `axis`: ``a b`` gives ``a a b b``.

    ``numpy.repeat`` and ``keras.ops.repeat``, PyTorch's ``repeat_interleave`` (PyTorch's ``repeat`` is `Tile`), Keras'
    UpSampling1D.
    """

    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("axis",))

    type: Literal["Repeat"] = "Repeat"
    axis: Axis
    repeats: Positive

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, axis = given["x"], self.axis
        longer = (Size.of(x.shape[axis]) * self.repeats).dimension
        return {"y": ValueType(x.dtype, (*x.shape[:axis], longer, *x.shape[axis + 1 :]))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        rank, shape = len(given["x"].shape), self.infer(given)["y"].shape
        times = tuple(self.repeats if axis == self.axis + 1 else 1 for axis in range(rank + 1))
        return [
            Step(Unsqueeze(axes=(self.axis + 1,)), {"x": "x"}, {"y": "apart"}),
            Step(Tile(repeats=times), {"x": "apart"}, {"y": "repeated"}),
            Step(Reshape(shape=shape), {"x": "repeated"}, {"y": "y"}),
        ]


class SizeOf(Layer):
    """The length of `axis` of x as an int64 vector of one element: what symbols become at run time."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["SizeOf"] = "SizeOf"
    axis: Axis

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        if not 0 <= self.axis < len(given["x"].shape):
            raise ValueError(f"shape {given['x'].shape} has no axis {self.axis}")
        return {"y": ValueType("int64", (1,))}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        return {"y": of_sizes(given["x"].shape[self.axis : self.axis + 1])}


class ShapeOf(Layer):
    """The whole shape of x as an int64 vector."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["ShapeOf"] = "ShapeOf"

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        return {"y": ValueType("int64", (len(given["x"].shape),))}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        return {"y": of_sizes(given["x"].shape)}


class Full(Layer):
    """A value of `shape` whose every element is `value`."""

    SLOTS: ClassVar[Mapping[str, str]] = {}
    SIZES: ClassVar[tuple[str, ...]] = ("shape",)

    type: Literal["Full"] = "Full"
    shape: tuple[Dimension, ...]
    value: float | int | bool
    dtype: str

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        return {"y": ValueType(self.dtype, self.shape)}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        shape = static(self.shape)
        if shape is None or prod(shape) > KNOWN_ELEMENTS:
            return None
        return {"y": np.full(shape, self.value)}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        value = LiteralOperand(literal=self.value, dtype=self.dtype)
        return [
            Step(Constant(operands={"value": value}), {}, {"y": "value"}),
            Step(Expand(shape=self.shape), {"x": "value"}, {"y": "y"}),
        ]


class Range(Layer):
    """The int64 numbers ``start, start + step, ...`` below `limit` (above it for a negative `step`)."""

    SLOTS: ClassVar[Mapping[str, str]] = {}
    SIZES: ClassVar[tuple[str, ...]] = ("start", "limit")

    type: Literal["Range"] = "Range"
    start: Dimension
    limit: Dimension
    step: NotZero

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        room = Size.of(self.limit) - self.start if self.step > 0 else Size.of(self.start) - self.limit
        count = room.ceil_divide(abs(self.step)).dimension
        return {"y": ValueType("int64", (max(count, 0) if isinstance(count, int) else count,))}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        if isinstance(self.start, str) or isinstance(self.limit, str):
            return None
        count = len(range(self.start, self.limit, self.step))
        return {"y": np.arange(self.start, self.limit, self.step)} if count <= KNOWN_ELEMENTS else None


class EyeLike(Layer):
    """Ones where column - row = `diagonal`, else zeros, in the shape (rows, columns) and element type of x."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["EyeLike"] = "EyeLike"
    diagonal: int

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        if len(given["x"].shape) != 2:
            raise ValueError(f"shape {given['x'].shape} is not that of a matrix")
        return {"y": given["x"]}


def without_axis(shape: Shape, axis: int, put: Sequence[Dimension] = ()) -> Shape:
    """The shape with the sizes `put` in the place of one axis."""
    return (*shape[:axis], *put, *shape[axis + 1 :])
