"""What is accumulated or put by places: running extremes and products, scatters that leave out what is there, diagonals
beside the main one, elements under a mask."""

from __future__ import annotations

from math import inf

import numpy as np

from irconv.errors import Refused
from irconv.frameworks.torch.aten.formulas import Sum, formula
from irconv.frameworks.torch.aten.program import Call, Handler, ProgramReader
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.layers.arithmetic import CumSum, Div, Maximum, Sub
from irconv.ir.layers.base import Layer, broadcast
from irconv.ir.layers.comparisons import Cast, Less, Or, Where
from irconv.ir.layers.elementwise import Abs, Neg, Reciprocal
from irconv.ir.layers.indexing import ArgMax, Gather, ScatterElements
from irconv.ir.layers.ranges import written_out
from irconv.ir.layers.running import CumProd
from irconv.ir.layers.shape_ops import Expand, Full, Unsqueeze
from irconv.ir.layers.tensor_ops import Concat, Mul, Pad, Reduce, Reshape, Transpose
from irconv.ir.shapes import size_product


def _running_product(reader: ProgramReader, call: Call) -> None:
    axis = call.arguments["dim"] % len(reader.shape(call.arguments["self"]))
    value = reader.value(call.arguments["self"])
    dtype = reader.importer.type_of(value).dtype
    value = reader.cast(call, value, call.get("dtype") or ("int64" if "float" not in dtype else dtype), "typed")
    reader.place(call, CumProd(axis=axis, exclusive=False, reverse=False), x=value)


def _running_extreme(largest: bool) -> Handler:
    """``cummax`` and ``cummin``: for each place the best up to it, and where the last of these stands."""

    def read(reader: ProgramReader, call: Call) -> None:
        f = Sum(reader, call)
        value = f.value("self")
        dtype, shape = reader.importer.type_of(value)
        axis = call.arguments["dim"] % len(shape)
        signed = value if largest else f(Neg(), value)
        rows = _triangle(f, signed, axis, -inf if "float" in dtype else int(np.iinfo(numpy_dtype(dtype)).min))
        best = f(Reduce(op="max", axes=(axis + 1,), keepdims=False), rows)
        made = {0: best if largest else f(Neg(), best)}
        made[1] = f(ArgMax(axis=axis + 1, keepdims=False, ties="last"), rows)
        reader.values |= {name: made[place] for place, name in enumerate(call.outputs) if name}

    return read


def _running_sum_of_powers(reader: ProgramReader, call: Call) -> None:
    """``logcumsumexp``: for each place the logarithm of the sum of the powers up to it."""
    f = Sum(reader, call)
    value = f.value("self")
    axis = call.arguments["dim"] % len(reader.importer.type_of(value).shape)
    rows = _triangle(f, value, axis, -inf)
    f.ends(Reduce(op="log_sum_exp", axes=(axis + 1,), keepdims=False), rows)


def _triangle(f: Sum, value: str, axis: int, rest: float) -> str:
    """In front of an axis one more, for each of its places: the elements up to it, and `rest` behind."""
    reader, call = f.reader, f.call
    shape = reader.importer.type_of(value).shape
    size = shape[axis]
    if not isinstance(size, int):
        raise Refused(call.where, f"goes along an axis of {size}, whose length is not known")
    written_out(size * size, f"a triangle of {size} rows")
    over = np.tril(np.ones((size, size), bool)).reshape(size, size, *(1,) * (len(shape) - axis - 1))
    reached = reader.importer.constant(f"{call.outputs[0]}/reached", over)
    return f(Where(), reached, f(Unsqueeze(axes=(axis,)), value), f.number(rest, value))


def _with_sign(f: Sum, call: Call) -> None:
    """``copysign``: the sign of a zero counts."""
    value, other = f.value("self"), call.arguments["other"]
    size = f(Abs(), value)
    if isinstance(other, int | float):
        f.ends(Neg() if str(float(other)).startswith("-") else Abs(), size)
        return
    sign = f.value("other")
    zero = f.number(0, sign)
    negative = f(Or(), f(Less(), sign, zero), f(Less(), f(Reciprocal(), sign), zero))
    f.ends(Where(), negative, f(Neg(), size), size)


_NEUTRAL = {"add": 0.0, "mul": 1.0, "max": -inf, "min": inf}


def start(reader: ProgramReader, call: Call, kind: str, axis: int, value: str, indices: str) -> str:
    """What a scatter starts with that leaves out what is there: there stands what changes nothing."""
    dtype = reader.importer.type_of(value).dtype
    number = _NEUTRAL[kind]
    if "float" not in dtype:
        limits = np.iinfo(numpy_dtype(dtype))
        number = int(min(max(number, limits.min), limits.max))
    shape = reader.importer.type_of(indices).shape
    cleared = reader.place(call, Full(shape=shape, value=number, dtype=dtype), "cleared")
    put = ScatterElements(axis=axis, reduction="none")
    return reader.place(call, put, "start", x=value, indices=indices, updates=cleared)


def mean(reader: ProgramReader, call: Call, axis: int, value: str, indices: str, updates: str, whole: bool) -> None:
    """The mean of what a scatter puts at each place, and of what is there where `whole`."""
    f = Sum(reader, call)
    dtype, shape = reader.importer.type_of(value)
    if "float" not in dtype:
        raise Refused(call.where, f"takes means of {dtype}, which irconv does not read")
    add = ScatterElements(axis=axis, reduction="add")
    begin = value if whole else start(reader, call, "add", axis, value, indices)
    total = reader.place(call, add, "total", x=begin, indices=indices, updates=updates)
    counted = reader.place(call, Full(shape=shape, value=1.0 if whole else 0.0, dtype=dtype), "uncounted")
    ones = reader.place(call, Full(shape=reader.importer.type_of(indices).shape, value=1.0, dtype=dtype), "ones")
    counted = reader.place(call, add, "counted", x=counted, indices=indices, updates=ones)
    f.ends(Div(), total, f(Maximum(), counted, f.number(1, counted)))


