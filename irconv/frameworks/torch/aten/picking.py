"""Elements by their places: indices, orders, extremes, windows of one axis, and what is scattered."""

from __future__ import annotations

from typing import Any

import numpy as np

from irconv.errors import Refused
from irconv.frameworks.torch.aten import accumulating
from irconv.frameworks.torch.aten.elementwise import axes_of
from irconv.frameworks.torch.aten.masks import choose
from irconv.frameworks.torch.aten.program import Call, Handler, ProgramReader
from irconv.frameworks.torch.aten.spelling import Tensor
from irconv.ir.known import numeric
from irconv.ir.layers.base import broadcast
from irconv.ir.layers.comparisons import Cast, Equal
from irconv.ir.layers.indexing import (
    ArgMax,
    ArgMin,
    Combination,
    Gather,
    GatherElements,
    GatherND,
    ScatterElements,
    ScatterND,
    Sort,
    TopK,
)
from irconv.ir.layers.shape_ops import Expand, Full, Range, Unsqueeze
from irconv.ir.layers.slicing import Slice, Stack
from irconv.ir.layers.tensor_ops import Reduce, Reshape, Transpose
from irconv.ir.shapes import Shape, size_product


def _indexed(reader: ProgramReader, call: Call) -> None:
    """Indices along axes; or one mask, whose elements may be changed and put back."""
    value = reader.value(call.arguments["self"])
    given = [(axis, index) for axis, index in enumerate(call.arguments["indices"]) if index is not None]
    masks = [index for _, index in given if reader.type_of(index).dtype == "bool"]
    if masks and len(given) > 1:
        raise Refused(call.where, "takes elements by a mask and indices at once, which irconv does not read")
    axes, indices = [axis for axis, _ in given], [reader.value(index) for _, index in given]
    if masks:
        choose(reader, call, value, axes[0], indices[0])
    elif len(given) == 1:
        _taken(reader, call, value, axes[0], indices[0])
    elif not _apart(reader, call, value, axes, indices):
        _at_places(reader, call, value, axes, indices)


def _taken(reader: ProgramReader, call: Call, value: str, axis: int, index: str, suffix: str = "") -> str:
    """Elements of one axis; all of them in their order are the value itself, with the axes that the index has."""
    known, named = reader.importer.known(index), reader.importer.type_of(index).shape
    shape = reader.importer.type_of(value).shape
    whole = known is not None and numeric(known) and known.size == shape[axis] and sum(n != 1 for n in named) <= 1
    if known is None or not whole or not np.array_equal(known.reshape(-1), np.arange(known.size)):
        return reader.place(call, Gather(axis=axis), suffix, x=value, indices=index)
    if len(named) != 1:
        return reader.place(call, Reshape(shape=(*shape[:axis], *named, *shape[axis + 1 :])), suffix, x=value)
    if not suffix:
        reader.gives(call, value)
    return value


def _apart(reader: ProgramReader, call: Call, value: str, axes: list[int], indices: list[str]) -> bool:
    """Indices that have axes of their own, in order, as ``x[rows[:, None], columns]``: one axis after the other."""
    if axes != list(range(axes[0], axes[0] + len(axes))):
        return False
    shapes = [reader.importer.type_of(index).shape for index in indices]
    rank = max(map(len, shapes))
    wide = [(*(1,) * (rank - len(shape)), *shape) for shape in shapes]
    starts, place = [], 0
    for shape in wide:
        own = [axis for axis, size in enumerate(shape) if size != 1]
        if own and own[0] < place:
            return False
        starts.append(place)
        place = own[-1] + 1 if own else place
    ends = [*starts[1:], rank]
    for shape, start, end in zip(wide, starts, ends, strict=True):
        if any(size != 1 for axis, size in enumerate(shape) if not start <= axis < end):
            return False
    for number, (axis, index, shape) in reversed(list(enumerate(zip(axes, indices, wide, strict=True)))):
        part = shape[starts[number] : ends[number]]
        alone = reader.place(call, Reshape(shape=part), f"index{number}", x=index)
        value = _taken(reader, call, value, axis, alone, f"along{axis}" if number else "")
    return True


