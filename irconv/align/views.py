"""What a layer of the IR makes of the axes of the value that it takes, in the words of `irconv.align.axes`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from irconv.align.axes import Axes, Size, joined
from irconv.ir.layers.base import Layer
from irconv.ir.layers.slicing import Select, Slice, Split, Unstack
from irconv.ir.layers.tensor_ops import Transpose

_CHANNELS = {"Conv": 1, "ConvTranspose": 1, "Linear": -1, "Embedding": -1, "MultiHeadAttention": -1}
"""Layer -> the axis of its result that has the channels."""
_RESHAPING = frozenset(("Reshape", "Flatten", "Squeeze", "Unsqueeze"))
_MOVING = frozenset(("Flip", "Roll", "TopK", "Gather", "GatherElements", "GatherND", "LSTM", "GRU", "RNN"))
"""What gives an axis another order, or makes another one."""


def axes_of(
    layer: Layer, given: Sequence[Axes | None], taken: Sequence[Size], shapes: Sequence[Sequence[Size]]
) -> list[Axes | None]:
    """The axes of a layer's results, which have these shapes; `taken` is the shape of its first input."""
    if layer.type in _CHANNELS:
        return [Axes.made(shape, _CHANNELS[layer.type]) for shape in shapes]
    if len(given) > 1:
        return [joined(given, shape) for shape in shapes]
    value = given[0] if given else None
    if value is None or layer.type in _MOVING:
        return [None] * len(shapes)
    if layer.type in _RESHAPING:
        return [value.reshaped(shape) for shape in shapes]
    if isinstance(layer, Transpose):
        return [value.arranged(layer.permutation)]
    if isinstance(layer, Split):
        return _split(value, layer.axis % len(taken), [shape[layer.axis] for shape in shapes])
    if isinstance(layer, Unstack):
        axis = layer.axis % len(taken)
        return [_selected(value, axis, index) for index in range(layer.count)]
    if isinstance(layer, Select):
        axis = layer.axis % len(taken)
        size = taken[axis]
        return [_selected(value, axis, layer.index % size) if isinstance(size, int) else None]
    if isinstance(layer, Slice):
        return [_sliced(value, layer, taken, shapes[0])]
    return [value.resized(shape) for shape in shapes]


def _split(value: Axes, axis: int, sizes: Sequence[Size]) -> list[Axes | None]:
    if not all(isinstance(size, int) for size in sizes):
        return [None] * len(sizes)
    numbers = [int(size) for size in sizes]
    starts = [0, *accumulate(numbers)]
    return [value.cut(axis, start, size) for start, size in zip(starts, numbers, strict=False)]


def _selected(value: Axes, axis: int, index: int) -> Axes | None:
    found = value.cut(axis, index, 1)
    rest = [other for other in range(len(value.axes)) if other != axis]
    return found.arranged(rest) if found is not None else None


def _sliced(value: Axes, layer: Slice, taken: Sequence[Size], shape: Sequence[Size]) -> Axes | None:
    found: Axes | None = value
    for axis, start, step in zip(layer.axes, layer.starts, layer.steps, strict=True):
        size, extent = shape[axis], taken[axis]
        first = 0 if start is None else start
        if step != 1 or not (isinstance(first, int) and isinstance(size, int) and isinstance(extent, int)):
            return None
        first = first + extent if first < 0 else first
        found = found.cut(axis % len(shape), first, size) if found is not None else None
    return found
