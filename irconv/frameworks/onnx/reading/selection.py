"""Ops that make as many elements as the numbers in a value say, and computed numbers where a graph wants sizes."""

from __future__ import annotations

import numpy as np

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.ir.known import numeric
from irconv.ir.layers.arithmetic import Maximum, Minimum, Sub
from irconv.ir.layers.comparisons import Cast, Less, Where
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.selection import Compress, CountUp, NonMaxSuppression, NonZero, Unique
from irconv.ir.layers.shape_ops import SizeOf
from irconv.ir.layers.tensor_ops import Add, Reshape
from irconv.ir.shapes import Dimension

_MOST_SIZES = 8
"""A shape of more computed sizes is refused."""


def counted_sizes(reader: ModelReader, op: Op, index: int) -> tuple[Dimension, ...] | None:
    """An input of sizes, none of which may be negative, as far as it is there: those that only running the model tells
    are symbols, each made by a node of its own."""
    value = op.given(index)
    if not value or reader.importer.known(value) is not None:
        return reader.dimensions(op, index)
    shape = reader.shape(value)
    count = shape[0] if shape else 1
    if len(shape) > 1 or not isinstance(count, int) or count > _MOST_SIZES:
        raise Refused(op.where, f"expected its input {value} to be known before the model runs, but it is computed")
    if not shape:
        return (size_of_value(reader, op, value, f"size {index}"),)
    places = [reader.constant(op, i, f"place {index} {i}", "int64") for i in range(count)]
    elements = [
        reader.place(op, Gather(axis=0), f"element {index} {i}", x=value, indices=p) for i, p in enumerate(places)
    ]
    return tuple(size_of_value(reader, op, element, f"size {index} {i}") for i, element in enumerate(elements))


def computed_slice(reader: ModelReader, op: Op, x: str, axis: int, bounds: tuple[str, str], suffix: str) -> str:
    """``start:end`` of an axis whose bounds are values, empty where open: those of the places that there are."""
    size = reader.place(op, SizeOf(axis=axis), f"length {axis}", x=x)
    size = reader.place(op, Reshape(shape=()), f"whole {axis}", x=size)
    zero = reader.constant(op, 0, f"zero {axis}", "int64")
    start, end = (
        _inside(reader, op, bound, size, zero, f"{which} {axis}") if bound else open_side
        for bound, open_side, which in zip(bounds, (zero, size), ("start", "end"), strict=True)
    )
    room = reader.place(op, Sub(), f"room {axis}", x0=end, x1=start) if bounds[0] else end
    places = _count_up(reader, op, room, f"places {axis}")
    if bounds[0]:
        places = reader.place(op, Add(), f"moved {axis}", x0=places, x1=start)
    return reader.place(op, Gather(axis=axis), suffix, x=x, indices=places)


def bound_of(reader: ModelReader, op: Op, index: int, place: int) -> str:
    """One number of an input, as a single int64 value."""
    value = op.given(index)
    flat = reader.place(op, Reshape(shape=(1,)), f"flat {index} {place}", x=value) if not reader.shape(value) else value
    at = reader.constant(op, place, f"at {index} {place}", "int64")
    return _typed(
        reader, op, reader.place(op, Gather(axis=0), f"bound {index} {place}", x=flat, indices=at), f"{index} {place}"
    )


def _inside(reader: ModelReader, op: Op, bound: str, size: str, zero: str, suffix: str) -> str:
    """A bound counted from the front, and moved to the nearer end where it is outside."""
    negative = reader.place(op, Less(), f"{suffix} negative", x0=bound, x1=zero)
    turned = reader.place(op, Add(), f"{suffix} from behind", x0=bound, x1=size)
    front = reader.place(op, Where(), f"{suffix} from the front", condition=negative, x0=turned, x1=bound)
    least = reader.place(op, Maximum(), f"{suffix} not before", x0=front, x1=zero)
    return reader.place(op, Minimum(), f"{suffix} not behind", x0=least, x1=size)


def _typed(reader: ModelReader, op: Op, value: str, suffix: str) -> str:
    if reader.type_of(value).dtype == "int64":
        return value
    return reader.place(op, Cast(dtype="int64"), f"int64 {suffix}", x=value)


