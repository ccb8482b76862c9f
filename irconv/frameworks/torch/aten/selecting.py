"""What is chosen or counted by values: places, different elements, ranks, intervals; and tensors beside each other."""

from __future__ import annotations

from math import pi
from typing import Any

from irconv.errors import Refused
from irconv.frameworks.torch.aten.elementwise import axes_of
from irconv.frameworks.torch.aten.formulas import Sum, formula
from irconv.frameworks.torch.aten.masks import choose
from irconv.frameworks.torch.aten.program import Call, Handler, ProgramReader
from irconv.ir.layers.arithmetic import Div, Maximum, Minimum
from irconv.ir.layers.base import Layer, broadcast
from irconv.ir.layers.comparisons import Equal, Greater, GreaterOrEqual, NotEqual, Where
from irconv.ir.layers.elementwise import IsNaN, Sin, Sqrt, Square
from irconv.ir.layers.indexing import Gather, Sort
from irconv.ir.layers.selection import NonZero, Unique
from irconv.ir.layers.shape_ops import Expand, Unsqueeze
from irconv.ir.layers.slicing import Flip, Roll, Select, Unstack
from irconv.ir.layers.tensor_ops import Concat, Reduce, Reshape, Transpose
from irconv.ir.shapes import Shape, size_product


def _flat(reader: ProgramReader, call: Call, value: str, suffix: str) -> str:
    """A value with one axis."""
    shape = reader.importer.type_of(value).shape
    return value if len(shape) == 1 else reader.place(call, Reshape(shape=(_all(shape),)), suffix, x=value)


def _all(shape: Shape) -> Any:
    return size_product(shape).dimension


def _chosen(reader: ProgramReader, call: Call) -> None:
    """``masked_select``: of value and mask, spread over each other."""
    pair = [reader.value(call.arguments[name]) for name in ("self", "mask")]
    shape = broadcast([reader.importer.type_of(value).shape for value in pair])
    for place, name in enumerate(("all", "mask")):
        if reader.importer.type_of(pair[place]).shape != shape:
            pair[place] = reader.place(call, Expand(shape=shape), f"{name}/spread", x=pair[place])
        pair[place] = _flat(reader, call, pair[place], f"{name}/flat")
    choose(reader, call, pair[0], 0, pair[1])


def _places(reader: ProgramReader, call: Call) -> None:
    """``nonzero``: one row for each element that is not zero."""
    found = reader.place(call, _counting(reader, call), "places", x=reader.value(call.arguments["self"]))
    reader.place(call, Transpose(permutation=(1, 0)), x=found)


def _places_by_axis(reader: ProgramReader, call: Call) -> None:
    """``nonzero_numpy`` and ``where`` of a condition alone: a tensor of indices for each axis."""
    value = reader.value(call.arguments.get("self", call.arguments.get("condition")))
    found = reader.place(call, _counting(reader, call), "places", x=value)
    reader.several(call, Unstack(axis=0, count=len(call.outputs)), x=found)


def _counting(reader: ProgramReader, call: Call) -> NonZero:
    return NonZero(count=reader.importer.counted(call.where))


def _different(reader: ProgramReader, call: Call) -> None:
    """``unique``: the elements in order, where in them each element is, and how often each stands there."""
    if not call.get("sorted", True):
        raise Refused(call.where, "gives different elements in no order that is known", "Give sorted=True.")
    value, shape = reader.value(call.arguments["self"]), reader.shape(call.arguments["self"])
    name = call.outputs[0]
    results = [name, f"{name}/first", f"{name}/inverse", f"{name}/counts"]
    layer = Unique(axis=None, sorted=True, count=reader.importer.counted(call.where))
    reader.importer.place(layer, {"x": value}, results, name=name, where=call.where)
    reader.values[name] = name
    if len(call.outputs) > 1:
        inverse, made = Reshape(shape=shape), call.outputs[1]
        reader.importer.place(inverse, {"x": results[2]}, [made], name=made, where=call.where)
        reader.values[made] = made
    if len(call.outputs) > 2:
        reader.values[call.outputs[2]] = results[3]


