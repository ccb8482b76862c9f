"""Products of vectors and matrices that PyTorch has a name for, and integers whose bits are moved."""

from __future__ import annotations

from math import inf
from typing import Any

from irconv.errors import Refused
from irconv.frameworks.torch.aten.formulas import Sum, formula
from irconv.frameworks.torch.aten.program import Call, Handler, ProgramReader
from irconv.frameworks.torch.aten.spelling import Tensor
from irconv.ir.layers.arithmetic import FloorDiv, Pow, Sub
from irconv.ir.layers.base import broadcast
from irconv.ir.layers.comparisons import NotEqual
from irconv.ir.layers.elementwise import Abs, Sqrt, Square
from irconv.ir.layers.matrix import Determinant, Einsum, MatMul
from irconv.ir.layers.slicing import Roll, Slice
from irconv.ir.layers.tensor_ops import Mul, Reduce, Reshape
from irconv.ir.shapes import Size

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _crossed(f: Sum, call: Call) -> None:
    """``a x b = (a << 1) (b << 2) - (a << 2) (b << 1)``, turned along an axis of 3."""
    left, right = f.value("self"), f.value("other")
    shape = broadcast([f.reader.importer.type_of(value).shape for value in (left, right)])
    axis = call.get("dim")
    if axis is None and call.op.startswith("cross"):
        axis = next((place for place, size in enumerate(shape) if size == 3), None)
    axis = (-1 if axis is None else axis) % len(shape)
    if any(f.reader.importer.type_of(value).shape[axis] != 3 for value in (left, right)):
        raise Refused(call.where, f"takes vectors of 3 elements along axis {axis}, got {shape}")
    once, twice = Roll(axes=(axis,), shifts=(-1,)), Roll(axes=(axis,), shifts=(-2,))
    first = f(Mul(), f(once, left), f(twice, right))
    f.ends(Sub(), first, f(Mul(), f(twice, left), f(once, right)))


def _apart(f: Sum, call: Call) -> None:
    """``dist``: the norm of the difference of all elements."""
    left, right = f.reader.promoted(call, call.arguments["self"], call.arguments["other"])
    apart, order = f(Sub(), left, right), call.get("p", 2)
    axes = tuple(range(len(f.reader.importer.type_of(apart).shape)))
    if not axes:
        raise Refused(call.where, "is the distance of two single numbers, which irconv does not read")
    if order in (inf, -inf, 1):
        how: Any = {inf: "max", -inf: "min", 1: "sum"}[order]
        f.ends(Reduce(op=how, axes=axes, keepdims=False), f(Abs(), apart))
    elif order == 2:
        f.ends(Sqrt(), f(Reduce(op="sum", axes=axes, keepdims=False), f(Square(), apart)))
    elif order == 0:
        kind = f.reader.importer.type_of(apart).dtype
        ones = f.reader.cast(call, f(NotEqual(), apart, f.number(0, apart)), kind, "ones")
        f.ends(Reduce(op="sum", axes=axes, keepdims=False), ones)
    else:
        total = f(Reduce(op="sum", axes=axes, keepdims=False), f(Pow(), f(Abs(), apart), f.number(order, apart)))
        f.ends(Pow(), total, f.number(1 / order, total))


def _over_axes(reader: ProgramReader, call: Call) -> None:
    """``tensordot``: the sum over pairs of axes; the other axes of both stand in their order."""
    left, right = (reader.value(call.arguments[name]) for name in ("self", "other"))
    ranks = [len(reader.importer.type_of(value).shape) for value in (left, right)]
    pairs = list(zip(call.arguments["dims_self"], call.arguments["dims_other"], strict=True))
    if sum(ranks) > len(_LETTERS):
        raise Refused(call.where, f"multiplies tensors of {ranks} axes, which irconv does not read")
    first, second = list(_LETTERS[: ranks[0]]), list(_LETTERS[ranks[0] : sum(ranks)])
    for one, other in pairs:
        second[other % ranks[1]] = first[one % ranks[0]]
    summed = {first[one % ranks[0]] for one, _ in pairs}
    kept = [letter for letter in (*first, *second) if letter not in summed]
    equation = f"{''.join(first)},{''.join(second)}->{''.join(kept)}"
    reader.place(call, Einsum(equation=equation), x0=left, x1=right)


