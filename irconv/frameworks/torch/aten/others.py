"""Functions that are another function of PyTorch's in other words, or two of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any

import numpy as np

from irconv.errors import Refused
from irconv.frameworks.torch.aten.formulas import Sum, formula
from irconv.frameworks.torch.aten.program import Call, Handler, ProgramReader
from irconv.frameworks.torch.aten.spelling import Tensor
from irconv.ir.known import KNOWN_ELEMENTS, numeric
from irconv.ir.layers.arithmetic import Maximum, Pow, Sub
from irconv.ir.layers.comparisons import And, Equal, LessOrEqual, Or
from irconv.ir.layers.elementwise import Abs, Exp2, IsFinite, Log1p, Neg
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.matrix import MatMul
from irconv.ir.layers.shape_ops import Unsqueeze
from irconv.ir.layers.tensor_ops import Add, Mul, Reshape
from irconv.ir.shapes import product

_Arguments = Callable[[ProgramReader, Call], dict[str, Any]]
_LN2 = 0.6931471805599453


def _said(op: str, arguments: _Arguments, results: int = 1) -> Handler:
    """Another op with other arguments, whose first result is the one that is wanted."""

    def read(reader: ProgramReader, call: Call) -> None:
        names = tuple(f"{call.outputs[0]}/{place}" for place in range(1, results))
        reader.run(replace(call, op=op, arguments=arguments(reader, call), outputs=(*call.outputs, *names)))

    return read


def _diagonal(reader: ProgramReader, call: Call) -> None:
    """``diag``: of a matrix its diagonal, of a vector the matrix that has it for one."""
    rank = len(reader.shape(call.arguments["self"]))
    op = "diag_embed.default" if rank == 1 else "diagonal.default"
    arguments = {"self": call.arguments["self"], "offset": call.get("diagonal", 0)}
    reader.run(replace(call, op=op, arguments=arguments))


def _flat(reader: ProgramReader, call: Call) -> str:
    """All elements of the tensor as one vector."""
    value = reader.value(call.arguments["self"])
    shape = reader.importer.type_of(value).shape
    return value if len(shape) == 1 else reader.place(call, Reshape(shape=(product(shape).dimension,)), "flat", x=value)


def _flat_diagonal(reader: ProgramReader, call: Call) -> None:
    name = f"{call.outputs[0]}/vector"
    reader.values[name] = _flat(reader, call)
    arguments = {"self": Tensor(name), "offset": call.get("offset", 0)}
    reader.run(replace(call, op="diag_embed.default", arguments=arguments))


def _norm(reader: ProgramReader, call: Call) -> None:
    """``linalg.norm``: of vectors along one axis or of all elements, of matrices by the root of the sum of squares."""
    order, axes = call.get("ord"), call.get("dim")
    listed = [axes] if isinstance(axes, int) else axes
    rank = len(reader.shape(call.arguments["self"]))
    matrix = len(listed) == 2 if listed else rank == 2
    if order is not None and matrix:
        raise Refused(call.where, f"is the matrix norm of order {order}, which irconv does not read")
    if order is not None and not listed and rank != 1:
        raise Refused(call.where, f"is the norm of order {order} of a tensor with {rank} axes, which has none")
    given = {key: value for key, value in call.arguments.items() if key in ("self", "keepdim", "dtype")}
    arguments = {**given, "ord": 2 if order is None else order, "dim": listed}
    reader.run(replace(call, op="linalg_vector_norm.default", arguments=arguments))


def _added_vector(f: Sum, call: Call) -> None:
    """``addmv``: ``beta x + alpha (matrix vector)``."""
    part = f(MatMul(), f.value("mat"), f.value("vec"))
    f.ends(Add(), f.scaled(f.value("self"), call.get("beta", 1)), f.scaled(part, call.get("alpha", 1)))


def _added_outer(f: Sum, call: Call) -> None:
    """``addr``: ``beta x + alpha (vector vector^T)``."""
    part = f(Mul(), f(Unsqueeze(axes=(1,)), f.value("vec1")), f(Unsqueeze(axes=(0,)), f.value("vec2")))
    f.ends(Add(), f.scaled(f.value("self"), call.get("beta", 1)), f.scaled(part, call.get("alpha", 1)))


def _close(f: Sum, call: Call) -> None:
    """``isclose``: equal, or a finite distance of at most ``atol + rtol |other|``."""
    if call.get("equal_nan", False):
        raise Refused(call.where, "takes what is no number for close to its like, which irconv does not read")
    left, right = f.value("self"), f.value("other")
    apart = f(Sub(), left, right)
    allowed = f(Add(), f.number(call.get("atol", 1e-8), right), f.scaled(f(Abs(), right), call.get("rtol", 1e-5)))
    near = f(And(), f(IsFinite(), apart), f(LessOrEqual(), f(Abs(), apart), allowed))
    f.ends(Or(), f(Equal(), left, right), near)


def _is(number: float) -> Handler:
    def write(f: Sum, call: Call) -> None:
        value = f.value("self")
        f.ends(Equal(), value, f.number(number, value))

    return formula(write)


def _times_power(f: Sum, call: Call) -> None:
    """``ldexp``: times 2 to the power of the other."""
    value, power = f.reader.promoted(call, call.arguments["self"], call.arguments["other"])
    f.ends(Mul(), value, f(Pow(), f.number(2, value), power))


def _log_sum(f: Sum, call: Call) -> None:
    """``logaddexp2``: ``max(x, y) + log2(1 + 2^-|x - y|)``."""
    left, right = f.value("self"), f.value("other")
    rest = f(Log1p(), f(Exp2(), f(Neg(), f(Abs(), f(Sub(), left, right)))))
    f.ends(Add(), f(Maximum(), left, right), f.scaled(rest, 1 / _LN2))


def _triangle_places(lower: bool) -> Handler:
    """``tril_indices`` and ``triu_indices``."""

    def read(reader: ProgramReader, call: Call) -> None:
        rows, columns, offset = call.arguments["row"], call.arguments["col"], call.get("offset", 0)
        if not isinstance(rows, int) or not isinstance(columns, int) or rows * columns > KNOWN_ELEMENTS:
            raise Refused(
                call.where, f"takes places of {rows} rows and {columns} columns, which irconv does not write out"
            )
        every = np.ones((rows, columns), bool)
        places = np.nonzero(np.tril(every, offset) if lower else np.triu(every, offset))
        reader.gives(call, reader.number(call, np.stack(places), call.get("dtype") or "int64", "places"))

    return read


def _repeated(reader: ProgramReader, call: Call) -> None:
    """``repeat_interleave`` with a count for each element, which is known."""
    counts, axis = reader.importer.known(reader.value(call.arguments["repeats"])), call.get("dim")
    if counts is None or not numeric(counts):
        raise Refused(call.where, "repeats elements as often as a tensor says that is not known before the model runs")
    value = _flat(reader, call) if axis is None else reader.value(call.arguments["self"])
    shape = reader.importer.type_of(value).shape
    axis = (axis or 0) % len(shape)
    size = shape[axis]
    if not isinstance(size, int):
        raise Refused(call.where, f"repeats {size} elements, which are not known")
    places = np.repeat(np.arange(size), np.broadcast_to(counts.reshape(-1), size))
    reader.place(call, Gather(axis=axis), x=value, indices=reader.number(call, places, "int64", "places"))


def _own(_: ProgramReader, call: Call) -> dict[str, Any]:
    return dict(call.arguments)


def _flip(axis: int) -> _Arguments:
    return lambda _, call: {"self": call.arguments["self"], "dims": [axis]}


HANDLERS: dict[str, Handler] = {
    "clip.default": _said("clamp.default", _own),
    "clip.Tensor": _said("clamp.Tensor", _own),
    "fliplr.default": _said("flip.default", _flip(1)),
    "flipud.default": _said("flip.default", _flip(0)),
    "ravel.default": _said("flatten.using_ints", _own),
    "special_log_softmax.default": _said("log_softmax.int", _own),
    "special_softmax.default": _said("softmax.int", _own),
    "msort.default": _said("sort.default", lambda _, call: {"self": call.arguments["self"], "dim": 0}, 2),
    "diag.default": _diagonal,
    "diagflat.default": _flat_diagonal,
    "linalg_norm.default": _norm,
    "addmv.default": formula(_added_vector),
    "addr.default": formula(_added_outer),
    "isclose.default": formula(_close),
    "isposinf.default": _is(inf),
    "isneginf.default": _is(-inf),
    "ldexp.Tensor": formula(_times_power),
    "logaddexp2.default": formula(_log_sum),
    "tril_indices.default": _triangle_places(True),
    "triu_indices.default": _triangle_places(False),
    "repeat_interleave.self_Tensor": _repeated,
}
