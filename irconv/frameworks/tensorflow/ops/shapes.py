"""Sizes as values, and slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from math import inf
from typing import Any, TypeAlias

import numpy as np

from irconv.containers.graph_def import NodeDef
from irconv.data_classes import dataclass
from irconv.errors import Refused
from irconv.frameworks.tensorflow.importing import GraphReader
from irconv.ir.known import numeric
from irconv.ir.layers.base import Layer
from irconv.ir.layers.comparisons import Cast, Where
from irconv.ir.layers.matrix import Trilu
from irconv.ir.layers.ranges import written_out
from irconv.ir.layers.shape_ops import Expand, Full, Range, ShapeOf, Squeeze, Unsqueeze
from irconv.ir.layers.slicing import Select, Slice
from irconv.ir.layers.tensor_ops import Reduce
from irconv.ir.shapes import Dimension, Shape, Size
from irconv.vocabularies.tensorflow import DEFAULTS


def _as_type(reader: GraphReader, node: NodeDef, value: str, dtype: str, suffix: str = "") -> str:
    if reader.type_of(value).dtype == dtype:
        return value
    return reader.place(node, Cast(dtype=dtype), suffix, x=value)


def _shape(reader: GraphReader, node: NodeDef) -> None:
    shape = reader.place(node, ShapeOf(), "int64", x=reader.given(node, 0))
    reader.gives(node, _as_type(reader, node, shape, node.attrs.get("out_type") or "int32"))


def _shapes(reader: GraphReader, node: NodeDef) -> None:
    dtype = node.attrs.get("out_type") or "int32"
    made = []
    for i, value in enumerate(reader.all_given(node)):
        shape = reader.place(node, ShapeOf(), f"int64_{i}", x=value)
        made.append(_as_type(reader, node, shape, dtype, f"of{i}"))
    reader.gives(node, *made)


def _size(reader: GraphReader, node: NodeDef) -> None:
    shape = reader.place(node, ShapeOf(), "int64", x=reader.given(node, 0))
    count = reader.place(node, Reduce(op="prod", axes=(0,), keepdims=False), "count", x=shape)
    reader.gives(node, _as_type(reader, node, count, node.attrs.get("out_type") or "int32"))


def _rank(reader: GraphReader, node: NodeDef) -> None:
    reader.gives(node, reader.number(node, len(reader.type_of(reader.given(node, 0)).shape), "int32", "rank"))


def dimensions(found: Any) -> tuple[Dimension, ...]:
    """Numbers and sizes that are known, as dimensions."""
    return tuple(size.dimension if isinstance(size, Size) else int(size) for size in np.atleast_1d(found))


def _filled(reader: GraphReader, node: NodeDef) -> None:
    """One number everywhere."""
    shape, value = dimensions(reader.numbers(node, 0)), reader.given(node, 1)
    known = reader.importer.known(value)
    if known is not None and numeric(known):
        layer = Full(shape=shape, value=known.item(), dtype=reader.type_of(value).dtype)
        reader.gives(node, reader.place(node, layer))
    else:
        reader.gives(node, reader.place(node, Expand(shape=shape), x=value))


def _like(number: float) -> Any:
    def place(reader: GraphReader, node: NodeDef) -> None:
        dtype, shape = reader.type_of(reader.given(node, 0))
        value = bool(number) if dtype == "bool" else number if "float" in dtype else int(number)
        reader.gives(node, reader.place(node, Full(shape=shape, value=value, dtype=dtype)))

    return place


def _broadcast(reader: GraphReader, node: NodeDef) -> None:
    reader.gives(node, reader.place(node, Expand(shape=dimensions(reader.numbers(node, 1))), x=reader.given(node, 0)))


def _range(reader: GraphReader, node: NodeDef) -> None:
    dtype = reader.type_of(reader.given(node, 0)).dtype
    (start,), (limit,), (step,) = (np.atleast_1d(reader.numbers(node, i)) for i in range(3))
    if isinstance(step, Size) or "float" in dtype:
        numbers = [reader.numbers(node, i) for i in range(3)]
        if not all(map(numeric, numbers)):
            raise Refused(
                reader.where(node), f"counts from {start} to {limit} in steps of {step}, not all of them known"
            )
        first, end, each = (n.item() for n in numbers)
        written_out((end - first) / each if each else inf, "its range")
        reader.gives(node, reader.importer.constant(node.name, np.arange(first, end, each, dtype=dtype)))
        return
    layer = Range(start=dimensions(start)[0], limit=dimensions(limit)[0], step=int(step))
    made = reader.place(node, layer, "int64") if dtype != "int64" else reader.place(node, layer)
    reader.gives(node, _as_type(reader, node, made, dtype))


def _slice(reader: GraphReader, node: NodeDef) -> None:
    """``x[begin : begin + size]`` along every axis; a size of -1 is all that is left."""
    begin, size = dimensions(reader.numbers(node, 1)), dimensions(reader.numbers(node, 2))
    shape = reader.type_of(reader.given(node, 0)).shape
    cuts: list[tuple[int, Dimension, Dimension | None]] = []
    for axis, (start, length, whole) in enumerate(zip(begin, size, shape, strict=True)):
        end = None if length == -1 else (Size.of(start) + length).dimension
        if (start, end) not in ((0, None), (0, whole)):
            cuts.append((axis, start, end))
    if not cuts:
        reader.gives(node, reader.given(node, 0))
        return
    axes, starts, ends = zip(*cuts, strict=True)
    layer = Slice(axes=axes, starts=starts, ends=ends, steps=(1,) * len(cuts))
    reader.gives(node, reader.place(node, layer, x=reader.given(node, 0)))


_Cut: TypeAlias = "tuple[int, Dimension | None, Dimension | None, int]"
"""Axis, start, end, step."""


@dataclass
class _Plan:
    """A strided slice: what is cut, which axes go, and where in the result new ones stand."""

    cuts: list[_Cut] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    new: list[int] = field(default_factory=list)
    rank: int = 0
    """Of the result."""


def _strided(reader: GraphReader, node: NodeDef) -> None:
    """``x[begin:end:strides]`` with bits that say which bounds are open, which axes are new and which go."""
    value = reader.given(node, 0)
    bounds = [dimensions(reader.numbers(node, i)) for i in (1, 2, 3)]
    plan = _planned(reader, node, bounds, reader.type_of(value).shape)
    layers: list[Layer] = []
    alone = len(plan.cuts) == 1 and plan.gone == [plan.cuts[0][0]] and isinstance(plan.cuts[0][1], int)
    if alone and isinstance(plan.cuts[0][1], int):
        layers.append(Select(axis=plan.gone[0], index=plan.cuts[0][1]))
    else:
        if plan.cuts:
            axes, starts, ends, steps = zip(*plan.cuts, strict=True)
            layers.append(Slice(axes=axes, starts=starts, ends=ends, steps=steps))
        if plan.gone:
            layers.append(Squeeze(axes=tuple(plan.gone)))
    if plan.new:
        layers.append(Unsqueeze(axes=tuple(plan.new)))
    for i, layer in enumerate(layers):
        value = reader.place(node, layer, f"part{i}" if i < len(layers) - 1 else "", x=value)
    reader.gives(node, value)


def _planned(reader: GraphReader, node: NodeDef, bounds: Sequence[tuple[Dimension, ...]], shape: Shape) -> _Plan:
    masks = {**DEFAULTS["StridedSlice"], **node.attrs}
    plan, count, axis = _Plan(), len(bounds[0]), 0

    def on(name: str, bit: int) -> bool:
        return bool(masks[f"{name}_mask"] >> bit & 1)

    for bit in range(count):
        begin, end, step = (bound[bit] for bound in bounds)
        if not isinstance(step, int):
            raise Refused(reader.where(node), f"expected strides that are known, got {step}")
        if on("ellipsis", bit):
            after = sum(not on("new_axis", later) for later in range(bit + 1, count))
            plan.rank += len(shape) - after - axis
            axis = len(shape) - after
        elif on("new_axis", bit):
            plan.new.append(plan.rank)
            plan.rank += 1
        elif on("shrink_axis", bit):
            plan.cuts.append((axis, begin, None if begin == -1 else (Size.of(begin) + 1).dimension, 1))
            plan.gone.append(axis)
            axis += 1
        else:
            first, last = None if on("begin", bit) else begin, None if on("end", bit) else end
            if (first or 0, last, step) not in ((0, None, 1), (0, shape[axis], 1)):
                plan.cuts.append((axis, first, last, step))
            plan.rank += 1
            axis += 1
    return plan


def _banded(reader: GraphReader, node: NodeDef) -> None:
    """The band of a matrix: a triangle, or two on top of each other; -1 leaves a side whole."""
    value = reader.given(node, 0)
    lower, upper = (int(np.atleast_1d(reader.numbers(node, i))[0]) for i in (1, 2))
    sides = [Trilu(upper=True, diagonal=-lower)] if lower >= 0 else []
    sides += [Trilu(upper=False, diagonal=upper)] if upper >= 0 else []
    for i, layer in enumerate(sides):
        value = reader.place(node, layer, f"part{i}" if i < len(sides) - 1 else "", x=value)
    reader.gives(node, value)


def _chosen(reader: GraphReader, node: NodeDef) -> None:
    """The old Select, whose vector of conditions is one for each index of the first axis."""
    condition, yes, no = reader.all_given(node)
    rank, of = len(reader.type_of(yes).shape), len(reader.type_of(condition).shape)
    if of == 1 and rank > 1:
        condition = reader.place(node, Unsqueeze(axes=tuple(range(1, rank))), "rows", x=condition)
    reader.gives(node, reader.place(node, Where(), condition=condition, x0=yes, x1=no))


HANDLERS = {
    "Shape": _shape,
    "ShapeN": _shapes,
    "Size": _size,
    "Rank": _rank,
    "Fill": _filled,
    "ZerosLike": _like(0.0),
    "OnesLike": _like(1.0),
    "BroadcastTo": _broadcast,
    "Range": _range,
    "Slice": _slice,
    "StridedSlice": _strided,
    "MatrixBandPart": _banded,
    "Select": _chosen,
}
