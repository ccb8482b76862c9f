"""Rows put together by the segment that each belongs to, as updates of as many rows as there are segments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from irconv.containers.graph_def import NodeDef
from irconv.errors import Refused
from irconv.frameworks.tensorflow.importing import GraphReader
from irconv.frameworks.tensorflow.ops.shapes import dimensions
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.known import numeric
from irconv.ir.layers.arithmetic import Div
from irconv.ir.layers.indexing import ScatterND
from irconv.ir.layers.shape_ops import Full, Unsqueeze
from irconv.ir.shapes import Dimension

_Reduction = Literal["add", "mul", "max", "min"]


def _start(reduction: _Reduction, dtype: str) -> float | int:
    """What changes nothing: for the largest the least number there is, which TensorFlow gives for an empty segment."""
    if reduction in ("add", "mul"):
        return int(reduction == "mul")
    kind = numpy_dtype(dtype)
    limits = np.finfo(kind) if np.issubdtype(kind, np.floating) else np.iinfo(kind)
    bound = limits.min if reduction == "max" else limits.max
    return float(bound) if np.issubdtype(kind, np.floating) else int(bound)


def _combined(reader: GraphReader, node: NodeDef, reduction: _Reduction, count: Dimension, suffix: str = "") -> str:
    """Rows of the first input combined by the numbers in the second."""
    rows, segments = reader.given(node, 0), reader.given(node, 1)
    dtype, shape = reader.type_of(rows)
    rank = len(reader.type_of(segments).shape)
    full = Full(shape=(count, *shape[rank:]), value=_start(reduction, dtype), dtype=dtype)
    empty = reader.place(node, full, "empty")
    places = reader.place(node, Unsqueeze(axes=(rank,)), "places", x=segments)
    return reader.place(node, ScatterND(reduction=reduction), suffix, x=empty, indices=places, updates=rows)


def _unsorted(reduction: _Reduction) -> Callable[[GraphReader, NodeDef], None]:
    """Segments in any order, and how many there are. TensorFlow leaves out rows of negative numbers."""

    def read(reader: GraphReader, node: NodeDef) -> None:
        known = reader.importer.known(reader.given(node, 1))
        if known is not None and numeric(known) and bool((known < 0).any()):
            raise Refused(reader.where(node), "expected segments from 0, got negative ones, whose rows are left out")
        (count,) = dimensions(reader.numbers(node, 2))
        reader.gives(node, _combined(reader, node, reduction, count))

    return read


def _sorted(reduction: _Reduction | None) -> Callable[[GraphReader, NodeDef], None]:
    """Segments that are known, the last of which says how many there are; None for their mean."""

    def read(reader: GraphReader, node: NodeDef) -> None:
        segments = reader.numbers(node, 1).astype(np.int64)
        if segments.size == 0 or (np.diff(segments) < 0).any() or segments[0] < 0:
            raise Refused(reader.where(node), f"expected segments in ascending order, got {segments.tolist()[:9]}")
        counts = np.bincount(segments)
        if reduction in ("max", "min", "mul") and not counts.all():
            raise Refused(reader.where(node), f"leaves segments empty, of {counts.size}")
        if reduction is not None:
            reader.gives(node, _combined(reader, node, reduction, counts.size))
            return
        total = _combined(reader, node, "add", counts.size, "total")
        dtype, shape = reader.type_of(total)
        sizes = np.maximum(counts, 1).astype(numpy_dtype(dtype)).reshape(-1, *(1,) * (len(shape) - 1))
        divisor = reader.importer.constant(f"{node.name}/sizes", sizes)
        reader.gives(node, reader.place(node, Div(), x0=total, x1=divisor))

    return read


def _scattered(reader: GraphReader, node: NodeDef) -> None:
    """Updates added up at their places among zeros."""
    indices, updates = reader.given(node, 0), reader.given(node, 1)
    shape = dimensions(reader.numbers(node, 2))
    zeros = reader.place(node, Full(shape=shape, value=0, dtype=reader.type_of(updates).dtype), "zeros")
    layer = ScatterND(reduction="add")
    reader.gives(node, reader.place(node, layer, x=zeros, indices=indices, updates=updates))


def _evenly(reader: GraphReader, node: NodeDef) -> None:
    """So many numbers from a first to a last one, all of which are known."""
    start, stop, count = (reader.numbers(node, index) for index in range(3))
    dtype = start.dtype
    steps = max(int(count.item()), 1)
    step = (stop - start) / np.asarray(max(steps - 1, 1), dtype)
    numbers = (start + np.arange(steps, dtype=dtype) * step).astype(dtype)
    reader.gives(node, reader.importer.constant(node.name, numbers))


HANDLERS = {
    "UnsortedSegmentSum": _unsorted("add"),
    "UnsortedSegmentProd": _unsorted("mul"),
    "UnsortedSegmentMax": _unsorted("max"),
    "UnsortedSegmentMin": _unsorted("min"),
    "SegmentSum": _sorted("add"),
    "SegmentProd": _sorted("mul"),
    "SegmentMax": _sorted("max"),
    "SegmentMin": _sorted("min"),
    "SegmentMean": _sorted(None),
    "ScatterNd": _scattered,
    "LinSpace": _evenly,
}