def _under_mask(reader: ProgramReader, call: Call) -> None:
    """``masked_scatter``: the first elements of a source, one after the other."""
    f = Sum(reader, call)
    value, mask, source = (f.value(name) for name in ("self", "mask", "source"))
    shape = broadcast([reader.importer.type_of(part).shape for part in (value, mask)])

    def flat(part: str) -> str:
        wide = reader.importer.type_of(part).shape
        return f(Reshape(shape=(size_product(wide).dimension,)), part)

    mask = f(Expand(shape=shape), mask)
    kept = f(Cast(dtype="int64"), flat(mask))
    places = f(CumSum(axis=0, exclusive=False, reverse=False), kept)
    places = f(Maximum(), f(Sub(), places, f.number(1, places)), f.number(0, places))
    taken = reader.place(call, Gather(axis=0), "taken", x=flat(source), indices=places)
    f.ends(Where(), mask, f(Reshape(shape=shape), taken), value)


def _on_diagonal(reader: ProgramReader, call: Call) -> None:
    """``diag_embed``: the last axis becomes a diagonal, also one beside the main one, of two axes."""
    value = reader.value(call.arguments["self"])
    dtype, shape = reader.importer.type_of(value)
    size, rank, offset = shape[-1], len(shape) + 1, call.get("offset", 0)
    first, second = (axis % rank for axis in (call.get("dim1", -2), call.get("dim2", -1)))
    if not isinstance(size, int):
        raise Refused(call.where, f"makes a diagonal of {size} elements, whose number is not known")
    whole = size + abs(offset)
    written_out(whole * whole, f"a diagonal of {whole} elements")
    if offset:
        pads = ((0, 0),) * (rank - 2) + ((0, offset) if offset > 0 else (-offset, 0),)
        value = reader.place(call, Pad(pads=pads, mode="constant", value=0.0), "longer", x=value)
    there = reader.importer.constant(f"{call.outputs[0]}/diagonal", np.eye(whole, k=offset, dtype=bool))
    rows = reader.place(call, Unsqueeze(axes=(rank - 1,)), "rows", x=value)
    zero = reader.number(call, 0, dtype, "zero")
    turned = (first, second) != (rank - 2, rank - 1)
    made = reader.place(call, Where(), "last" if turned else "", condition=there, x0=rows, x1=zero)
    if turned:
        others = iter(range(rank - 2))
        order = [{first: rank - 2, second: rank - 1}.get(axis, -1) for axis in range(rank)]
        reader.place(call, Transpose(permutation=tuple(next(others) if a < 0 else a for a in order)), x=made)


def _blocks(reader: ProgramReader, call: Call) -> None:
    """``block_diag``: matrices along the diagonal of one that is zero elsewhere."""
    parts = [reader.value(part) for part in call.arguments["tensors"]]
    shapes = [reader.importer.type_of(part).shape for part in parts]
    if any(len(shape) != 2 for shape in shapes):
        raise Refused(call.where, f"puts values of the shapes {shapes} on a diagonal, irconv reads matrices")
    width = sum((int(shape[1]) for shape in shapes), 0)
    rows, before = [], 0
    for place, (part, shape) in enumerate(zip(parts, shapes, strict=True)):
        after = width - before - int(shape[1])
        pad: Layer = Pad(pads=((0, 0), (before, after)), mode="constant", value=0.0)
        rows.append(reader.place(call, pad, f"block{place}", x=part))
        before += int(shape[1])
    reader.place(call, Concat(axis=0), **{f"x{place}": row for place, row in enumerate(rows)})


def _with_axes(count: int) -> Handler:
    """``atleast_1d`` to ``atleast_3d``: axes of length 1 until there are so many."""

    def read(reader: ProgramReader, call: Call) -> None:
        value = reader.value(call.arguments["self"])
        rank = len(reader.importer.type_of(value).shape)
        if rank >= count:
            reader.values[call.outputs[0]] = value
            return
        axes = {(0, 3): (0, 1, 2), (1, 3): (0, 2), (2, 3): (2,)}.get((rank, count), tuple(range(count - rank)))
        reader.place(call, Unsqueeze(axes=axes), x=value)

    return read


def scaled(reader: ProgramReader, call: Call, updates: str) -> str:
    """What ``index_add`` adds, times its factor."""
    factor = call.get("alpha", 1)
    if factor == 1:
        return updates
    number = reader.number(call, factor, reader.importer.type_of(updates).dtype, "alpha")
    return reader.place(call, Mul(), "scaled", x0=updates, x1=number)


HANDLERS: dict[str, Handler] = {
    "cumprod.default": _running_product,
    "cummax.default": _running_extreme(True),
    "cummin.default": _running_extreme(False),
    "logcumsumexp.default": _running_sum_of_powers,
    **dict.fromkeys(("copysign.Tensor", "copysign.Scalar"), formula(_with_sign)),
    "masked_scatter.default": _under_mask,
    "diag_embed.default": _on_diagonal,
    "block_diag.default": _blocks,
    **{f"atleast_{count}d.default": _with_axes(count) for count in (1, 2, 3)},
}
