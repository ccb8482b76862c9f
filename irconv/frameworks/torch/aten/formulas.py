"""Functions that PyTorch has an op for and irconv a few layers."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, pi
from typing import Any

from irconv.errors import Refused
from irconv.frameworks.torch.aten.elementwise import axes_of
from irconv.frameworks.torch.aten.program import Call, Handler, ProgramReader
from irconv.frameworks.torch.aten.spelling import Tensor
from irconv.ir.layers.activations import Exp
from irconv.ir.layers.arithmetic import Atan2, Div, Maximum, Minimum, Pow, Sub
from irconv.ir.layers.base import Layer
from irconv.ir.layers.comparisons import Equal, NotEqual, Where, Xor
from irconv.ir.layers.elementwise import Abs, Erf, Log, Log1p, Neg, Round, Sqrt, Square, Trunc
from irconv.ir.layers.matrix import MatMul
from irconv.ir.layers.reductions import StandardDeviation, Variance
from irconv.ir.layers.shape_ops import Unsqueeze
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Add, Concat, Mul, Reduce


class Sum:
    """Layers of one call, each with a name of its own; what a formula is written with."""

    def __init__(self, reader: ProgramReader, call: Call) -> None:
        self.reader, self.call, self.count = reader, call, 0

    def __call__(self, layer: Layer, *values: str) -> str:
        """A layer of one result."""
        self.count += 1
        suffix = f"{layer.type.lower()}{self.count}"
        if type(layer).SLOTS.keys() == {"x"}:
            return self.reader.place(self.call, layer, suffix, x=values[0])
        return self.reader.place(self.call, layer, suffix, **dict(zip(_slots(layer), values, strict=True)))

    def ends(self, layer: Layer, *values: str) -> None:
        """The last layer, which gives what the call gives."""
        slots = _slots(layer)
        self.reader.place(self.call, layer, **dict(zip(slots, values, strict=True)))

    def value(self, name: str) -> str:
        """An argument that is a tensor."""
        return self.reader.value(self.call.arguments[name])

    def number(self, number: Any, like: str) -> str:
        """A number in the element type of a value."""
        self.count += 1
        dtype = self.reader.importer.type_of(like).dtype
        return self.reader.number(self.call, number, dtype, f"number{self.count}")

    def scaled(self, value: str, factor: float) -> str:
        """A value times a number."""
        return value if factor == 1 else self(Mul(), value, self.number(factor, value))


def _slots(layer: Layer) -> tuple[str, ...]:
    if layer.type == "Where":
        return ("condition", "x0", "x1")
    slots = tuple(type(layer).SLOTS)
    return slots or ("x0", "x1")


def formula(write: Callable[[Sum, Call], None]) -> Handler:
    """A handler that writes a formula."""
    return lambda reader, call: write(Sum(reader, call), call)


def _added_product(quotient: bool) -> Handler:
    def write(f: Sum, call: Call) -> None:
        first, second = f.value("tensor1"), f.value("tensor2")
        part = f(Div() if quotient else Mul(), first, second)
        f.ends(Add(), f.value("self"), f.scaled(part, call.get("value", 1)))

    return formula(write)


def _between(f: Sum, call: Call) -> None:
    """``lerp``: ``start + weight (end - start)``."""
    start, end, weight = f.value("self"), f.value("end"), call.arguments["weight"]
    apart = f(Sub(), end, start)
    part = f(Mul(), apart, f.reader.value(weight)) if isinstance(weight, Tensor) else f.scaled(apart, weight)
    f.ends(Add(), start, part)


def _norm(f: Sum, call: Call) -> None:
    """``linalg_vector_norm`` and ``norm``: the root of the sum of powers; of order infinity the largest."""
    order = call.get("ord", call.get("p", 2))
    order = 2 if order is None else order
    value = f.value("self")
    if isinstance(call.get("dtype"), str):
        value = f.reader.cast(call, value, call.arguments["dtype"], "typed")
    axes, keep = axes_of(f.reader, call), bool(call.get("keepdim", False))
    if not axes:
        f.ends(Abs(), value)
    elif order in (1, inf, -inf):
        how: Any = {1: "sum", inf: "max", -inf: "min"}[order]
        f.ends(Reduce(op=how, axes=axes, keepdims=keep), f(Abs(), value))
    elif order == 2:
        f.ends(Sqrt(), f(Reduce(op="sum", axes=axes, keepdims=keep), f(Square(), value)))
    elif order == 0:
        counted = f.reader.cast(
            call, f(NotEqual(), value, f.number(0, value)), f.reader.importer.type_of(value).dtype, "counted"
        )
        f.ends(Reduce(op="sum", axes=axes, keepdims=keep), counted)
    else:
        powers = f(Pow(), f(Abs(), value), f.number(order, value))
        total = f(Reduce(op="sum", axes=axes, keepdims=keep), powers)
        f.ends(Pow(), total, f.number(1 / order, total))


def _cosine(f: Sum, call: Call) -> None:
    """``x y / (max(|x|, eps) max(|y|, eps))``."""
    left, right, epsilon = f.value("x1"), f.value("x2"), call.get("eps", 1e-8)
    rank = max(len(f.reader.importer.type_of(v).shape) for v in (left, right))
    axis = call.get("dim", 1) % rank
    keep = Reduce(op="sum", axes=(axis,), keepdims=True)
    units = []
    for value in (left, right):
        length = f(Sqrt(), f(keep, f(Square(), value)))
        units.append(f(Div(), value, f(Maximum(), length, f.number(epsilon, value))))
    f.ends(Reduce(op="sum", axes=(axis,), keepdims=False), f(Mul(), *units))


def _distance(f: Sum, call: Call) -> None:
    """``pairwise_distance``: epsilon is added to each difference."""
    left, order = f.value("x1"), call.get("p", 2)
    apart = f(Add(), f(Sub(), left, f.value("x2")), f.number(call.get("eps", 1e-6), left))
    axis, keep = len(f.reader.importer.type_of(apart).shape) - 1, bool(call.get("keepdim", False))
    if order == 2:
        f.ends(Sqrt(), f(Reduce(op="sum", axes=(axis,), keepdims=keep), f(Square(), apart)))
    elif order == 1:
        f.ends(Reduce(op="sum", axes=(axis,), keepdims=keep), f(Abs(), apart))
    else:
        total = f(Reduce(op="sum", axes=(axis,), keepdims=keep), f(Pow(), f(Abs(), apart), f.number(order, apart)))
        f.ends(Pow(), total, f.number(1 / order, total))


def _distances(f: Sum, call: Call) -> None:
    """``cdist``: of every pair of rows."""
    left, right, order = f.value("x1"), f.value("x2"), call.get("p", 2)
    rank = len(f.reader.importer.type_of(left).shape)
    apart = f(Sub(), f(Unsqueeze(axes=(rank - 1,)), left), f(Unsqueeze(axes=(rank - 2,)), right))
    total = Reduce(op="sum", axes=(rank,), keepdims=False)
    if order == 2:
        f.ends(Sqrt(), f(total, f(Square(), apart)))
    elif order == 1:
        f.ends(total, f(Abs(), apart))
    else:
        raise Refused(call.where, f"measures distances of order {order}, irconv reads those of 1 and 2")


def _vectors(f: Sum, call: Call) -> None:
    """``mv``, ``dot`` and ``vdot``: products with vectors."""
    second = "vec" if "vec" in call.arguments else "tensor" if "tensor" in call.arguments else "other"
    f.ends(MatMul(), f.value("self"), f.value(second))


def _outer(f: Sum, call: Call) -> None:
    f.ends(Mul(), f(Unsqueeze(axes=(1,)), f.value("self")), f(Unsqueeze(axes=(0,)), f.value("vec2")))


def _log_sum(f: Sum, call: Call) -> None:
    """``logaddexp``: ``max(x, y) + log1p(exp(-|x - y|))``."""
    left, right = f.value("self"), f.value("other")
    rest = f(Log1p(), f(Exp(), f(Neg(), f(Abs(), f(Sub(), left, right)))))
    f.ends(Add(), f(Maximum(), left, right), rest)


def _hypotenuse(f: Sum, call: Call) -> None:
    f.ends(Sqrt(), f(Add(), f(Square(), f.value("self")), f(Square(), f.value("other"))))


def _log_odds(f: Sum, call: Call) -> None:
    """``logit``: ``log(x / (1 - x))``, x kept from 0 and 1 by an epsilon."""
    value, epsilon = f.value("self"), call.get("eps")
    if epsilon is not None:
        value = f(Minimum(), f(Maximum(), value, f.number(epsilon, value)), f.number(1 - epsilon, value))
    f.ends(Log(), f(Div(), value, f(Sub(), f.number(1, value), value)))


def _fraction(f: Sum, call: Call) -> None:
    value = f.value("self")
    f.ends(Sub(), value, f(Trunc(), value))


def _rest_of_error(f: Sum, call: Call) -> None:
    error = f(Erf(), f.value("self"))
    f.ends(Sub(), f.number(1.0, error), error)


def _product_of_log(f: Sum, call: Call) -> None:
    """``xlogy``: zero where x is."""
    left, right = f.reader.promoted(call, call.arguments["self"], call.arguments["other"])
    zero = f.number(0, left)
    f.ends(Where(), f(Equal(), left, zero), zero, f(Mul(), left, f(Log(), right)))


def _bounded(f: Sum, call: Call) -> None:
    """``clamp`` by tensors."""
    value = f.value("self")
    bounds = [(kind, name) for kind, name in ((Maximum, "min"), (Minimum, "max")) if call.get(name) is not None]
    for place, (kind, name) in enumerate(bounds):
        pair = f.reader.promoted(call, Tensor(call.arguments["self"].name), call.arguments[name])
        bound = f.reader.cast(call, pair[1], f.reader.importer.type_of(value).dtype, f"{name}/typed")
        if place == len(bounds) - 1:
            f.ends(kind(), value, bound)
        else:
            value = f(kind(), value, bound)


def _turned(factor: float) -> Handler:
    def write(f: Sum, call: Call) -> None:
        value = f.value("self")
        f.ends(Mul(), value, f.number(factor, value))

    return formula(write)


def _rounded(f: Sum, call: Call) -> None:
    scale = 10.0 ** call.get("decimals", 0)
    value = f(Round(), f.scaled(f.value("self"), scale))
    f.ends(Div(), value, f.number(scale, value))


def _angle(f: Sum, call: Call) -> None:
    f.ends(Atan2(), f.value("self"), f.value("other"))


def _spread_and_mean(layer: type[Variance] | type[StandardDeviation]) -> Handler:
    """``var_mean``: both at once."""

    def write(f: Sum, call: Call) -> None:
        correction = call.get("correction", 1 if call.get("unbiased", True) else 0)
        axes, keep, value = axes_of(f.reader, call), bool(call.get("keepdim", False)), f.value("self")
        f.ends(layer(axes=axes, keepdims=keep, correction=int(correction)), value)
        name = call.outputs[1]
        mean = Reduce(op="mean", axes=axes, keepdims=keep)
        f.reader.importer.place(mean, {"x": value}, [name], name=name, where=call.where)
        f.reader.values[name] = name

    return formula(write)


def _ends_of(f: Sum, call: Call) -> None:
    """``aminmax``."""
    axes, keep, value = axes_of(f.reader, call), bool(call.get("keepdim", False)), f.value("self")
    f.ends(Reduce(op="min", axes=axes, keepdims=keep), value)
    name = call.outputs[1]
    f.reader.importer.place(
        Reduce(op="max", axes=axes, keepdims=keep), {"x": value}, [name], name=name, where=call.where
    )
    f.reader.values[name] = name


def _differences(f: Sum, call: Call) -> None:
    """``diff``: neighbours along an axis, with what is put before and behind them."""
    if call.get("n", 1) != 1:
        raise Refused(call.where, f"takes differences {call.get('n')} times, which irconv does not read")
    value = f.value("self")
    axis = call.get("dim", -1) % len(f.reader.importer.type_of(value).shape)
    parts = [call.get("prepend"), call.arguments["self"], call.get("append")]
    values = [f.reader.value(part) for part in parts if part is not None]
    if len(values) > 1:
        joined = {f"x{i}": part for i, part in enumerate(values)}
        value = f.reader.place(call, Concat(axis=axis), "joined", **joined)
    after = f(Slice(axes=(axis,), starts=(1,), ends=(None,), steps=(1,)), value)
    before = f(Slice(axes=(axis,), starts=(0,), ends=(-1,), steps=(1,)), value)
    truth = f.reader.importer.type_of(value).dtype == "bool"
    f.ends(Xor() if truth else Sub(), after, before)


HANDLERS: dict[str, Handler] = {
    "addcmul.default": _added_product(False),
    "addcdiv.default": _added_product(True),
    **{f"lerp.{form}": formula(_between) for form in ("Scalar", "Tensor")},
    "linalg_vector_norm.default": formula(_norm),
    **{f"norm.{form}": formula(_norm) for form in ("ScalarOpt_dim", "Scalar", "ScalarOpt_dim_dtype")},
    "cosine_similarity.default": formula(_cosine),
    "pairwise_distance.default": formula(_distance),
    **dict.fromkeys(("cdist.default", "_cdist_forward.default"), formula(_distances)),
    **dict.fromkeys(("mv.default", "dot.default", "vdot.default"), formula(_vectors)),
    **dict.fromkeys(("outer.default", "ger.default"), formula(_outer)),
    "logaddexp.default": formula(_log_sum),
    "hypot.default": formula(_hypotenuse),
    **dict.fromkeys(("logit.default", "special_logit.default"), formula(_log_odds)),
    "frac.default": formula(_fraction),
    **dict.fromkeys(("erfc.default", "special_erfc.default"), formula(_rest_of_error)),
    **{f"xlogy.{form}": formula(_product_of_log) for form in ("Tensor", "Scalar_Other")},
    **{f"{op}.Tensor": formula(_bounded) for op in ("clamp", "clamp_min", "clamp_max")},
    "deg2rad.default": _turned(pi / 180),
    "rad2deg.default": _turned(180 / pi),
    "round.decimals": formula(_rounded),
    "atan2.default": formula(_angle),
    **{f"var_mean.{form}": _spread_and_mean(Variance) for form in ("correction", "dim", "default")},
    **{f"std_mean.{form}": _spread_and_mean(StandardDeviation) for form in ("correction", "dim", "default")},
    "aminmax.default": formula(_ends_of),
    "diff.default": formula(_differences),
}
