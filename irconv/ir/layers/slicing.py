"""Parts of values: slices, splits, stacks, and slices put together in another order."""

from collections.abc import Mapping
from itertools import accumulate
from typing import ClassVar, Literal

import numpy as np

from irconv.ir.layers.base import (
    AxisBehaviour,
    AxisFields,
    Decomposition,
    Indexing,
    Layer,
    LiteralOperand,
    NewAxis,
    Step,
    ValueType,
)
from irconv.ir.layers.ranges import Axes, Axis, NotZero, Positive, written_out
from irconv.ir.layers.shape_ops import Squeeze, Unsqueeze, without_axis
from irconv.ir.layers.tensor_ops import Concat, Constant
from irconv.ir.shapes import Dimension, Size, static
from irconv.layout import Array


class Slice(Layer):
    """``x[start:end:step]`` along each of `axes`, with Python's meaning of the bounds.

    A negative bound counts from the end, None leaves that side open, bounds outside are cut off, a negative step walks
    backwards. A bound may be an expression over symbols, which then stands for a number that is not negative. Where
    the size of the axis is a symbol, the inferred shape takes the bounds to lie inside. ONNX spells None as the largest
    or smallest integer.
    """

    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("axes",))
    SIZES: ClassVar[tuple[str, ...]] = ("starts", "ends")

    type: Literal["Slice"] = "Slice"
    axes: Axes
    starts: tuple[Dimension | None, ...]
    ends: tuple[Dimension | None, ...]
    steps: tuple[NotZero, ...]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, sizes = given["x"], list(given["x"].shape)
        for axis, start, end, step in zip(self.axes, self.starts, self.ends, self.steps, strict=True):
            if not 0 <= axis < len(sizes) or step == 0:
                raise ValueError(f"a slice of axis {axis} with step {step} does not fit shape {x.shape}")
            sizes[axis] = sliced_size(x.shape[axis], start, end, step)
        return {"y": ValueType(x.dtype, tuple(sizes))}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        if "x" not in known or any(isinstance(bound, str) for bound in (*self.starts, *self.ends)):
            return None
        parts: list[slice] = [slice(None)] * known["x"].ndim
        for axis, start, end, step in zip(self.axes, self.starts, self.ends, self.steps, strict=True):
            parts[axis] = slice(start, end, step)
        return {"y": known["x"][tuple(parts)]}


class Split(Layer):
    """The value cut along `axis` into pieces of `sizes`, in order: results y0, y1, ...

    ``numpy.split`` and PyTorch's ``tensor_split`` name the places of the cuts, or how many pieces; here sizes only.
    """

    RESULTS: ClassVar[Mapping[str, str]] = {}
    VARIADIC_RESULTS: ClassVar[bool] = True
    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("axis",))
    SIZES: ClassVar[tuple[str, ...]] = ("sizes",)

    type: Literal["Split"] = "Split"
    axis: Axis
    sizes: tuple[Dimension, ...]

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, total = given["x"], sum((Size.of(size) for size in self.sizes), Size.of(0))
        known = isinstance(total.dimension, int) and isinstance(x.shape[self.axis], int)
        if known and total != x.shape[self.axis]:
            raise ValueError(f"pieces of {self.sizes} do not fit axis {self.axis} of shape {x.shape}")
        shapes = [without_axis(x.shape, self.axis, (size,)) for size in self.sizes]
        return {f"y{i}": ValueType(x.dtype, shape) for i, shape in enumerate(shapes)}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        sizes = static(self.sizes)
        if "x" not in known or sizes is None:
            return None
        pieces = np.split(known["x"], list(accumulate(sizes))[:-1], self.axis)
        return {f"y{i}": piece for i, piece in enumerate(pieces)}


class Stack(Layer):
    """Values of one shape joined along a new axis, which is number `axis` of the result."""

    SLOTS: ClassVar[Mapping[str, str]] = {}
    VARIADIC: ClassVar[bool] = True
    BEHAVIOUR: ClassVar[AxisBehaviour] = NewAxis()

    type: Literal["Stack"] = "Stack"
    axis: Axis

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        first = given["x0"]
        if any(value.shape != first.shape for value in given.values()):
            raise ValueError(f"shapes {', '.join(str(value.shape) for value in given.values())} differ")
        return {"y": ValueType(first.dtype, (*first.shape[: self.axis], len(given), *first.shape[self.axis :]))}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        return {"y": np.stack(list(known.values()), self.axis)} if len(known) == len(given) else None

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        apart = [Step(Unsqueeze(axes=(self.axis,)), {"x": slot}, {"y": f"{slot}.apart"}) for slot in given]
        return [*apart, Step(Concat(axis=self.axis), {slot: f"{slot}.apart" for slot in given}, {"y": "y"})]


