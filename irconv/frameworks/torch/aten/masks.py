"""Elements that a mask chooses: ``x[mask]``.

How many there are only the mask's values say. Ops of single elements are applied to all elements in their places, so
that what was taken, changed and put back (``x[mask] = f(x[mask])``) is a choice between two values. Where anything else
takes such elements, they become a value of their own, with a size that only running the model tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from irconv.frameworks.torch.aten.spelling import tensors_in
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.selection import Compress
from irconv.ir.layers.tensor_ops import Reshape
from irconv.ir.shapes import size_product

if TYPE_CHECKING:
    from irconv.frameworks.torch.aten.program import Call, ProgramReader


def choose(reader: ProgramReader, call: Call, value: str, axis: int, mask: str) -> None:
    """``value[:, ..., mask]``: at once where the mask is known, else when something asks for the elements."""
    known = reader.importer.known(mask)
    if known is None:
        reader.masked[call.outputs[0]] = (mask, axis)
        reader.gives(call, value)
        return
    places = np.flatnonzero(known).astype(np.int64)
    indices = reader.importer.constant(f"{call.outputs[0]}/places", places)
    flat = _flat(reader, call.outputs[0], value, axis, known.ndim, call.where)
    reader.place(call, Gather(axis=axis), x=flat, indices=indices)


def takes(reader: ProgramReader, call: Call) -> bool:
    """Apply an op of single elements to what a mask took, as to all elements in their places; false where the op takes
    no such elements as they are."""
    from irconv.frameworks.torch.aten.handlers import BY_ELEMENT

    taken = [name for name in tensors_in(call.arguments) if name in reader.masked]
    if not taken or (call.op == "index_put.default" and taken == [call.arguments["values"].name]):
        return False
    if call.op == "sym_size.int":
        return _counted(reader, call, taken[0])
    others = [name for name in tensors_in(call.arguments) if name not in reader.masked and reader.shape(name) != ()]
    masks = {reader.masked[name] for name in taken}
    if call.op not in BY_ELEMENT or others or len(masks) > 1:
        for name in taken:
            settle(reader, name, call.where)
        return False
    reader.run(call)
    (reader.masked[call.outputs[0]],) = masks
    return True


def settle(reader: ProgramReader, name: str, where: str) -> None:
    """Make what a mask took a value of its own, if it is none yet."""
    if name not in reader.masked:
        return
    (mask, axis), value = reader.masked.pop(name), reader.values[name]
    if mask not in reader.counts:
        reader.counts[mask] = reader.importer.counted(where)
    covered = len(reader.importer.type_of(mask).shape)
    flat = _flat(reader, name, value, axis, covered, where)
    condition = _flat(reader, f"{name}/mask", mask, 0, covered, where)
    layer, chosen = Compress(axis=axis, count=reader.counts[mask]), f"{name}/chosen"
    given = {"x": flat, "condition": condition}
    reader.values[name] = reader.importer.place(layer, given, [chosen], name=chosen, where=where)[0]


def _counted(reader: ProgramReader, call: Call, name: str) -> bool:
    """The size of what a mask took, which does not make it a value of its own yet."""
    mask, axis = reader.masked[name]
    covered, shape = len(reader.importer.type_of(mask).shape), reader.importer.type_of(reader.values[name]).shape
    if mask not in reader.counts:
        reader.counts[mask] = reader.importer.counted(call.where)
    sizes = (*shape[:axis], reader.counts[mask], *shape[axis + covered :])
    reader.sizes[call.outputs[0]] = sizes[call.arguments["dim"]]
    return True


def _flat(reader: ProgramReader, name: str, value: str, axis: int, covered: int, where: str) -> str:
    """A value with as many axes from one on as one."""
    shape = reader.importer.type_of(value).shape
    if covered == 1:
        return value
    flat = (*shape[:axis], size_product(shape[axis : axis + covered]).dimension, *shape[axis + covered :])
    made = f"{name}/flat"
    return reader.importer.place(Reshape(shape=flat), {"x": value}, [made], name=made, where=where)[0]