def _count_up(reader: ModelReader, op: Op, value: str, suffix: str) -> str:
    return reader.place(op, CountUp(count=reader.importer.counted(op.where)), suffix, x=value)


def size_of_value(reader: ModelReader, op: Op, value: str, suffix: str) -> Dimension:
    """A single computed number as a size."""
    return reader.shape(_count_up(reader, op, _typed(reader, op, value, suffix), suffix))[0]


def counted_range(reader: ModelReader, op: Op) -> None:
    """The int64 numbers from one computed number to another, in steps of 1."""
    step = reader.known(op, 2)
    dtype = reader.type_of(op.given(0)).dtype
    if step is None or not numeric(step) or step.item() != 1 or "int" not in dtype:
        raise Refused(op.where, f"counts between computed numbers of {dtype} in other steps than 1")
    start, limit = (
        _typed(reader, op, value, name) for value, name in zip(op.inputs[:2], ("start", "end"), strict=True)
    )
    known = reader.importer.known(start)
    from_zero = known is not None and numeric(known) and known.item() == 0
    room = limit if from_zero else reader.place(op, Sub(), "room", x0=limit, x1=start)
    if dtype == "int64" and from_zero:
        reader.place(op, CountUp(count=reader.importer.counted(op.where)), x=room)
        return
    numbers = _count_up(reader, op, room, "numbers")
    if not from_zero:
        numbers = reader.place(op, Add(), "" if dtype == "int64" else "moved", x0=numbers, x1=start)
    if dtype != "int64":
        reader.place(op, Cast(dtype=dtype), x=numbers)


def _non_zero(reader: ModelReader, op: Op) -> None:
    x = op.given(0)
    found = reader.importer.known(x)
    if found is not None and numeric(found):
        places = np.array(np.nonzero(np.atleast_1d(found)), np.int64)
        reader.gives(op, reader.importer.constant(op.outputs[0], places))
        return
    if not reader.shape(x):
        x = reader.place(op, Reshape(shape=(1,)), "vector", x=x)
    reader.place(op, NonZero(count=reader.importer.counted(op.where)), x=x)


def _compress(reader: ModelReader, op: Op) -> None:
    axis = op.attribute("axis")
    if axis is not None:
        axis %= len(reader.shape(op.given(0)))
    layer = Compress(axis=axis, count=reader.importer.counted(op.where))
    reader.place(op, layer, x=op.given(0), condition=op.given(1))


def _unique(reader: ModelReader, op: Op) -> None:
    axis = op.attribute("axis")
    if axis is not None:
        axis %= len(reader.shape(op.given(0)))
    layer = Unique(axis=axis, sorted=bool(op.attribute("sorted", 1)), count=reader.importer.counted(op.where))
    reader.results(op, layer, op.outputs, x=op.given(0))


def _suppressed(reader: ModelReader, op: Op) -> None:
    """Without `max_output_boxes_per_class` none is taken; without thresholds 0, and every score."""
    most, overlap, score = (_vector(reader, op, i) for i in (2, 3, 4))
    most = most or reader.constant(op, [0], "most", "int64")
    overlap = overlap or reader.constant(op, [0.0], "overlap", "float32")
    form = "centre" if op.attribute("center_point_box", 0) else "corners"
    layer = NonMaxSuppression(form=form, count=reader.importer.counted(op.where))
    given = {"most": most, "iou_threshold": overlap, "score_threshold": score}
    reader.place(op, layer, boxes=op.given(0), scores=op.given(1), **given)


def _vector(reader: ModelReader, op: Op, index: int) -> str:
    """An input of one number as a vector; empty where it is absent."""
    value = op.given(index)
    if not value or reader.shape(value):
        return value
    known = reader.importer.known(value)
    if known is not None and numeric(known):
        return reader.constant(op, known.reshape(1), f"one of {index}")
    return reader.place(op, Reshape(shape=(1,)), f"one of {index}", x=value)


HANDLERS: dict[str, Handler] = {
    "NonZero": _non_zero,
    "Compress": _compress,
    "Unique": _unique,
    "NonMaxSuppression": _suppressed,
}