def _every_pair(reader: ProgramReader, call: Call) -> None:
    """``kron``: every element of the first times the whole second, in its place."""
    values, shapes = [], []
    for name in ("self", "other"):
        values.append(reader.value(call.arguments[name]))
        shapes.append(reader.importer.type_of(values[-1]).shape)
    rank = max(map(len, shapes))
    wide = [(*(1,) * (rank - len(shape)), *shape) for shape in shapes]
    outer = tuple(size for n in wide[0] for size in (n, 1))
    inner = tuple(size for n in wide[1] for size in (1, n))
    left = reader.place(call, Reshape(shape=outer), "outer", x=values[0])
    right = reader.place(call, Reshape(shape=inner), "inner", x=values[1])
    product = reader.place(call, Mul(), "product", x0=left, x1=right)
    shape = tuple((Size.of(a) * b).dimension for a, b in zip(*wide, strict=True))
    reader.place(call, Reshape(shape=shape), x=product)


def _one_after_the_other(reader: ProgramReader, call: Call) -> None:
    """``linalg.multi_dot``: in the order of the factors; PyTorch chooses the cheapest, which rounds otherwise."""
    values = [reader.value(tensor) for tensor in call.arguments["tensors"]]
    made = values[0]
    for place, value in enumerate(values[1:]):
        last = place == len(values) - 2
        made = reader.place(call, MatMul(), "" if last else f"product{place}", left=made, right=value)


def _determinant(reader: ProgramReader, call: Call) -> None:
    value = call.arguments["A"] if "A" in call.arguments else call.arguments["self"]
    reader.place(call, Determinant(), x=reader.value(value))


def _traced(reader: ProgramReader, call: Call) -> None:
    """``trace``: the sum of the diagonal."""
    value, (rows, columns) = reader.value(call.arguments["self"]), reader.shape(call.arguments["self"])
    if rows != columns:
        if not isinstance(rows, int) or not isinstance(columns, int):
            raise Refused(call.where, f"sums the diagonal of {rows} rows and {columns} columns, which may differ")
        least = min(rows, columns)
        square = Slice(axes=(0, 1), starts=(0, 0), ends=(least, least), steps=(1, 1))
        value = reader.place(call, square, "square", x=value)
    reader.place(call, Einsum(equation="ii->"), x0=value)


def _moved_bits(left: bool) -> Handler:
    """``<<`` and ``>>`` of integers by numbers: times 2^n, or the floor of the quotient by it."""

    def read(reader: ProgramReader, call: Call) -> None:
        value, by = reader.value(call.arguments["self"]), call.arguments["other"]
        known = reader.importer.known(reader.value(by)) if isinstance(by, Tensor) else by
        kind = reader.importer.type_of(value).dtype
        if known is None or getattr(known, "size", 1) != 1 or "int" not in kind or not 0 <= int(known) < 63:
            raise Refused(call.where, f"moves the bits of {kind} by a computed number, which irconv does not read")
        factor = reader.number(call, 2 ** int(known), kind, "factor")
        reader.place(call, Mul() if left else FloorDiv(), x0=value, x1=factor)

    return read


HANDLERS: dict[str, Handler] = {
    "cross.default": formula(_crossed),
    "linalg_cross.default": formula(_crossed),
    "dist.default": formula(_apart),
    "tensordot.default": _over_axes,
    "kron.default": _every_pair,
    "linalg_multi_dot.default": _one_after_the_other,
    "det.default": _determinant,
    "linalg_det.default": _determinant,
    "trace.default": _traced,
    **dict.fromkeys(("__lshift__.Scalar", "__lshift__.Tensor", "bitwise_left_shift.Tensor"), _moved_bits(True)),
    **dict.fromkeys(("__rshift__.Scalar", "__rshift__.Tensor", "bitwise_right_shift.Tensor"), _moved_bits(False)),
    "bitwise_left_shift.Tensor_Scalar": _moved_bits(True),
    "bitwise_right_shift.Tensor_Scalar": _moved_bits(False),
}
