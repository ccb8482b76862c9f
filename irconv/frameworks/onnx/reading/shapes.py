"""Ops that move, join and cut values, whose numbers are attributes in old opsets and inputs in new ones."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np

from irconv.errors import Refused
from irconv.frameworks.onnx.reading import computed
from irconv.frameworks.onnx.reading.baked import check_elements
from irconv.frameworks.onnx.reading.computed import is_computed
from irconv.frameworks.onnx.reading.model import ModelReader, Op
from irconv.frameworks.onnx.reading.selection import bound_of, computed_slice, counted_range, counted_sizes
from irconv.ir.known import numeric
from irconv.ir.layers.comparisons import Cast, Where
from irconv.ir.layers.embedding import Embedding
from irconv.ir.layers.indexing import Gather, TopK
from irconv.ir.layers.ranges import written_out
from irconv.ir.layers.resampling import AffineGrid
from irconv.ir.layers.shape_ops import Expand, Full, Range, ShapeOf, Squeeze, Tile, Unsqueeze
from irconv.ir.layers.slicing import Select, Slice, Split
from irconv.ir.layers.tensor_ops import Concat, Flatten, Pad, Reduce, Reshape, Transpose
from irconv.ir.shapes import Dimension, Shape, Size, counted, filled, size_product, symbols

_OPEN = 10**9
"""Bounds this far out are an open side: files have 2**31 - 1, 2**63 - 1, or, of tf2onnx, 10**9; no axis is as long."""


def axis_of(op: Op, axis: Any, rank: int) -> int:
    """An axis counted from 0. Raises `Refused` for one that is not there."""
    if not isinstance(axis, int) or not -rank <= axis < rank:
        raise Refused(op.where, f"expected an axis between {-rank} and {rank - 1}, got {axis!r}")
    return axis % rank


def _reshape(reader: ModelReader, op: Op) -> None:
    given = reader.shape(op.given(0))
    if op.version >= 5 and is_computed(reader, op, 1):
        computed.reshape(reader, op)
        return
    wanted: Any = op.attribute("shape") if op.version < 5 else reader.dimensions(op, 1)
    if not op.attribute("allowzero", 0):
        wanted = [given[i] if size == 0 and i < len(given) else size for i, size in enumerate(wanted)]
    try:
        shape = filled(tuple(wanted), given)
    except ValueError as error:
        raise Refused(op.where, str(error)) from error
    check_elements(given, shape, op.where)
    reader.place(op, Reshape(shape=shape), x=op.given(0))


def _axes(reader: ModelReader, op: Op, since: int) -> tuple[int, ...] | None:
    """Axes that are an attribute before an opset and an input from then on."""
    if op.version < since:
        found = op.attribute("axes")
        return None if found is None else tuple(found)
    return reader.numbers(op, 1)


def _squeeze(reader: ModelReader, op: Op) -> None:
    if op.version >= 13 and is_computed(reader, op, 1):
        computed.squeeze(reader, op)
        return
    shape, axes = reader.shape(op.given(0)), _axes(reader, op, 13)
    if axes is None:
        if any(isinstance(size, str) for size in shape):
            raise Refused(op.where, f"takes out all axes of length 1 of {shape}, which does not say which these are")
        axes = tuple(i for i, size in enumerate(shape) if size == 1)
    reader.place(op, Squeeze(axes=tuple(sorted(axis_of(op, axis, len(shape)) for axis in axes))), x=op.given(0))


def _unsqueeze(reader: ModelReader, op: Op) -> None:
    if op.version >= 13 and is_computed(reader, op, 1):
        computed.unsqueeze(reader, op)
        return
    axes = _axes(reader, op, 13) or ()
    rank = len(reader.shape(op.given(0))) + len(axes)
    reader.place(op, Unsqueeze(axes=tuple(sorted(axis_of(op, axis, rank) for axis in axes))), x=op.given(0))


def _flatten(reader: ModelReader, op: Op) -> None:
    """Two axes: those before `axis`, and those from it on."""
    shape = reader.shape(op.given(0))
    axis = op.attributes["axis"]
    axis = axis + len(shape) if axis < 0 else axis
    if axis == 1 and len(shape) > 1:
        reader.place(op, Flatten(start_axis=1), x=op.given(0))
        return
    both = (size_product(shape[:axis]).dimension, size_product(shape[axis:]).dimension)
    reader.place(op, Reshape(shape=both), x=op.given(0))


def _transpose(reader: ModelReader, op: Op) -> None:
    rank = len(reader.shape(op.given(0)))
    order = op.attribute("perm") or range(rank)[::-1]
    reader.place(op, Transpose(permutation=tuple(order)), x=op.given(0))


def _concat(reader: ModelReader, op: Op) -> None:
    rank = len(reader.shape(op.given(0)))
    axis = axis_of(op, op.attribute("axis", 1), rank)
    reader.place(op, Concat(axis=axis), **{f"x{i}": value for i, value in enumerate(op.inputs)})


def _slice(reader: ModelReader, op: Op) -> None:
    shape = reader.shape(op.given(0))
    if op.version >= 10 and _is_computed(reader, op, shape):
        _slice_by_values(reader, op)
        return
    starts: Any = op.attribute("starts") if op.version < 10 else reader.dimensions(op, 1)
    ends: Any = op.attribute("ends") if op.version < 10 else reader.dimensions(op, 2)
    axes: Any = op.attribute("axes") if op.version < 10 else reader.numbers(op, 3)
    steps: Any = None if op.version < 10 else reader.numbers(op, 4)
    axes = tuple(axis_of(op, axis, len(shape)) for axis in (axes if axes is not None else range(len(starts))))
    steps = tuple(steps) if steps is not None else (1,) * len(starts)
    each = list(zip(starts, ends, axes, steps, strict=True))
    for start, end, axis, step in each:
        if _is_beyond(start, 1 if step > 0 else -1) or _is_beyond(end, -1 if step > 0 else 1):
            raise Refused(op.where, f"cuts nothing out of axis {axis}, from {start} to {end}")
    starts = tuple(_start(start, shape[axis], step) for start, _, axis, step in each)
    ends = tuple(_end(end, shape[axis], step) for _, end, axis, step in each)
    reader.place(op, Slice(axes=axes, starts=starts, ends=ends, steps=steps), x=op.given(0))


def _is_computed(reader: ModelReader, op: Op, shape: Shape) -> bool:
    """Whether only running the model tells what is cut out."""
    if any(reader.importer.known(op.given(index)) is None for index in (1, 2)):
        return True
    if is_computed(reader, op, 3) or is_computed(reader, op, 4):
        return True
    starts, axes, steps = reader.dimensions(op, 1) or (), reader.numbers(op, 3), reader.numbers(op, 4)
    axes = tuple(axis_of(op, axis, len(shape)) for axis in (axes if axes is not None else range(len(starts))))
    return all(step == 1 for step in steps or ()) and any(any(map(counted, symbols(shape[axis]))) for axis in axes)


def _slice_by_values(reader: ModelReader, op: Op) -> None:
    """Slices in steps of 1 between bounds of which some are computed, or of an axis as long as something counted."""
    (x, *_), rank, count = op.inputs, len(reader.shape(op.given(0))), reader.shape(op.given(1))
    if is_computed(reader, op, 3) or is_computed(reader, op, 4):
        computed.slice_along(reader, op)
        return
    axes, steps = reader.numbers(op, 3), reader.numbers(op, 4)
    if any(step != 1 for step in steps or ()) or not count or not isinstance(count[0], int):
        raise Refused(op.where, f"cuts between computed bounds in steps of {steps}")
    places = [axis_of(op, axis, rank) for axis in (axes if axes is not None else range(count[0]))]
    for i, axis in enumerate(places):
        bounds = tuple("" if _is_open(reader, op, index, i) else bound_of(reader, op, index, i) for index in (1, 2))
        x = computed_slice(reader, op, x, axis, (bounds[0], bounds[1]), "" if i == len(places) - 1 else f"cut {i}")


def _is_open(reader: ModelReader, op: Op, index: int, place: int) -> bool:
    """Whether a bound is known to be that of the axis: 0 at the start, or farther than any size at the end."""
    found = reader.importer.known(op.given(index))
    if found is None or isinstance(number := found.reshape(-1)[place], Size):
        return False
    return bool(number == 0 if index == 1 else number >= _OPEN)


def _start(number: Dimension, size: Dimension, step: int) -> Dimension | None:
    """Where a cut begins; None for the first element that a step takes, of any size."""
    if step < 0:
        last = isinstance(number, int) and isinstance(size, int) and number >= size - 1
        return None if last or number == -1 or _is_beyond(number, 1) else number
    return None if _is_beyond(number, -1) else number


def _end(number: Dimension, size: Dimension, step: int) -> Dimension | None:
    """Where a cut ends; None behind the last element that a step takes, of any size."""
    if step < 0:
        first = isinstance(number, int) and isinstance(size, int) and number < -size
        return None if first or _is_beyond(number, -1) else number
    return None if (number == size and isinstance(size, str)) or _is_beyond(number, 1) else number


def _is_beyond(number: Dimension, sign: int) -> bool:
    """Whether a bound lies beyond every axis, on this side."""
    return isinstance(number, int) and number * sign >= _OPEN


def _split(reader: ModelReader, op: Op) -> None:
    shape = reader.shape(op.given(0))
    axis = axis_of(op, op.attribute("axis", 0), len(shape))
    if op.version >= 13 and is_computed(reader, op, 1):
        computed.split(reader, op, axis)
        return
    sizes: Any = op.attribute("split") if op.version < 13 else reader.dimensions(op, 1)
    if sizes is None:
        count, whole = op.attribute("num_outputs") or len(op.outputs), shape[axis]
        if not isinstance(whole, int):
            raise Refused(op.where, f"cuts an axis of {whole} into {count} equal pieces")
        each = -(-whole // count)
        sizes = [each] * (count - 1) + [whole - each * (count - 1)]
    reader.results(op, Split(axis=axis, sizes=tuple(sizes)), op.outputs, x=op.given(0))


def _index(reader: ModelReader, indices: str) -> int | None:
    """The one number that indices are, where that is known."""
    known = reader.importer.known(indices)
    return int(known) if known is not None and known.shape == () and numeric(known) else None


def _gather(reader: ModelReader, op: Op) -> None:
    """Rows of a stored table are an Embedding; one index is a Select."""
    table, indices = op.given(0), op.given(1)
    rank = len(reader.shape(table))
    axis, weight = axis_of(op, op.attributes["axis"], rank), reader.importer.stored(table)
    looked_up = weight is not None and weight.role == "parameter" and reader.importer.known(indices) is None
    if weight is not None and weight.path in reader.kept.tensors:  # a layer's own, though its rows may be known
        looked_up = len(reader.shape(indices)) > 0
    if looked_up and rank == 2 and axis == 0:
        reader.place(op, Embedding(padding_index=None), table=table, x=indices)
    elif reader.importer.known(table) is None and (index := _index(reader, indices)) is not None:
        reader.place(op, Select(axis=axis, index=index), x=table)
    else:
        reader.place(op, Gather(axis=axis), x=table, indices=indices)


def _pad(reader: ModelReader, op: Op) -> None:
    rank, mode = len(reader.shape(op.given(0))), op.attribute("mode", "constant")
    axes = reader.numbers(op, 3) if op.version >= 18 else None
    value: Any = op.attribute("value", 0.0) if op.version < 11 else reader.number(op, 2)
    axes = tuple(axis_of(op, axis, rank) for axis in axes) if axes is not None else tuple(range(rank))
    if op.version >= 11 and is_computed(reader, op, 1):
        computed.pad(reader, op, axes, (value or 0.0) if mode == "constant" else None)
        return
    flat: Any = op.attribute("pads", op.attribute("paddings")) if op.version < 11 else reader.dimensions(op, 1)
    half = len(flat) // 2
    pairs = dict(zip(axes, zip(flat[:half], flat[half:], strict=True), strict=True))
    number = (0.0 if value is None else float(value)) if mode == "constant" else None
    pads = tuple(pairs.get(axis, (0, 0)) for axis in range(rank))
    if number is None or np.isfinite(number):
        reader.place(op, Pad(pads=pads, mode=mode, value=number), x=op.given(0))
        return
    # a setting is a number that JSON has: what is no such number is put in where zeros were padded to ones
    (dtype, shape), zeros = reader.type_of(op.given(0)), Pad(pads=pads, mode="constant", value=0.0)
    ones = reader.place(op, Full(shape=shape, value=1.0, dtype=dtype), "ones")
    seen = reader.place(op, Cast(dtype="bool"), "inside", x=reader.place(op, zeros, "padded ones", x=ones))
    padded = reader.place(op, zeros, "padded", x=op.given(0))
    reader.place(op, Where(), condition=seen, x0=padded, x1=reader.constant(op, number, "outside", dtype))


def _expand(reader: ModelReader, op: Op) -> None:
    """An axis that has several elements keeps them, whatever is computed: 1 or as many can stand in the shape."""
    own, wanted = reader.shape(op.given(0)), list(counted_sizes(reader, op, 1) or ())
    for i in range(1, min(len(own), len(wanted)) + 1):
        if isinstance(own[-i], int) and own[-i] != 1 and not isinstance(wanted[-i], int):
            wanted[-i] = own[-i]
    reader.place(op, Expand(shape=tuple(wanted)), x=op.given(0))


def _tile(reader: ModelReader, op: Op) -> None:
    reader.place(op, Tile(repeats=counted_sizes(reader, op, 1) or ()), x=op.given(0))


def _shape(reader: ModelReader, op: Op) -> None:
    start, end = op.attribute("start", 0), op.attribute("end")
    if (start, end) == (0, None):
        reader.place(op, ShapeOf(), x=op.given(0))
        return
    whole = reader.place(op, ShapeOf(), "whole", x=op.given(0))
    reader.place(op, Slice(axes=(0,), starts=(start,), ends=(end,), steps=(1,)), x=whole)


def _size(reader: ModelReader, op: Op) -> None:
    whole = reader.place(op, ShapeOf(), "shape", x=op.given(0))
    reader.place(op, Reduce(op="prod", axes=(0,), keepdims=False), x=whole)


def _range(reader: ModelReader, op: Op) -> None:
    dtype = reader.type_of(op.given(0)).dtype
    if any(reader.importer.known(op.given(i)) is None for i in range(2)):
        counted_range(reader, op)
        return
    found = [reader.known(op, i) for i in range(3)]
    bounds = [element for array in found if array is not None for element in np.atleast_1d(array)]
    if ("float" in dtype and not _whole(bounds)) or any(a is None or not numeric(a) for a in found[2:]):
        if not all(array is not None and numeric(array) for array in found):
            raise Refused(op.where, f"counts from {bounds[0]} to {bounds[1]} in steps of {bounds[2]}")
        written_out((bounds[1] - bounds[0]) / bounds[2] if bounds[2] else inf, "its range")
        reader.gives(op, reader.importer.constant(op.outputs[0], np.arange(*bounds, dtype=dtype)))
        return
    start, limit = (size.dimension if isinstance(size, Size) else int(size) for size in bounds[:2])
    made = Range(start=start, limit=limit, step=int(bounds[2]))
    if dtype == "int64":
        reader.place(op, made)
    else:
        reader.place(op, Cast(dtype=dtype), x=reader.place(op, made, "int64"))


def _whole(bounds: Sequence[Any]) -> bool:
    """Whether floating numbers are counted up to an open size from a whole number in whole steps."""
    start, limit, step = bounds
    return isinstance(limit, Size) and all(not isinstance(n, Size) and float(n).is_integer() for n in (start, step))


def _largest(reader: ModelReader, op: Op) -> None:
    rank = len(reader.shape(op.given(0)))
    k: Any = op.attribute("k") if op.version < 10 else (counted_sizes(reader, op, 1) or (0,))[0]
    axis = axis_of(op, op.attributes["axis"], rank)
    layer = TopK(axis=axis, k=k, largest=bool(op.attribute("largest", 1)), sorted=bool(op.attribute("sorted", 1)))
    reader.results(op, layer, op.outputs, x=op.given(0))


def _affine_grid(reader: ModelReader, op: Op) -> None:
    sizes = counted_sizes(reader, op, 1) or ()
    layer = AffineGrid(sizes=sizes[2:], align_corners=bool(op.attribute("align_corners", 0)))
    reader.place(op, layer, theta=op.given(0))


HANDLERS = {
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Flatten": _flatten,
    "Transpose": _transpose,
    "Concat": _concat,
    "Slice": _slice,
    "Split": _split,
    "Gather": _gather,
    "Pad": _pad,
    "Expand": _expand,
    "Tile": _tile,
    "Shape": _shape,
    "Size": _size,
    "Range": _range,
    "TopK": _largest,
    "AffineGrid": _affine_grid,
}
