"""Functions of each element, sums along axes, and element types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

from irconv.errors import Refused
from irconv.frameworks.torch.aten.batches import unbatched
from irconv.frameworks.torch.aten.program import Call, Handler, ProgramReader
from irconv.frameworks.torch.aten.spelling import Tensor
from irconv.ir.layers import layer_class
from irconv.ir.layers.activations import (
    Celu,
    Clip,
    Elu,
    Gelu,
    HardShrink,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    LogSoftmax,
    Mish,
    PRelu,
    Selu,
    Silu,
    Softmax,
    Softplus,
    SoftShrink,
)
from irconv.ir.layers.arithmetic import Div, FloorDiv, Maximum, Minimum, Mod, Pow, Sub
from irconv.ir.layers.base import Layer
from irconv.ir.layers.comparisons import And, Cast, Greater, Or, Where
from irconv.ir.layers.composite_activations import LogSigmoid, ScaledSoftplus, TanhShrink, Threshold
from irconv.ir.layers.elementwise import Floor, Square, Trunc
from irconv.ir.layers.reductions import StandardDeviation, Variance
from irconv.ir.layers.tensor_ops import Add, Mul, Reduce
from irconv.ir.layers.training import Dropout

_UNARY = (
    "relu=Relu sigmoid=Sigmoid tanh=Tanh exp=Exp log=Log sqrt=Sqrt rsqrt=Rsqrt abs=Abs neg=Neg sign=Sign sin=Sin "
    "cos=Cos tan=Tan asin=Asin acos=Acos atan=Atan sinh=Sinh cosh=Cosh asinh=Asinh acosh=Acosh atanh=Atanh erf=Erf "
    "floor=Floor "
    "ceil=Ceil round=Round trunc=Trunc reciprocal=Reciprocal square=Square log1p=Log1p log2=Log2 log10=Log10 "
    "expm1=Expm1 exp2=Exp2 isnan=IsNaN isinf=IsInf isfinite=IsFinite"
)
_COMPARED = "eq=Equal ne=NotEqual lt=Less le=LessOrEqual gt=Greater ge=GreaterOrEqual"

_COMPARED_LONG = "not_equal=NotEqual less=Less less_equal=LessOrEqual greater=Greater greater_equal=GreaterOrEqual"


def _words(text: str) -> list[tuple[str, str]]:
    return [(op, layer) for op, _, layer in (word.partition("=") for word in text.split())]


_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805
UNARY = _words(_UNARY)
"""Ops of one tensor without settings, and their layers."""


_IN_FLOATS = frozenset(
    """
    sigmoid tanh exp log sqrt rsqrt sin cos tan asin acos atan sinh cosh asinh acosh atanh erf reciprocal log1p log2
    log10 expm1 exp2 erfc erfinv sinc logit deg2rad rad2deg lgamma digamma i0 special_expit special_erf special_log1p
    special_expm1 special_erfc special_erfinv special_sinc special_logit special_entr special_exp2 special_i0
    special_ndtr special_log_ndtr special_gammaln special_digamma special_psi arcsin arccos arctan arcsinh arccosh
    arctanh
    """.split()  # noqa: SIM905
)
"""Ops that compute in floats, whatever they are given."""


def in_floats(reader: ProgramReader, call: Call) -> Call:
    """A call as it computes: such an op takes whole numbers and truth values as float32."""
    source = call.arguments.get("self")
    if call.op.partition(".")[0] not in _IN_FLOATS or not isinstance(source, Tensor):
        return call
    if "float" in reader.type_of(source).dtype:
        return call
    name = f"{call.outputs[0]}.real"
    reader.values[name] = reader.cast(call, reader.value(source), "float32", "real")
    return replace(call, arguments={**call.arguments, "self": Tensor(name)})


def one(layer: Callable[[Call], Layer], argument: str = "self") -> Handler:
    """An op of one tensor that is a layer with settings from its arguments."""

    def read(reader: ProgramReader, call: Call) -> None:
        reader.place(call, layer(call), x=reader.value(call.arguments[argument]))

    return read


def _of_type(name: str) -> Handler:
    kind = layer_class(name)
    return one(lambda _: kind(type=name))


def _two(layer: Callable[[], Layer], of_truth: Callable[[], Layer] | None = None) -> Handler:
    def read(reader: ProgramReader, call: Call) -> None:
        left, right = reader.promoted(call, call.arguments["self"], call.arguments["other"])
        truths = of_truth is not None and reader.importer.type_of(left).dtype == "bool"
        reader.place(call, of_truth() if truths and of_truth else layer(), x0=left, x1=right)

    return read


def _named(name: str) -> Handler:
    kind = layer_class(name)
    return _two(lambda: kind(type=name))


def _scaled(layer: Callable[[], Layer], reverse: bool = False) -> Handler:
    """``self + alpha other`` and its like."""

    def read(reader: ProgramReader, call: Call) -> None:
        left, right = reader.promoted(call, call.arguments["self"], call.arguments["other"])
        alpha = call.get("alpha", 1)
        if alpha != 1:
            factor = reader.number(call, alpha, reader.importer.type_of(right).dtype, "alpha")
            right = reader.place(call, Mul(), "scaled", x0=right, x1=factor)
        if reverse:
            left, right = right, left
        truths = layer is Add and reader.importer.type_of(left).dtype == "bool"
        reader.place(call, Or() if truths else layer(), x0=left, x1=right)

    return read


def _divided(reader: ProgramReader, call: Call) -> None:
    """Integers give a float; a mode rounds the quotient."""
    left, right = reader.promoted(call, call.arguments["self"], call.arguments["other"])
    mode, dtype = call.get("rounding_mode"), reader.importer.type_of(left).dtype
    if mode == "floor":
        reader.place(call, FloorDiv(), x0=left, x1=right)
        return
    if mode is None and "float" not in dtype:
        left, right = (reader.cast(call, value, "float32", f"real{i}") for i, value in enumerate((left, right)))
    if mode is None or "float" not in dtype:
        reader.place(call, Div(), x0=left, x1=right)
    else:
        reader.place(call, Trunc(), x=reader.place(call, Div(), "quotient", x0=left, x1=right))


def _power(reader: ProgramReader, call: Call) -> None:
    exponent = call.arguments["exponent"]
    if exponent == 2:
        reader.place(call, Square(), x=reader.value(call.arguments["self"]))
        return
    left, right = reader.promoted(call, call.arguments["self"], exponent)
    reader.place(call, Pow(), x0=left, x1=right)


def _clamp(reader: ProgramReader, call: Call) -> None:
    value, low, high = reader.value(call.arguments["self"]), call.get("min"), call.get("max")
    dtype = reader.importer.type_of(value).dtype
    if "float" in dtype:
        low, high = (None if bound is None else float(bound) for bound in (low, high))
        reader.place(call, Clip(low=low, high=high), x=value)
        return
    if low is not None:
        bound = reader.number(call, low, dtype, "min")
        value = reader.place(call, Maximum(), "above" if high is not None else "", x0=value, x1=bound)
    if high is not None:
        reader.place(call, Minimum(), x0=value, x1=reader.number(call, high, dtype, "max"))


def _dropout(noise: Literal["zero", "alpha"], features: bool) -> Handler:
    """Dropout of elements, or of all that lies behind the channels of a value."""

    def read(reader: ProgramReader, call: Call) -> None:
        if call.arguments.get("train"):
            raise Refused(call.where, "drops elements, as in training", "Export the module in eval mode.")
        value = reader.value(call.source)  # in place the tensor has another name
        rank = len(reader.importer.type_of(value).shape)
        shared = tuple(range(2, rank)) if features else ()
        reader.place(call, Dropout(rate=float(call.arguments["p"]), noise=noise, shared=shared), x=value)

    return read


def _softmax(layer: type[Softmax] | type[LogSoftmax]) -> Handler:
    def read(reader: ProgramReader, call: Call) -> None:
        value = reader.value(call.arguments["self"])
        axis = call.arguments["dim"] % len(reader.importer.type_of(value).shape)
        if isinstance(call.get("dtype"), str):
            value = reader.cast(call, value, call.arguments["dtype"], "typed")
        reader.place(call, layer(axis=axis), x=value)

    return read


def axes_of(reader: ProgramReader, call: Call, name: str = "dim", tensor: str = "self") -> tuple[int, ...]:
    """Axes counted from 0; all where none is named."""
    rank, axes = len(reader.shape(call.arguments[tensor])), call.get(name)
    listed = [axes] if isinstance(axes, int) else axes or range(rank)
    return tuple(sorted(axis % rank for axis in listed))


def _reduced(how: Any) -> Handler:
    def read(reader: ProgramReader, call: Call) -> None:
        value, axes = reader.value(call.arguments["self"]), axes_of(reader, call)
        dtype = reader.importer.type_of(value).dtype
        wanted = call.get("dtype") or ("int64" if how in ("sum", "prod") and "float" not in dtype else dtype)
        if how in ("any", "all"):
            wanted = "bool"
        value = reader.cast(call, value, wanted, "typed")
        if not axes:
            reader.gives(call, value)
            return
        reader.place(call, Reduce(op=how, axes=axes, keepdims=bool(call.get("keepdim", False))), x=value)

    return read


def _spread(layer: type[Variance] | type[StandardDeviation]) -> Handler:
    def read(reader: ProgramReader, call: Call) -> None:
        correction = call.get("correction", 1 if call.get("unbiased", True) else 0)
        made = layer(axes=axes_of(reader, call), keepdims=bool(call.get("keepdim", False)), correction=int(correction))
        reader.place(call, made, x=reader.value(call.arguments["self"]))

    return read


def _where(reader: ProgramReader, call: Call) -> None:
    yes, no = reader.promoted(call, call.arguments["self"], call.arguments["other"])
    reader.place(call, Where(), condition=reader.value(call.arguments["condition"]), x0=yes, x1=no)


def _filled(reader: ProgramReader, call: Call) -> None:
    """``value`` where the mask holds."""
    value, dtype = reader.value(call.arguments["self"]), reader.type_of(call.arguments["self"]).dtype
    given = call.arguments["value"]
    fill = reader.number(call, given, dtype, "value") if not hasattr(given, "name") else reader.value(given)
    reader.place(call, Where(), condition=reader.value(call.arguments["mask"]), x0=fill, x1=value)


def _cast(reader: ProgramReader, call: Call) -> None:
    dtype = call.get("dtype") or reader.type_of(call.arguments["self"]).dtype
    value = reader.value(call.arguments["self"])
    if reader.importer.type_of(value).dtype == dtype:
        reader.gives(call, value)
    else:
        reader.place(call, Cast(dtype=dtype), x=value)


def _same(reader: ProgramReader, call: Call) -> None:
    first = next(iter(call.arguments.values()), None)
    if first is None:
        raise ValueError("expected an argument")
    reader.gives(call, reader.value(first))


def _nothing(reader: ProgramReader, call: Call) -> None:
    """A check that the exporter left, or a dead one."""


def _slope(reader: ProgramReader, call: Call) -> None:
    reader.place(call, PRelu(), x=reader.value(call.arguments["self"]), slope=reader.value(call.arguments["weight"]))


def _softplus(reader: ProgramReader, call: Call) -> None:
    """``log(1 + exp(beta x)) / beta``; the number itself above the threshold, which makes no difference from 15 on."""
    value, beta, threshold = reader.value(call.arguments["self"]), float(call.get("beta", 1)), call.get("threshold", 20)
    layer: Layer = Softplus() if beta == 1 else ScaledSoftplus(beta=beta)
    if threshold >= 15:
        reader.place(call, layer, x=value)
        return
    dtype = reader.importer.type_of(value).dtype
    above = reader.place(
        call, Greater(), "above", x0=value, x1=reader.number(call, threshold / beta, dtype, "threshold")
    )
    reader.place(call, Where(), condition=above, x0=value, x1=reader.place(call, layer, "below", x=value))


def _elu(reader: ProgramReader, call: Call) -> None:
    """``scale x`` above zero, ``scale alpha (exp(input_scale x) - 1)`` below."""
    value, alpha = reader.value(call.arguments["self"]), float(call.get("alpha", 1))
    scale, inner = float(call.get("scale", 1)), float(call.get("input_scale", 1))
    if abs(alpha - _SELU_ALPHA) < 1e-12 and abs(scale - _SELU_SCALE) < 1e-12 and inner == 1:
        reader.place(call, Selu(), x=value)
        return
    dtype = reader.importer.type_of(value).dtype
    if inner != 1:
        raise Refused(call.where, f"scales what is below zero by {inner} first, which irconv does not read")
    made = reader.place(call, Elu(alpha=alpha), "" if scale == 1 else "unscaled", x=value)
    if scale != 1:
        reader.place(call, Mul(), x0=made, x1=reader.number(call, scale, dtype, "scale"))


def _of_type_of(reader: ProgramReader, call: Call) -> None:
    """``type_as``."""
    value, dtype = reader.value(call.arguments["self"]), reader.type_of(call.arguments["other"]).dtype
    reader.gives(call, reader.cast(call, value, dtype, "typed"))


HANDLERS: dict[str, Handler] = {
    **{f"{op}.default": _of_type(layer) for op, layer in UNARY},
    **{f"{op}.{form}": _named(layer) for op, layer in _words(_COMPARED) for form in ("Tensor", "Scalar")},
    **{f"add.{form}": _scaled(Add) for form in ("Tensor", "Scalar")},
    **{f"sub.{form}": _scaled(Sub) for form in ("Tensor", "Scalar")},
    **{f"rsub.{form}": _scaled(Sub, reverse=True) for form in ("Tensor", "Scalar")},
    **{f"mul.{form}": _two(Mul, And) for form in ("Tensor", "Scalar")},
    **{f"div.{form}": _divided for form in ("Tensor", "Scalar", "Tensor_mode", "Scalar_mode")},
    **{f"remainder.{form}": _two(lambda: Mod(sign="divisor")) for form in ("Tensor", "Scalar")},
    **{f"fmod.{form}": _two(lambda: Mod(sign="dividend")) for form in ("Tensor", "Scalar")},
    "floor_divide.default": _two(FloorDiv),
    "maximum.default": _two(Maximum, Or),
    "minimum.default": _two(Minimum, And),
    "max.other": _two(Maximum),
    "min.other": _two(Minimum),
    **{f"pow.{form}": _power for form in ("Tensor_Scalar", "Tensor_Tensor", "Scalar")},
    "clamp.default": _clamp,
    "clamp_min.default": _clamp,
    "clamp_max.default": _clamp,
    "hardtanh.default": one(lambda c: Clip(low=float(c.get("min_val", -1)), high=float(c.get("max_val", 1)))),
    "relu6.default": one(lambda _: Clip(low=0.0, high=6.0)),
    "rrelu.default": one(lambda c: LeakyRelu(slope=(float(c.get("lower", 1 / 8)) + float(c.get("upper", 1 / 3))) / 2)),
    "leaky_relu.default": one(lambda c: LeakyRelu(slope=float(c.get("negative_slope", 0.01)))),
    "elu.default": _elu,
    "celu.default": one(lambda c: Celu(alpha=float(c.get("alpha", 1)))),
    "selu.default": one(lambda _: Selu()),
    "silu.default": one(lambda _: Silu()),
    "mish.default": one(lambda _: Mish()),
    "gelu.default": one(lambda c: Gelu(approximation=c.get("approximate", "none"))),
    "hardswish.default": one(lambda _: HardSwish()),
    "hardsigmoid.default": one(lambda _: HardSigmoid(slope=1 / 6, offset=0.5)),
    "hardshrink.default": one(lambda c: HardShrink(threshold=float(c.get("lambd", 0.5)))),
    "softshrink.default": one(lambda c: SoftShrink(threshold=float(c.get("lambd", 0.5)))),
    "tanhshrink.default": one(lambda _: TanhShrink()),
    "log_sigmoid.default": one(lambda _: LogSigmoid()),
    "softplus.default": _softplus,
    "softsign.default": _of_type("Softsign"),
    "threshold.default": one(
        lambda c: Threshold(threshold=float(c.arguments["threshold"]), value=float(c.arguments["value"]))
    ),
    **dict.fromkeys(("prelu.default", "_prelu_kernel.default"), unbatched(0, _slope)),
    **dict.fromkeys(("type_as.default", "to.other"), _of_type_of),
    "true_divide.Tensor": _divided,
    "true_divide.Scalar": _divided,
    "divide.Tensor": _divided,
    "multiply.Tensor": _two(Mul, And),
    "subtract.Tensor": _scaled(Sub),
    **dict.fromkeys(("absolute.default",), _of_type("Abs")),
    **dict.fromkeys(("negative.default",), _of_type("Neg")),
    **dict.fromkeys(("special_expit.default",), _of_type("Sigmoid")),
    **dict.fromkeys(("special_erf.default",), _of_type("Erf")),
    **dict.fromkeys(("sgn.default",), _of_type("Sign")),
    **dict.fromkeys(("special_log1p.default",), _of_type("Log1p")),
    **dict.fromkeys(("special_expm1.default",), _of_type("Expm1")),
    **dict.fromkeys(("fix.default",), _of_type("Trunc")),
    "floor_divide.Scalar": _two(FloorDiv),
    **{f"{op}.{form}": _named(layer) for op, layer in _words(_COMPARED_LONG) for form in ("Tensor", "Scalar")},
    "dropout.default": _dropout("zero", features=False),
    "feature_dropout.default": _dropout("zero", features=True),
    "alpha_dropout.default": _dropout("alpha", features=False),
    "feature_alpha_dropout.default": _dropout("alpha", features=True),
    "softmax.int": _softmax(Softmax),
    "_softmax.default": _softmax(Softmax),
    "log_softmax.int": _softmax(LogSoftmax),
    "_log_softmax.default": _softmax(LogSoftmax),
    "mean.dim": _reduced("mean"),
    "mean.default": _reduced("mean"),
    "sum.dim_IntList": _reduced("sum"),
    "sum.default": _reduced("sum"),
    "amax.default": _reduced("max"),
    "amin.default": _reduced("min"),
    "prod.dim_int": _reduced("prod"),
    "logsumexp.default": _reduced("log_sum_exp"),
    **{f"{op}.{form}": _reduced(op) for op in ("any", "all") for form in ("dim", "dims", "default")},
    "max.default": _reduced("max"),
    "min.default": _reduced("min"),
    "prod.default": _reduced("prod"),
    "special_logsumexp.default": _reduced("log_sum_exp"),
    **{f"var.{form}": _spread(Variance) for form in ("correction", "dim", "default")},
    **{f"std.{form}": _spread(StandardDeviation) for form in ("correction", "dim", "default")},
    **{f"where.{form}": _where for form in ("self", "ScalarOther", "ScalarSelf", "Scalar")},
    **{f"masked_fill.{form}": _filled for form in ("Scalar", "Tensor")},
    **{f"to.{form}": _cast for form in ("dtype", "dtype_layout", "device")},
    "_to_copy.default": _cast,
    "float.default": one(lambda _: Cast(dtype="float32")),
    **dict.fromkeys(
        (
            "contiguous.default",
            "clone.default",
            "detach.default",
            "alias.default",
            "lift_fresh_copy.default",
            "lift_fresh.default",
            "positive.default",
            "resolve_conj.default",
            "resolve_neg.default",
        ),
        _same,
    ),
    **dict.fromkeys(
        (
            "_assert_tensor_metadata.default",
            "_assert_scalar.default",
            "sym_constrain_range_for_size.default",
            "_assert_async.default",
            "_assert_async.msg",
            "sym_constrain_range.default",
        ),
        _nothing,
    ),
    "floor.default": one(lambda _: Floor()),
}