def _at_places(reader: ProgramReader, call: Call, value: str, axes: list[int], indices: list[str]) -> None:
    """Places named by one index for each of several axes; new axes stand where those were, or first where they are
    not neighbours."""
    shape = reader.importer.type_of(value).shape
    named = broadcast([reader.importer.type_of(index).shape for index in indices])
    spread = [_spread(reader, call, index, named, f"index{i}") for i, index in enumerate(indices)]
    rest = [axis for axis in range(len(shape)) if axis not in axes]
    if axes != list(range(len(axes))):
        value = reader.place(call, Transpose(permutation=(*axes, *rest)), "places first", x=value)
    stacked = {f"x{i}": index for i, index in enumerate(spread)}
    places = reader.place(call, Stack(axis=len(named)), "places", **stacked)
    first, count = axes[0], len(named)
    if first == 0 or axes != list(range(first, first + len(axes))):
        reader.place(call, GatherND(batch_axes=0), x=value, indices=places)
        return
    found = reader.place(call, GatherND(batch_axes=0), "found", x=value, indices=places)
    order = (*range(count, count + first), *range(count), *range(count + first, count + len(rest)))
    reader.place(call, Transpose(permutation=order), x=found)


def _spread(reader: ProgramReader, call: Call, value: str, shape: Shape, suffix: str) -> str:
    if reader.importer.type_of(value).shape == shape:
        return value
    return reader.place(call, Expand(shape=shape), suffix, x=value)


def _index_select(reader: ProgramReader, call: Call) -> None:
    axis = call.arguments["dim"] % len(reader.shape(call.arguments["self"]))
    value, indices = (reader.value(call.arguments[name]) for name in ("self", "index"))
    reader.place(call, Gather(axis=axis), x=value, indices=indices)


def _gathered(reader: ProgramReader, call: Call) -> None:
    """Indices may have fewer elements along the other axes."""
    shape, wanted = reader.shape(call.arguments["self"]), reader.shape(call.arguments["index"])
    axis = call.arguments["dim"] % len(shape)
    value, indices = (reader.value(call.arguments[name]) for name in ("self", "index"))
    cut = [i for i, (has, wants) in enumerate(zip(shape, wanted, strict=True)) if i != axis and has != wants]
    if cut:
        layer = Slice(
            axes=tuple(cut), starts=(0,) * len(cut), ends=tuple(wanted[i] for i in cut), steps=(1,) * len(cut)
        )
        value = reader.place(call, layer, "part", x=value)
    reader.place(call, GatherElements(axis=axis), x=value, indices=indices)


def _taken_along(reader: ProgramReader, call: Call) -> None:
    """``take_along_dim``: shapes are broadcast but for the axis."""
    value, indices = reader.value(call.arguments["self"]), reader.value(call.arguments["indices"])
    if call.get("dim") is None:
        raise Refused(call.where, "takes indices into all elements, which irconv does not read")
    shape, wanted = (reader.importer.type_of(part).shape for part in (value, indices))
    axis = call.arguments["dim"] % len(shape)
    common = broadcast([(*shape[:axis], 1, *shape[axis + 1 :]), (*wanted[:axis], 1, *wanted[axis + 1 :])])
    value = _spread(reader, call, value, (*common[:axis], shape[axis], *common[axis + 1 :]), "spread")
    indices = _spread(reader, call, indices, (*common[:axis], wanted[axis], *common[axis + 1 :]), "indices")
    reader.place(call, GatherElements(axis=axis), x=value, indices=indices)


_COMBINED: dict[str, Combination] = {
    "sum": "add",
    "prod": "mul",
    "amax": "max",
    "amin": "min",
    "add": "add",
    "multiply": "mul",
}


