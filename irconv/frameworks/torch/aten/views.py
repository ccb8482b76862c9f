"""Views of tensors, and how a value is put back into what it is a view of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from irconv.errors import Refused
from irconv.frameworks.torch.aten.aliases import View
from irconv.frameworks.torch.aten.program import Call, Handler, ProgramReader
from irconv.frameworks.torch.aten.shapes import TURNS, permutation_of, slice_bounds
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.shape_ops import Unsqueeze
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Concat, Reshape, Transpose
from irconv.ir.shapes import Dimension, Size

PutBack: TypeAlias = "Callable[[_Place], str]"


class _Place:
    """A view while something is put back into what it is of."""

    def __init__(self, reader: ProgramReader, writer: Call, view: View, whole: str, value: str) -> None:
        assert view.call is not None, "a view of the same tensor needs no putting back"
        self.reader, self.writer, self.view, self.whole, self.value = reader, writer, view, whole, value
        self.call = view.call
        self.shape = reader.importer.type_of(whole).shape
        self.label = f"into_{view.parent}"

    def between(self, axis: int, start: Dimension | None, end: Dimension | None, value: str) -> str:
        """The whole with `value` between two places of an axis."""
        parts = []
        if start not in (0, None):
            parts.append(self._cut(axis, None, start, "before"))
        parts.append(value)
        if end is not None and end != self.shape[axis]:
            parts.append(self._cut(axis, end, None, "after"))
        if len(parts) == 1:
            return value
        inputs = {f"x{i}": part for i, part in enumerate(parts)}
        return self.reader.place(self.writer, Concat(axis=axis), self.label, **inputs)

    def _cut(self, axis: int, start: Dimension | None, end: Dimension | None, suffix: str) -> str:
        layer = Slice(axes=(axis,), starts=(start,), ends=(end,), steps=(1,))
        return self.reader.place(self.writer, layer, f"{self.label}/{suffix}", x=self.whole)


def put_back(reader: ProgramReader, writer: Call, view: View, whole: str, value: str) -> str:
    """What a view is of, `whole`, with `value` where the view lies. Raises `Refused` for views without a way back."""
    if view.call is None:
        return value
    return _VIEWS[view.call.op](_Place(reader, writer, view, whole, value))


def put(op: str, name: str) -> Handler:
    """An op that gives a copy of ``self`` with another tensor where a view of it would lie (``slice_scatter``)."""

    def read(reader: ProgramReader, call: Call) -> None:
        from dataclasses import replace

        source = call.arguments["self"]
        view = View(source.name, replace(call, op=op))
        whole, value = reader.value(source), reader.value(call.arguments[name])
        reader.gives(call, put_back(reader, call, view, whole, value))

    return read


def is_view(reader: ProgramReader, call: Call, output: str) -> View | None:
    """How a result lies in the memory of the first argument; None where it has its own."""
    source = call.source
    if source is None:
        return None
    if call.op in _VIEWS:
        sure = call.op not in _MAYBE or reader.contiguous(source.name)
        return View(source.name, call, call.outputs.index(output), sure)
    if call.op in _SAME and reader.values[output] == reader.values[source.name] and not call.get("copy", False):
        sure = call.op != "contiguous.default" or reader.contiguous(source.name)
        return View(source.name, None, sure=sure)
    return None


def _shaped(place: _Place) -> str:
    return place.reader.place(place.writer, Reshape(shape=place.shape), place.label, x=place.value)


def _turned(place: _Place) -> str:
    order = permutation_of(place.call, len(place.shape))
    back = tuple(int(axis) for axis in np.argsort(order))
    return place.reader.place(place.writer, Transpose(permutation=back), place.label, x=place.value)


def _selected(place: _Place) -> str:
    axis = place.call.arguments["dim"] % len(place.shape)
    return _at(place, axis, place.call.arguments["index"])


def _unbound(place: _Place) -> str:
    return _at(place, place.call.get("dim", 0) % len(place.shape), place.view.index)


def _at(place: _Place, axis: int, index: Dimension) -> str:
    if not isinstance(index, int):
        raise Refused(place.writer.where, f"writes to the index {index}, which depends on sizes")
    row = place.reader.place(place.writer, Unsqueeze(axes=(axis,)), f"{place.label}/row", x=place.value)
    return place.between(axis, index, None if index == -1 else index + 1, row)


def _sliced(place: _Place) -> str:
    axis, start, end, step = slice_bounds(place.call, place.shape)
    whole = place.shape[axis]
    if isinstance(whole, int) and isinstance(start, int) and (end is None or isinstance(end, int)):
        places = np.arange(whole)[start:end:step]
        if not len(places):
            return place.whole
        if step != 1:
            return _every(place, axis, places, whole)
        return place.between(axis, int(places[0]), int(places[-1]) + 1, place.value)
    if step != 1:
        raise Refused(place.writer.where, f"writes to every {step}th of {whole} elements, which irconv does not follow")
    return place.between(axis, start, end, place.value)


def _every(place: _Place, axis: int, places: np.ndarray, whole: int) -> str:
    """Old and new elements side by side, and of each place the one that is there now."""
    reader, call = place.reader, place.writer
    both = reader.place(call, Concat(axis=axis), f"{place.label}/both", x0=place.whole, x1=place.value)
    order = np.arange(whole)
    order[places] = whole + np.arange(len(places))
    indices = reader.number(call, order, "int64", f"{place.label}/order")
    return reader.place(call, Gather(axis=axis), place.label, x=both, indices=indices)


def _piece(place: _Place) -> str:
    """One of several pieces, after those before it."""
    axis, reader = place.call.get("dim", 0) % len(place.shape), place.reader
    sizes = [reader.importer.type_of(reader.values[name]).shape[axis] for name in place.call.outputs]
    ends = [Size.of(0)]
    for size in sizes:
        ends.append(ends[-1] + size)
    start, end = (ends[place.view.index + i].dimension for i in (0, 1))
    return place.between(axis, start, end, place.value)


def _scattered(place: _Place) -> str:
    raise Refused(place.writer.where, f"writes into what {place.call.op} gives, which irconv does not follow")


def _spread(place: _Place) -> str:
    raise Refused(place.writer.where, "writes into a tensor that was expanded, whose elements share their memory")


_VIEWS: Mapping[str, PutBack] = {
    **dict.fromkeys(("view.default", "reshape.default", "flatten.using_ints", "unflatten.int"), _shaped),
    **dict.fromkeys(("view_as.default", "reshape_as.default"), _shaped),
    **dict.fromkeys(("squeeze.dim", "squeeze.dims", "squeeze.default", "unsqueeze.default"), _shaped),
    **dict.fromkeys(TURNS, _turned),
    **dict.fromkeys(("chunk.default", "split.Tensor", "split.sizes", "split_with_sizes.default"), _piece),
    **dict.fromkeys(("tensor_split.sections", "tensor_split.indices"), _piece),
    "select.int": _selected,
    "slice.Tensor": _sliced,
    "narrow.default": _sliced,
    "unbind.int": _unbound,
    **dict.fromkeys((f"{way}split.{form}" for way in "hvd" for form in ("int", "array")), _scattered),
    **dict.fromkeys((f"atleast_{count}d.default" for count in (1, 2, 3)), _scattered),
    "expand.default": _spread,
    "broadcast_to.default": _spread,
    "expand_as.default": _spread,
    **dict.fromkeys(("unfold.default", "diagonal.default"), _scattered),
}
_MAYBE = frozenset(("reshape.default", "flatten.using_ints", "reshape_as.default"))
#: Ops that give the tensor itself where they have nothing to do.
_SAME = frozenset(
    (
        *("detach.default", "alias.default", "contiguous.default", "lift_fresh.default"),
        *("dropout.default", "feature_dropout.default", "alpha_dropout.default", "feature_alpha_dropout.default"),
        *(
            "to.dtype",
            "to.dtype_layout",
            "to.device",
            "to.other",
            "type_as.default",
            "float.default",
            "positive.default",
        ),
    )
)
UNCHANGED = frozenset(op for op in _SAME if "." in op and not op.startswith("to."))
"""Ops whose forms in place write nothing: ``detach_``, ``dropout_`` in evaluation mode."""
MOVES = frozenset(_VIEWS)
"""Ops whose forms in place change the shape of a tensor, not what it holds."""