def _ranked(reader: ProgramReader, call: Call) -> None:
    """``kthvalue`` and ``median``, the lower of two middle elements: of the elements in order."""
    value, shape = reader.value(call.arguments["self"]), reader.shape(call.arguments["self"])
    alone = "dim" not in call.arguments and call.op.startswith("median")
    if alone:
        value, shape = _flat(reader, call, value, "flat"), (_all(shape),)
    axis = 0 if alone else call.get("dim", -1) % len(shape)
    size = shape[axis]
    if not isinstance(size, int):
        raise Refused(call.where, f"takes a rank among {size} elements, whose number is not known")
    place = call.arguments["k"] - 1 if "k" in call.arguments else (size - 1) // 2
    name = call.outputs[0]
    sorted_, sources = [f"{name}/sorted", f"{name}/sources"], call.outputs[:2]
    reader.importer.place(
        Sort(axis=axis, descending=False), {"x": value}, sorted_, name=f"{name}/sort", where=call.where
    )
    keep = bool(call.get("keepdim", False))
    for result, found in zip(sources, sorted_, strict=False):
        steps: list[tuple[Layer, str]] = [(Select(axis=axis, index=place), f"{result}/one" if keep else result)]
        if keep:
            steps.append((Unsqueeze(axes=(axis,)), result))
        value = found
        for layer, made in steps:
            reader.importer.place(layer, {"x": value}, [made], name=made, where=call.where)
            value = made
        reader.values[result] = result


def _intervals(reader: ProgramReader, call: Call) -> None:
    """``bucketize`` and ``searchsorted``: how many bounds are below (with `right`: not above) each value."""
    bounds = reader.value(call.arguments.get("boundaries", call.arguments.get("sorted_sequence")))
    value = reader.value(call.arguments["self"])
    if call.get("sorter") is not None:
        raise Refused(call.where, "searches bounds in the order of a sorter, which irconv does not read")
    side = call.get("side")
    right = side == "right" if side is not None else bool(call.get("right", False))
    rank, beside = (len(reader.importer.type_of(one).shape) for one in (value, bounds))
    apart = reader.place(call, Unsqueeze(axes=(rank,)), "apart", x=value)
    if beside > 1:  # each row of values has bounds of its own
        bounds = reader.place(call, Unsqueeze(axes=(beside - 1,)), "bounds", x=bounds)
    passed = reader.place(call, GreaterOrEqual() if right else Greater(), "passed", x0=apart, x1=bounds)
    kind = "int32" if call.get("out_int32", False) else "int64"
    numbers = reader.cast(call, passed, kind, "ones")
    reader.place(call, Reduce(op="sum", axes=(rank,), keepdims=False), x=numbers)


def _counted(f: Sum, call: Call) -> None:
    """``count_nonzero``."""
    value, reader = f.value("self"), f.reader
    there = reader.cast(call, f(NotEqual(), value, f.number(0, value)), "int64", "ones")
    f.ends(Reduce(op="sum", axes=axes_of(reader, call), keepdims=False), there)


def _without_nan(mean: bool) -> Handler:
    def write(f: Sum, call: Call) -> None:
        value = f.value("self")
        kind, missing = f.reader.importer.type_of(value).dtype, f(IsNaN(), value)
        total = Reduce(op="sum", axes=axes_of(f.reader, call), keepdims=bool(call.get("keepdim", False)))
        kept = f(Where(), missing, f.number(0, value), value)
        if not mean:
            f.ends(total, kept)
            return
        ones = f(Where(), missing, f.number(0, value), f.number(1, value))
        assert f.reader.importer.type_of(ones).dtype == kind, "both numbers have the type of the value"
        f.ends(Div(), f(total, kept), f(total, ones))

    return formula(write)


def _ignoring_nan(layer: type[Maximum] | type[Minimum]) -> Handler:
    """``fmax`` and ``fmin``: the other value in the place of NaN."""

    def write(f: Sum, call: Call) -> None:
        left, right = f.reader.promoted(call, call.arguments["self"], call.arguments["other"])
        either = f(Where(), f(IsNaN(), right), left, f(layer(), left, right))
        f.ends(Where(), f(IsNaN(), left), right, either)

    return formula(write)


def _step(f: Sum, call: Call) -> None:
    """``heaviside``: 0 below zero, 1 above, `values` at zero."""
    value, at_zero = f.reader.promoted(call, call.arguments["self"], call.arguments["values"])
    zero, kind = f.number(0, value), f.reader.importer.type_of(value).dtype
    step = f.reader.cast(call, f(Greater(), value, zero), kind, "step")
    f.ends(Where(), f(Equal(), value, zero), at_zero, step)


def _sinc(f: Sum, call: Call) -> None:
    """``sin(pi x) / (pi x)``, 1 at zero."""
    value = f.value("self")
    turns, zero, one = f.scaled(value, pi), f.number(0, value), f.number(1, value)
    at_zero = f(Equal(), value, zero)
    f.ends(Where(), at_zero, one, f(Div(), f(Sin(), turns), f(Where(), at_zero, one, turns)))