def _scattered(combination: Combination) -> Handler:
    """``scatter``: a tensor or a number at the places that indices name along an axis."""

    def read(reader: ProgramReader, call: Call) -> None:
        how, word = combination, call.get("reduce")
        if word is not None:
            if word != "mean" and word not in _COMBINED:
                raise Refused(call.where, f"combines by {word}, which irconv does not read")
            how = _COMBINED.get(word, "add")
        shape = reader.shape(call.arguments["self"])
        dtype = reader.type_of(call.arguments["self"]).dtype
        axis, indices = call.arguments["dim"] % len(shape), reader.value(call.arguments["index"])
        wanted = reader.importer.type_of(indices).shape
        given = call.arguments.get("src", call.arguments.get("value"))
        if isinstance(given, Tensor):
            updates = reader.value(given)
            found = reader.importer.type_of(updates).shape
            if found != wanted:
                count = len(wanted)
                cut = Slice(axes=tuple(range(count)), starts=(0,) * count, ends=wanted, steps=(1,) * count)
                updates = reader.place(call, cut, "part", x=updates)
        else:
            number = bool(given) if dtype == "bool" else float(given) if "float" in dtype else int(given)
            updates = reader.place(call, Full(shape=wanted, value=number, dtype=dtype), "updates")
        value, whole = reader.value(call.arguments["self"]), bool(call.get("include_self", True))
        if word == "mean":
            accumulating.mean(reader, call, axis, value, indices, updates, whole)
            return
        value = value if whole else accumulating.start(reader, call, how, axis, value, indices)
        reader.place(call, ScatterElements(axis=axis, reduction=how), x=value, indices=indices, updates=updates)

    return read


def _put_along(combination: Combination) -> Handler:
    """``index_copy``, ``index_add`` and ``index_fill``: whole slices of an axis."""

    def read(reader: ProgramReader, call: Call) -> None:
        dtype, shape = reader.type_of(call.arguments["self"])
        axis, index = call.arguments["dim"] % len(shape), reader.value(call.arguments["index"])
        count = reader.importer.type_of(index).shape
        if len(count) != 1:
            raise Refused(call.where, f"puts slices at indices of shape {count}")
        if "source" in call.arguments:
            updates = accumulating.scaled(reader, call, reader.value(call.arguments["source"]))
        else:
            number = float(call.arguments["value"]) if "float" in dtype else int(call.arguments["value"])
            full = Full(shape=(*shape[:axis], *count, *shape[axis + 1 :]), value=number, dtype=dtype)
            updates = reader.place(call, full, "updates")
        value, order = reader.value(call.arguments["self"]), (axis, *(i for i in range(len(shape)) if i != axis))
        back = tuple(int(i) for i in np.argsort(order))
        if axis:
            value = reader.place(call, Transpose(permutation=order), "first", x=value)
            updates = reader.place(call, Transpose(permutation=order), "updates/first", x=updates)
        places = reader.place(call, Unsqueeze(axes=(1,)), "places", x=index)
        made = {"x": value, "indices": places, "updates": updates}
        put = reader.place(call, ScatterND(reduction=combination), "put" if axis else "", **made)
        if axis:
            reader.place(call, Transpose(permutation=back), x=put)

    return read


def _largest(reader: ProgramReader, call: Call) -> None:
    axis = call.get("dim", -1) % len(reader.shape(call.arguments["self"]))
    largest, ordered = bool(call.get("largest", True)), bool(call.get("sorted", True))
    layer = TopK(axis=axis, k=call.arguments["k"], largest=largest, sorted=ordered)
    reader.several(call, layer, x=reader.value(call.arguments["self"]))


def _sorted(indices_alone: bool) -> Handler:
    def read(reader: ProgramReader, call: Call) -> None:
        axis = call.get("dim", -1) % len(reader.shape(call.arguments["self"]))
        layer = Sort(axis=axis, descending=bool(call.get("descending", False)))
        value = reader.value(call.arguments["self"])
        if not indices_alone:
            reader.several(call, layer, x=value)
            return
        name = call.outputs[0]
        reader.importer.place(layer, {"x": value}, [f"{name}/values", name], name=name, where=call.where)
        reader.values[name] = name

    return read


def _extreme_of(how: Any, layer: type[ArgMax] | type[ArgMin]) -> Handler:
    """``max.dim``: the largest elements and where they are."""

    def read(reader: ProgramReader, call: Call) -> None:
        value, (axis,) = reader.value(call.arguments["self"]), axes_of(reader, call)
        keep = bool(call.get("keepdim", False))
        reader.place(call, Reduce(op=how, axes=(axis,), keepdims=keep), x=value)
        if len(call.outputs) > 1:
            name = call.outputs[1]
            found = layer(axis=axis, keepdims=keep, ties="first")
            reader.importer.place(found, {"x": value}, [name], name=name, where=call.where)
            reader.values[name] = name

    return read


