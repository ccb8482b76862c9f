"""Ops that move or combine values: sums, joins, padding, shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from irconv.ir.layers.base import (
    AxisBehaviour,
    AxisFields,
    Barrier,
    FactorReshape,
    Layer,
    Parameter,
    Permutation,
    Pointwise,
    Reduction,
    ValueType,
    broadcast,
)
from irconv.ir.layers.window import window_outputs
from irconv.ir.shapes import Dimension, Shape, Size, size_product


class Identity(Layer):
    """The value itself."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = Pointwise()

    type: Literal["Identity"] = "Identity"


class Add(Layer):
    """The sum of two or more values, with numpy's broadcasting."""

    SLOTS: ClassVar[Mapping[str, str]] = {}
    VARIADIC: ClassVar[bool] = True
    BEHAVIOUR: ClassVar[AxisBehaviour] = Pointwise()

    type: Literal["Add"] = "Add"

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        return {"y": ValueType(given["x0"].dtype, broadcast([value.shape for value in given.values()]))}


class Mul(Layer):
    """The product of two or more values, element by element, with numpy's broadcasting."""

    SLOTS: ClassVar[Mapping[str, str]] = {}
    VARIADIC: ClassVar[bool] = True
    BEHAVIOUR: ClassVar[AxisBehaviour] = Pointwise()

    type: Literal["Mul"] = "Mul"

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        return {"y": ValueType(given["x0"].dtype, broadcast([value.shape for value in given.values()]))}


class Constant(Layer):
    """A value that is there from the start: its operand `value`."""

    SLOTS: ClassVar[Mapping[str, str]] = {}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"value": Parameter("*a")}

    type: Literal["Constant"] = "Constant"

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        return {"y": given["value"]}


class Concat(Layer):
    """One or more values joined along `axis` (counted from 0)."""

    SLOTS: ClassVar[Mapping[str, str]] = {}
    VARIADIC: ClassVar[bool] = True
    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("axis",))

    type: Literal["Concat"] = "Concat"
    axis: int

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        shapes = [value.shape for value in given.values()]
        first = shapes[0]
        if any(len(s) != len(first) or _without(s, self.axis) != _without(first, self.axis) for s in shapes):
            raise ValueError(f"shapes {', '.join(map(str, shapes))} differ outside axis {self.axis}")
        total = sum((Size.of(shape[self.axis]) for shape in shapes), Size.of(0)).dimension
        return {"y": ValueType(given["x0"].dtype, (*first[: self.axis], total, *first[self.axis + 1 :]))}


class Pad(Layer):
    """A constant put around the value: `pads` holds (before, after) of every axis, batch and channels included."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(per_axis=("pads",))

    type: Literal["Pad"] = "Pad"
    pads: tuple[tuple[int, int], ...]
    value: float

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        if len(self.pads) != len(x.shape):
            raise ValueError(f"{len(self.pads)} pairs of padding do not fit shape {x.shape}")
        padded = tuple((Size.of(size) + sum(pair)).dimension for size, pair in zip(x.shape, self.pads, strict=True))
        return {"y": ValueType(x.dtype, padded)}


class SamePad(Layer):
    """The padding that a window of TensorFlow's SAME rule needs, put around the spatial axes at run time.

    What writers that know no SAME use in front of a window layer where the sizes are not known before
    (`irconv.ir.layers.window` has the rule). Axes: x and y (n, c, \\*s).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["SamePad"] = "SamePad"
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    value: float

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        """The padded size is stated as the smallest one that gives ceil(n / s) windows."""
        x = given["x"]
        outputs = window_outputs(x.shape[2:], self.kernel, self.stride, self.dilation, "same_upper")
        padded = tuple(
            ((Size.of(count) - 1) * s + ((k - 1) * d + 1)).dimension
            for count, k, s, d in zip(outputs, self.kernel, self.stride, self.dilation, strict=True)
        )
        return {"y": ValueType(x.dtype, (*x.shape[:2], *padded))}


class Reduce(Layer):
    """A mean, sum, maximum or minimum over whole axes; global pooling is this over the spatial ones."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = Reduction()

    type: Literal["Reduce"] = "Reduce"
    op: Literal["mean", "sum", "max", "min"]
    axes: tuple[int, ...]
    keepdims: bool

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        kept: list[Dimension] = []
        for axis, size in enumerate(x.shape):
            if axis not in self.axes:
                kept.append(size)
            elif self.keepdims:
                kept.append(1)
        return {"y": ValueType(x.dtype, tuple(kept))}


class Flatten(Layer):
    """Merges `start_axis` and all axes after it into one, in C order of the value as it is laid out here."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = FactorReshape()

    type: Literal["Flatten"] = "Flatten"
    start_axis: int

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        merged = size_product(x.shape[self.start_axis :]).dimension
        return {"y": ValueType(x.dtype, (*x.shape[: self.start_axis], merged))}


class Reshape(Layer):
    """The same elements in C order under another shape; a symbol stands for the same size as in the input."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = FactorReshape()

    type: Literal["Reshape"] = "Reshape"
    shape: tuple[Dimension, ...]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        if size_product(x.shape) != size_product(self.shape):
            raise ValueError(f"shape {x.shape} does not have as many elements as {self.shape}")
        return {"y": ValueType(x.dtype, self.shape)}


class Transpose(Layer):
    """Axis `i` of the result is axis `permutation[i]` of the value."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = Permutation()

    type: Literal["Transpose"] = "Transpose"
    permutation: tuple[int, ...]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        if sorted(self.permutation) != list(range(len(x.shape))):
            raise ValueError(f"{self.permutation} is not a permutation of the axes of {x.shape}")
        return {"y": ValueType(x.dtype, tuple(x.shape[axis] for axis in self.permutation))}


def _without(shape: Shape, axis: int) -> Shape:
    return (*shape[:axis], *shape[axis + 1 :])