class Unstack(Layer):
    """Every index of `axis` as a value of its own, without that axis: results y0, y1, ..., `count` of them."""

    RESULTS: ClassVar[Mapping[str, str]] = {}
    VARIADIC_RESULTS: ClassVar[bool] = True
    BEHAVIOUR: ClassVar[AxisBehaviour] = Indexing()

    type: Literal["Unstack"] = "Unstack"
    axis: Axis
    count: Positive

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        if isinstance(x.shape[self.axis], int) and x.shape[self.axis] != self.count:
            raise ValueError(f"axis {self.axis} of shape {x.shape} does not have {self.count} indices")
        written_out(self.count, f"a count of {self.count}")
        return {f"y{i}": ValueType(x.dtype, without_axis(x.shape, self.axis)) for i in range(self.count)}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        if "x" not in known:
            return None
        return {f"y{i}": np.asarray(known["x"].take(i, self.axis)) for i in range(self.count)}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        pieces = {f"y{i}": f"piece{i}" for i in range(self.count)}
        whole = Step(Split(axis=self.axis, sizes=(1,) * self.count), {"x": "x"}, pieces)
        return [whole, *(Step(Squeeze(axes=(self.axis,)), {"x": p}, {"y": y}) for y, p in pieces.items())]


class Select(Layer):
    """``x[..., index, ...]``: one index of `axis`, which goes; a negative index counts from the end."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = Indexing()

    type: Literal["Select"] = "Select"
    axis: Axis
    index: int

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, size = given["x"], given["x"].shape[self.axis]
        if isinstance(size, int) and not -size <= self.index < size:
            raise ValueError(f"axis {self.axis} of shape {x.shape} has no index {self.index}")
        return {"y": ValueType(x.dtype, without_axis(x.shape, self.axis))}

    def fold(self, given: Mapping[str, ValueType], known: Mapping[str, Array]) -> dict[str, Array] | None:
        return {"y": np.asarray(known["x"].take(self.index, self.axis))} if "x" in known else None

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        from irconv.ir.layers.indexing import Gather

        size = given["x"].shape[self.axis]
        # not every gather counts from the end: TensorFlow's raises an error on a processor
        place = self.index + size if self.index < 0 and isinstance(size, int) else self.index
        index = LiteralOperand(literal=place, dtype="int64")
        return [
            Step(Constant(operands={"value": index}), {}, {"y": "index"}),
            Step(Gather(axis=self.axis), {"x": "x", "indices": "index"}, {"y": "y"}),
        ]


class Flip(Layer):
    """The elements in reverse order along each of `axes`."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("axes",))

    type: Literal["Flip"] = "Flip"
    axes: Axes

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        count = len(self.axes)
        turned = Slice(axes=self.axes, starts=(None,) * count, ends=(None,) * count, steps=(-1,) * count)
        return [Step(turned, {"x": "x"}, {"y": "y"})]


class Roll(Layer):
    """The elements moved by ``shifts[i]`` places along ``axes[i]``; what leaves at one end comes in at the other.

    ``y[p] = x[(p - shift) mod n]`` (numpy.roll, torch.roll, tf.roll). Along an axis whose size is a symbol a shift must
    not be larger than it.
    """

    BEHAVIOUR: ClassVar[AxisBehaviour] = AxisFields(numbers=("axes",))

    type: Literal["Roll"] = "Roll"
    axes: tuple[Axis, ...]
    shifts: tuple[int, ...]

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        steps: list[Step] = []
        value, moved = "x", list(zip(self.axes, self.shifts, strict=True))
        for i, (axis, shift) in enumerate(moved):
            size, result = given["x"].shape[axis], "y" if i == len(moved) - 1 else f"rolled{i}"
            cut = -shift if not isinstance(size, int) else -shift % size if size else 0
            steps += [
                Step(_one_axis(axis, cut or None, None), {"x": value}, {"y": f"first{i}"}),
                Step(_one_axis(axis, None, cut), {"x": value}, {"y": f"second{i}"}),
                Step(Concat(axis=axis), {"x0": f"first{i}", "x1": f"second{i}"}, {"y": result}),
            ]
            value = result
        return steps


def _one_axis(axis: int, start: Dimension | None, end: Dimension | None) -> Slice:
    return Slice(axes=(axis,), starts=(start,), ends=(end,), steps=(1,))


def sliced_size(size: Dimension, start: Dimension | None, end: Dimension | None, step: int) -> Dimension:
    """The length of ``start:end:step`` of an axis of `size`.

    >>> sliced_size(7, 1, None, 2), sliced_size("T", 2, -1, 1), sliced_size("T", None, None, -2)
    (3, 'T - 3', '(T + 1)//2')
    """
    if isinstance(size, int) and not isinstance(start, str) and not isinstance(end, str):
        return len(range(*slice(start, end, step).indices(size)))

    def place(bound: Dimension | None, default: Dimension) -> Size:
        if bound is None:
            return Size.of(default)
        return Size.of(size) + bound if isinstance(bound, int) and bound < 0 else Size.of(bound)

    if step > 0:
        room = place(end, size) - place(start, 0)
    else:
        room = place(start, (Size.of(size) - 1).dimension) - place(end, -1)
    length = room.ceil_divide(abs(step)).dimension
    return max(length, 0) if isinstance(length, int) else length