def _place_of(layer: type[ArgMax] | type[ArgMin]) -> Handler:
    def read(reader: ProgramReader, call: Call) -> None:
        value, shape = reader.value(call.arguments["self"]), reader.shape(call.arguments["self"])
        if call.get("dim") is None:
            value = reader.place(call, Reshape(shape=(size_product(shape).dimension,)), "flat", x=value)
            found = layer(axis=0, keepdims=False, ties="first")
            if call.get("keepdim", False):
                found_there = reader.place(call, found, "place", x=value)
                reader.place(call, Reshape(shape=(1,) * len(shape)), x=found_there)
                return
            reader.place(call, found, x=value)
            return
        (axis,) = axes_of(reader, call)
        reader.place(call, layer(axis=axis, keepdims=bool(call.get("keepdim", False)), ties="first"), x=value)

    return read


def _one_hot(reader: ProgramReader, call: Call) -> None:
    depth = call.get("num_classes", -1)
    if not isinstance(depth, int) or depth < 1:
        raise Refused(call.where, "counts its classes by the values it is given", "Give num_classes.")
    value = reader.value(call.arguments["self"])
    rank = len(reader.importer.type_of(value).shape)
    apart = reader.place(call, Unsqueeze(axes=(rank,)), "apart", x=value)
    classes = reader.place(call, Range(start=0, limit=depth, step=1), "classes")
    same = reader.place(call, Equal(), "same", x0=reader.cast(call, apart, "int64", "typed"), x1=classes)
    reader.place(call, Cast(dtype="int64"), x=same)


def _windows(reader: ProgramReader, call: Call) -> None:
    """``Tensor.unfold``: windows along one axis, whose elements become the last axis."""
    shape = reader.shape(call.arguments["self"])
    axis = call.arguments["dimension"] % len(shape)
    size, step, whole = call.arguments["size"], call.arguments["step"], shape[axis]
    if not all(isinstance(n, int) for n in (size, step, whole)):
        raise Refused(call.where, f"takes windows along an axis of {whole}, whose count is not known")
    assert isinstance(whole, int)
    places = np.arange(0, whole - size + 1, step)[:, None] + np.arange(size)
    value = reader.value(call.arguments["self"])
    if size == step and whole % size == 0:
        value = reader.place(call, Reshape(shape=(*shape[:axis], *places.shape, *shape[axis + 1 :])), "cut", x=value)
    else:
        indices = reader.number(call, places, "int64", "places")
        value = reader.place(call, Gather(axis=axis), "windows", x=value, indices=indices)
    rank = len(shape) + 1
    order = (*(i for i in range(rank) if i != axis + 1), axis + 1)
    if axis + 1 == rank - 1:
        reader.gives(call, value)
    else:
        reader.place(call, Transpose(permutation=order), x=value)


HANDLERS: dict[str, Handler] = {
    "index.Tensor": _indexed,
    "index_select.default": _index_select,
    "gather.default": _gathered,
    "take_along_dim.default": _taken_along,
    **{f"scatter.{form}": _scattered("none") for form in ("src", "value", "reduce", "value_reduce")},
    "scatter_add.default": _scattered("add"),
    "scatter_reduce.two": _scattered("none"),
    "index_copy.default": _put_along("none"),
    "index_add.default": _put_along("add"),
    "index_fill.int_Scalar": _put_along("none"),
    "topk.default": _largest,
    "sort.default": _sorted(False),
    "sort.stable": _sorted(False),
    "argsort.default": _sorted(True),
    "argsort.stable": _sorted(True),
    "max.dim": _extreme_of("max", ArgMax),
    "min.dim": _extreme_of("min", ArgMin),
    "argmax.default": _place_of(ArgMax),
    "argmin.default": _place_of(ArgMin),
    "one_hot.default": _one_hot,
    "unfold.default": _windows,
}
