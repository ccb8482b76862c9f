"""What is put into tensors: numbers, copies, fillings, and elements at indices or where a mask holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from irconv.errors import Refused
from irconv.frameworks.torch.aten.program import Call, Handler, ProgramReader
from irconv.frameworks.torch.aten.spelling import Tensor
from irconv.frameworks.torch.aten.views import put
from irconv.ir.known import numeric
from irconv.ir.layers.base import broadcast
from irconv.ir.layers.comparisons import Where
from irconv.ir.layers.indexing import Combination, ScatterND
from irconv.ir.layers.shape_ops import Expand, Full, Unsqueeze
from irconv.ir.layers.slicing import Stack
from irconv.ir.layers.tensor_ops import Transpose
from irconv.ir.shapes import Shape


def _fitted(reader: ProgramReader, call: Call, value: str, shape: Shape, dtype: str, suffix: str) -> str:
    """A value in the element type and shape of what it is put into."""
    value = reader.cast(call, value, dtype, f"{suffix}/typed")
    if reader.importer.type_of(value).shape == shape:
        return value
    return reader.place(call, Expand(shape=shape), f"{suffix}/spread", x=value)


def _copied(reader: ProgramReader, call: Call) -> None:
    dtype, shape = reader.type_of(call.arguments["self"])
    reader.gives(call, _fitted(reader, call, reader.value(call.arguments["src"]), shape, dtype, "source"))


def _filled(reader: ProgramReader, call: Call) -> None:
    dtype, shape = reader.type_of(call.arguments["self"])
    given = call.get("value", 0)
    if isinstance(given, Tensor):
        value = reader.value(given)
        known = reader.importer.known(value)
        if known is None or not numeric(known):
            reader.gives(call, _fitted(reader, call, value, shape, dtype, "value"))
            return
        given = known.item()
    number = bool(given) if dtype == "bool" else float(given) if "float" in dtype else int(given)
    reader.place(call, Full(shape=shape, value=number, dtype=dtype))


def _single(reader: ProgramReader, call: Call) -> None:
    """A number as a tensor without axes."""
    dtype = call.get("dtype", "float32")
    reader.gives(call, reader.number(call, call.arguments["s"], dtype, "number"))


def _put(reader: ProgramReader, call: Call) -> None:
    """``self[indices] = values``."""
    indices = call.arguments["indices"]
    given = [axis for axis, index in enumerate(indices) if index is not None]
    indices = [_known_places(reader, call, index) for index in indices]
    call = replace(call, arguments={**call.arguments, "indices": indices})
    masks = [axis for axis in given if reader.type_of(indices[axis]).dtype == "bool"]
    if len(given) == 1 and masks:
        _put_where(reader, call, masks[0])
    elif not masks:
        _put_at(reader, call, given)
    else:
        what = f"writes to indices of axes {given}, {len(masks)} of them masks, which irconv does not follow"
        raise Refused(call.where, what)


def _known_places(reader: ProgramReader, call: Call, index: Tensor | None) -> Tensor | None:
    """An index in the place of a mask of one axis whose values are known."""
    if index is None or reader.type_of(index).dtype != "bool" or len(reader.shape(index)) != 1:
        return index
    known = reader.importer.known(reader.value(index))
    if known is None:
        return index
    name = f"{call.outputs[0]}/places of {index.name}"
    reader.values[name] = reader.importer.constant(name, np.flatnonzero(known).astype(np.int64))
    return Tensor(name)


def _put_where(reader: ProgramReader, call: Call, axis: int) -> None:
    """A mask over one or several axes, from `axis` on."""
    tensor, mask = call.arguments["self"], reader.value(call.arguments["indices"][axis])
    dtype, shape = reader.type_of(tensor)
    covered = len(reader.importer.type_of(mask).shape)
    after = len(shape) - axis - covered
    values = call.arguments["values"]
    value = reader.value(values)
    if values.name in reader.masked:
        if reader.masked[values.name] != (mask, axis):
            raise Refused(call.where, "writes elements that were taken by another mask, which irconv does not follow")
    elif len(_trimmed(reader.importer.type_of(value).shape)) > after:
        what = f"writes {reader.importer.type_of(value).shape} where a mask holds: one value for each place"
        raise Refused(call.where, f"{what}, which irconv does not follow")
    if after:
        mask = reader.place(call, Unsqueeze(axes=tuple(range(covered, covered + after))), "mask", x=mask)
    value, old = reader.cast(call, value, dtype, "typed"), reader.value(tensor)
    if call.get("accumulate"):
        raise Refused(call.where, "adds to elements where a mask holds, which irconv does not follow")
    reader.place(call, Where(), condition=mask, x0=value, x1=old)


def _trimmed(shape: Shape) -> Shape:
    """A shape without the axes in front that broadcast."""
    while shape and shape[0] == 1:
        shape = shape[1:]
    return shape


def _put_at(reader: ProgramReader, call: Call, axes: list[int]) -> None:
    """Places named by one index for each of some axes; values have the new axes where those were, or first where they
    are not neighbours."""
    tensor, indices = call.arguments["self"], [reader.value(call.arguments["indices"][axis]) for axis in axes]
    dtype, shape = reader.type_of(tensor)
    named = broadcast([reader.importer.type_of(index).shape for index in indices])
    indices = [
        _fitted(reader, call, v, named, reader.importer.type_of(v).dtype, f"index{i}") for i, v in enumerate(indices)
    ]
    rest = [axis for axis in range(len(shape)) if axis not in axes]
    first = axes[0] if axes == list(range(axes[0], axes[0] + len(axes))) else 0
    sizes = [shape[axis] for axis in rest]
    value = reader.value(call.arguments["values"])
    value = _fitted(reader, call, value, (*sizes[:first], *named, *sizes[first:]), dtype, "values")
    old, order, count = reader.value(tensor), (*axes, *rest), len(named)
    if first:
        turn = (*range(first, first + count), *range(first), *range(first + count, count + len(rest)))
        value = reader.place(call, Transpose(permutation=turn), "values/first", x=value)
    moved = order != tuple(range(len(shape)))
    if moved:
        old = reader.place(call, Transpose(permutation=order), "first", x=old)
    places = reader.place(call, Stack(axis=count), "places", **{f"x{i}": index for i, index in enumerate(indices)})
    reduction: Combination = "add" if call.get("accumulate") else "none"
    layer = ScatterND(reduction=reduction)
    made = reader.place(call, layer, "put" if moved else "", x=old, indices=places, updates=value)
    if moved:
        back = tuple(int(axis) for axis in np.argsort(order))
        reader.place(call, Transpose(permutation=back), x=made)


HANDLERS: dict[str, Handler] = {
    "scalar_tensor.default": _single,
    "copy.default": _copied,
    "fill.Scalar": _filled,
    "fill.Tensor": _filled,
    "zero.default": _filled,
    "index_put.default": _put,
    "slice_scatter.default": put("slice.Tensor", "src"),
    "select_scatter.default": put("select.int", "src"),
}
