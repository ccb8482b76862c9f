"""Settings that a graph computes, where ONNX takes them as inputs: the same functions by layers that take values.

Sizes that only running the model tells are symbols of their own (`irconv.frameworks.onnx.reading.selection`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.model import ModelReader, Op
from irconv.frameworks.onnx.reading.selection import size_of_value
from irconv.ir.layers.arithmetic import CumSum, FloorDiv, Maximum, Minimum, Mod, Sub
from irconv.ir.layers.base import Layer
from irconv.ir.layers.comparisons import Cast, Equal, GreaterOrEqual, Less, LessOrEqual, Not, Where
from irconv.ir.layers.indexing import Gather, ScatterElements
from irconv.ir.layers.reductions import ReduceAlong
from irconv.ir.layers.selection import Compress
from irconv.ir.layers.shape_ops import Range, ShapeOf, Unsqueeze
from irconv.ir.layers.slicing import Slice, Split
from irconv.ir.layers.tensor_ops import Add, Mul, Pad, Reduce, Reshape
from irconv.ir.shapes import Dimension, Size


class Steps:
    """Layers of one op, one after the other, under names that count."""

    def __init__(self, reader: ModelReader, op: Op, prefix: str = "step") -> None:
        self.reader, self.op, self.prefix, self.count = reader, op, prefix, 0

    def __call__(self, layer: Layer, *values: str) -> str:
        """The first result of a layer of these values."""
        return self.reader.place(self.op, layer, self.name(), **_slots(layer, values))

    def ends(self, layer: Layer, *values: str) -> None:
        """The layer that makes the result of the op."""
        self.reader.place(self.op, layer, **_slots(layer, values))

    def number(self, value: Any, dtype: str = "int64") -> str:
        """Numbers as a value."""
        return self.reader.constant(self.op, value, self.name(), dtype)

    def typed(self, value: str, dtype: str = "int64") -> str:
        """A value in an element type."""
        return value if self.reader.type_of(value).dtype == dtype else self(Cast(dtype=dtype), value)

    def sizes(self, value: str, count: int) -> tuple[Dimension, ...]:
        """The numbers of a vector as sizes."""
        places = [self.number(i) for i in range(count)]
        elements = [self(Gather(axis=0), value, place) for place in places]
        return tuple(size_of_value(self.reader, self.op, element, self.name()) for element in elements)

    def name(self) -> str:
        """A name that none of the steps has."""
        self.count += 1
        return f"{self.prefix} {self.count}"


def _slots(layer: Layer, values: Sequence[str]) -> dict[str, str]:
    names = [f"x{i}" for i in range(len(values))] if layer.VARIADIC else [*layer.SLOTS]
    return dict(zip(names, values, strict=False))


def is_computed(reader: ModelReader, op: Op, index: int) -> bool:
    """Whether an input is there, has elements, and only running the model tells which."""
    value = op.given(index)
    return bool(value) and reader.importer.known(value) is None and reader.shape(value) != (0,)


def length_of(reader: ModelReader, op: Op, index: int) -> int:
    """How many numbers an input has. Raises `Refused` where that, too, is computed."""
    shape = reader.shape(op.given(index))
    if len(shape) > 1 or any(not isinstance(size, int) for size in shape):
        what = f"expected its input {op.given(index)} to be a vector of known length, got shape {shape}"
        raise Refused(op.where, what)
    return int(shape[0]) if shape else 1


def reduce_along(reader: ModelReader, op: Op, how: Any) -> None:
    """A reduction whose axes are computed; where there may be none, all axes have to stay."""
    x, axes = op.given(0), op.given(1)
    shape, keeps = reader.shape(x), bool(op.attribute("keepdims", 1))
    none = bool(op.attribute("noop_with_empty_axes", 0))
    if none and how not in ("sum", "mean", "max", "min", "prod", "any", "all"):
        raise Refused(op.where, "reduces along computed axes, or, where there are none, is another function")
    count = len(shape) if keeps else len(shape) - length_of(reader, op, 1)
    sizes = tuple(1 if keeps and shape[i] == 1 else reader.importer.counted(op.where) for i in range(count))
    layer = ReduceAlong(op=how, keepdims=keeps, empty="none" if none else "all", sizes=sizes)
    reader.place(op, layer, x=x, axes=Steps(reader, op).typed(axes))


def reshape(reader: ModelReader, op: Op) -> None:
    """A 0 is the size there, unless `allowzero`, and -1 what is left of the elements."""
    s, x, count = Steps(reader, op), op.given(0), length_of(reader, op, 1)
    if not count:
        s.ends(Reshape(shape=()), x)
        return
    wanted, rank = s.typed(op.given(1)), len(reader.shape(x))
    shape = s(ShapeOf(), x)
    if not op.attribute("allowzero", 0) and rank:
        own = s(Slice(axes=(0,), starts=(0,), ends=(count,), steps=(1,)), shape) if rank > count else shape
        if rank < count:
            own = s(Pad(pads=((0, count - rank),), mode="constant", value=0.0), own)
        wanted = s(Where(), s(Equal(), wanted, s.number(0)), own, wanted)
    open_side = s(Equal(), wanted, s.number(-1))
    others = s(Where(), open_side, s.number(1), wanted)
    product = s(Reduce(op="prod", axes=(0,), keepdims=False), others)
    whole = s(Reduce(op="prod", axes=(0,), keepdims=False), shape) if rank else s.number(1)
    left = s(FloorDiv(), whole, s(Maximum(), product, s.number(1)))
    s.ends(Reshape(shape=s.sizes(s(Where(), open_side, left, wanted), count)), x)


def squeeze(reader: ModelReader, op: Op) -> None:
    """Without the axes named: a reshape to the sizes of the others."""
    s, x = Steps(reader, op), op.given(0)
    rank = len(reader.shape(x))
    left = rank - length_of(reader, op, 1)
    kept = s(Not(), _named(s, op.given(1), rank))
    sizes = s(Compress(axis=0, count=left), s(ShapeOf(), x), kept)
    s.ends(Reshape(shape=s.sizes(sizes, left)), x)


def unsqueeze(reader: ModelReader, op: Op) -> None:
    """With axes of length 1 put in: each other axis has the size of the next of x."""
    s, x = Steps(reader, op), op.given(0)
    rank = len(reader.shape(x)) + length_of(reader, op, 1)
    new = _named(s, op.given(1), rank)
    old = s(Cast(dtype="int64"), s(Not(), new))
    before = s(CumSum(axis=0, exclusive=True, reverse=False), old)
    shape = s(Pad(pads=((0, rank - len(reader.shape(x)) + 1),), mode="constant", value=1.0), s(ShapeOf(), x))
    sizes = s(Where(), new, s.number(1), s(Gather(axis=0), shape, before))
    s.ends(Reshape(shape=s.sizes(sizes, rank)), x)


def _named(s: Steps, axes: str, rank: int) -> str:
    """For every axis whether it is among computed ones, which may count from the end."""
    counted = s(Mod(sign="divisor"), s.typed(axes), s.number(rank))
    each = s.number(np.arange(rank)[:, None])
    return s(Reduce(op="any", axes=(1,), keepdims=False), s(Equal(), each, counted))


def along_one_of(reader: ModelReader, op: Op, index: int, layers: Sequence[Layer], rank: int) -> None:
    """The result of the layer whose place among `layers` is a computed axis, which may count from the end.

    All are computed: each has one axis, and a result of the same shape.
    """
    s, x = Steps(reader, op), op.given(0)
    axis = s(Mod(sign="divisor"), s(Reshape(shape=()), s.typed(op.given(index))), s.number(rank))
    *others, last = [s(layer, x) for layer in layers]
    for place, made in enumerate(others):
        last = s(Where(), s(Equal(), axis, s.number(place)), made, last)
    s.ends(Reshape(shape=reader.shape(last)), last)


def split(reader: ModelReader, op: Op, axis: int) -> None:
    """Pieces of computed sizes."""
    s = Steps(reader, op)
    sizes = s.sizes(s.typed(op.given(1)), length_of(reader, op, 1))
    reader.results(op, Split(axis=axis, sizes=sizes), op.outputs, x=op.given(0))


def triangle(reader: ModelReader, op: Op) -> None:
    """The part of a matrix on one side of a computed diagonal."""
    s, x = Steps(reader, op), op.given(0)
    dtype, shape = reader.type_of(x)
    rows = s(Unsqueeze(axes=(1,)), s(Range(start=0, limit=shape[-2], step=1)))
    apart = s(Sub(), s(Range(start=0, limit=shape[-1], step=1)), rows)
    side = GreaterOrEqual() if op.attribute("upper", 1) else LessOrEqual()
    diagonal = s.typed(op.given(1))
    if reader.shape(diagonal):
        diagonal = s(Reshape(shape=()), diagonal)
    s.ends(Where(), s(side, apart, diagonal), x, s.number(0, dtype))


def pad(reader: ModelReader, op: Op, axes: Sequence[int], value: float | None) -> None:
    """Padding by computed numbers; what is negative is cut off, after what is positive has been put there."""
    s, x, mode = Steps(reader, op), op.given(0), op.attribute("mode", "constant")
    shape, pads = reader.shape(x), s.typed(op.given(1))
    if length_of(reader, op, 1) != 2 * len(axes):
        raise Refused(op.where, f"expected two numbers for each of {len(axes)} axes")
    added = s.sizes(s(Maximum(), pads, s.number(0)), 2 * len(axes))
    less = s.sizes(s(Maximum(), s(Mul(), pads, s.number(-1)), s.number(0)), 2 * len(axes))
    half = len(axes)
    pairs = {axis: (added[i], added[half + i]) for i, axis in enumerate(axes)}
    whole = Pad(pads=tuple(pairs.get(i, (0, 0)) for i in range(len(shape))), mode=mode, value=value)
    padded = s(whole, x)
    ends = tuple((Size.of(reader.shape(padded)[axis]) - less[half + i]).dimension for i, axis in enumerate(axes))
    s.ends(Slice(axes=tuple(axes), starts=less[:half], ends=ends, steps=(1,) * half), padded)


def centred(reader: ModelReader, op: Op, axes: Sequence[int]) -> None:
    """Each axis cut or padded with zeros on both sides to a computed size, the larger half behind."""
    s, x = Steps(reader, op), op.given(0)
    shape, wanted = reader.shape(x), s.typed(op.given(1))
    own = s(Gather(axis=0), s(ShapeOf(), x), s.number(list(axes)))
    more = s(Maximum(), s(Sub(), wanted, own), s.number(0))
    less = s(Maximum(), s(Sub(), own, wanted), s.number(0))
    before = s(FloorDiv(), more, s.number(2))
    count = len(axes)
    firsts, lasts = s.sizes(before, count), s.sizes(s(Sub(), more, before), count)
    pads = {axis: (firsts[i], lasts[i]) for i, axis in enumerate(axes)}
    whole = Pad(pads=tuple(pads.get(i, (0, 0)) for i in range(len(shape))), mode="constant", value=0.0)
    cut = s(FloorDiv(), less, s.number(2))
    starts, ends = s.sizes(cut, count), s.sizes(s(Add(), cut, wanted), count)
    s.ends(Slice(axes=tuple(axes), starts=starts, ends=ends, steps=(1,) * count), s(whole, x))


def slice_along(reader: ModelReader, op: Op) -> None:
    """Slices whose axes or steps are computed: along each axis the elements from its bound on, in its steps."""
    s, x, rank = Steps(reader, op), op.given(0), len(reader.shape(op.given(0)))
    count = length_of(reader, op, 1)
    axes = s.typed(op.given(3)) if op.given(3) else s.number(np.arange(count))
    axes = s(Mod(sign="divisor"), axes, s.number(rank))
    far = 2**31 - 1
    put = ScatterElements(axis=0, reduction="none")
    steps = s.typed(op.given(4)) if op.given(4) else s.number(np.ones(count, np.int64))
    steps = s(put, s.number(np.ones(rank, np.int64)), axes, steps)
    starts = s(put, s.number(np.zeros(rank, np.int64)), axes, s.typed(op.given(1)))
    ends = s(put, s.number(np.full(rank, far)), axes, s.typed(op.given(2)))
    sizes = s(ShapeOf(), x)
    back = s(Less(), steps, s.number(0))
    lowest = s(Where(), back, s.number(-1), s.number(0))
    last = s(Add(), sizes, lowest)
    bounds = []
    for bound, least in ((starts, s.number(0)), (ends, lowest)):
        # a bound far before the front stays there, though -1 is the last element
        turned = s(Where(), s(Less(), bound, s.number(0)), s(Add(), bound, sizes), bound)
        bounds.append(s(Minimum(), s(Maximum(), turned, least), last))
    room = s(Sub(), bounds[1], bounds[0])
    up = s(Where(), back, s(Add(), steps, s.number(1)), s(Sub(), steps, s.number(1)))
    lengths = s(Maximum(), s(FloorDiv(), s(Add(), room, up), steps), s.number(0))
    counts = s.sizes(lengths, rank)
    for axis in range(rank):
        place = s.number(axis)
        first, step = s(Gather(axis=0), bounds[0], place), s(Gather(axis=0), steps, place)
        places = s(Add(), s(Mul(), s(Range(start=0, limit=counts[axis], step=1)), step), first)
        if axis == rank - 1:
            s.ends(Gather(axis=axis), x, places)
        else:
            x = s(Gather(axis=axis), x, places)