def _frobenius(f: Sum, call: Call) -> None:
    """``linalg.matrix_norm`` of order ``fro``: the root of the sum of squares."""
    if call.get("ord", "fro") != "fro":
        raise Refused(call.where, f"is the matrix norm of order {call.arguments['ord']}, which irconv does not read")
    rank = len(f.reader.shape(call.arguments["self"]))
    axes = tuple(sorted(axis % rank for axis in call.get("dim", [-2, -1])))
    total = Reduce(op="sum", axes=axes, keepdims=bool(call.get("keepdim", False)))
    f.ends(Sqrt(), f(total, f(Square(), f.value("self"))))


def _beside(least: int, axis: int) -> Handler:
    """``hstack``, ``vstack``, ``dstack`` and ``column_stack``: joined along an axis, with axes added up to `least`."""

    def read(reader: ProgramReader, call: Call) -> None:
        values, tensors = [], call.arguments["tensors"]
        for place, (tensor, value) in enumerate(zip(tensors, reader.promoted(call, *tensors), strict=True)):
            shape = reader.shape(tensor)
            wide = _widened(shape, least, call.op.startswith("column"))
            values.append(value if wide == shape else reader.place(call, Reshape(shape=wide), f"part{place}", x=value))
        rank = len(reader.importer.type_of(values[0]).shape)
        given = {f"x{i}": value for i, value in enumerate(values)}
        reader.place(call, Concat(axis=min(axis, rank - 1)), **given)

    return read


def _widened(shape: Shape, least: int, columns: bool) -> Shape:
    """A shape with at least so many axes, as PyTorch adds them: rows in front, depths behind."""
    if len(shape) == 0:
        return (1,) * least
    if len(shape) == 1 and least > 1:
        return (*shape, 1) if columns else (1, *shape, *(1,) * (least - 2))
    return (*shape, *(1,) * (least - len(shape)))


def _turned(reader: ProgramReader, call: Call) -> None:
    """``rot90``: k quarter turns from the first axis towards the second."""
    value, rank = reader.value(call.arguments["self"]), len(reader.shape(call.arguments["self"]))
    first, second = (axis % rank for axis in call.get("dims", [0, 1]))
    turns = call.get("k", 1) % 4
    if turns == 0:
        reader.gives(call, value)
        return
    if turns == 2:
        reader.place(call, Flip(axes=tuple(sorted((first, second)))), x=value)
        return
    order = list(range(rank))
    order[first], order[second] = second, first
    flipped = reader.place(call, Flip(axes=(second if turns == 1 else first,)), "flipped", x=value)
    reader.place(call, Transpose(permutation=tuple(order)), x=flipped)


def _rolled_flat(reader: ProgramReader, call: Call) -> None:
    """``roll``: without axes the elements of all of them, as one."""
    value, shape = reader.value(call.arguments["self"]), reader.shape(call.arguments["self"])
    rank = len(shape)
    if axes := tuple(axis % rank for axis in call.get("dims", [])):
        reader.place(call, Roll(axes=axes, shifts=tuple(call.arguments["shifts"])), x=value)
        return
    flat = _flat(reader, call, value, "flat")
    rolled = reader.place(call, Roll(axes=(0,), shifts=tuple(call.arguments["shifts"])), "rolled", x=flat)
    reader.place(call, Reshape(shape=shape), x=rolled)


def _taken_flat(reader: ProgramReader, call: Call) -> None:
    """``take``: by places in all elements as one."""
    flat = _flat(reader, call, reader.value(call.arguments["self"]), "flat")
    reader.place(call, Gather(axis=0), x=flat, indices=reader.value(call.arguments["index"]))


HANDLERS: dict[str, Handler] = {
    "masked_select.default": _chosen,
    "nonzero.default": _places,
    "argwhere.default": _places,
    "nonzero_numpy.default": _places_by_axis,
    "where.default": _places_by_axis,
    "_unique2.default": _different,
    "kthvalue.default": _ranked,
    "median.dim": _ranked,
    "median.default": _ranked,
    "bucketize.Tensor": _intervals,
    "searchsorted.Tensor": _intervals,
    "count_nonzero.default": formula(_counted),
    "count_nonzero.dim_IntList": formula(_counted),
    "nansum.default": _without_nan(False),
    "nanmean.default": _without_nan(True),
    "fmax.default": _ignoring_nan(Maximum),
    "fmin.default": _ignoring_nan(Minimum),
    "heaviside.default": formula(_step),
    "sinc.default": formula(_sinc),
    "linalg_matrix_norm.str_ord": formula(_frobenius),
    "hstack.default": _beside(1, 1),
    "vstack.default": _beside(2, 0),
    "dstack.default": _beside(3, 2),
    "column_stack.default": _beside(2, 1),
    "rot90.default": _turned,
    "roll.default": _rolled_flat,
    "take.default": _taken_flat,
}
