"""Functions of values element by element: the word of an architecture file, the IR type, and how Theano spells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from irconv.data_classes import dataclass


@dataclass(frozen=True)
class Function:
    """One function; `text` has ``{0}``, ``{1}`` for its values and the settings by name."""

    layer: str
    text: str
    settings: Mapping[str, str] = field(default_factory=dict)
    """The word of a setting -> the IR layer's field."""
    fixed: Mapping[str, object] = field(default_factory=dict)
    """IR fields that have one value."""


_HARD = {"slope": 0.2, "offset": 0.5}
_LECUN = {"scale_in": 2 / 3, "scale_out": 1.7159}

#: Those that ``activation`` has, too; the order matters where several spell one IR type.
ACTIVATIONS: dict[str, Function] = {
    "linear": Function("Identity", "{0}"),
    "relu": Function("Relu", "T.nnet.relu({0})"),
    "leaky_relu": Function("LeakyRelu", "T.nnet.relu({0}, {alpha})", {"alpha": "slope"}),
    "tanh": Function("Tanh", "T.tanh({0})"),
    "scaled_tanh": Function("ScaledTanh", "1.7159 * T.tanh({0} * (2.0 / 3.0))", fixed=_LECUN),
    "sigmoid": Function("Sigmoid", "T.nnet.sigmoid({0})"),
    "hard_sigmoid": Function("HardSigmoid", "T.clip({0} * 0.2 + 0.5, 0, 1)", fixed=_HARD),
    "softplus": Function("Softplus", "T.nnet.softplus({0})"),
    "elu": Function("Elu", "T.switch({0} > 0, {0}, {alpha} * T.expm1({0}))", {"alpha": "alpha"}),
    "selu": Function("Selu", "1.0507009873554805 * T.switch({0} > 0, {0}, 1.6732632423543772 * T.expm1({0}))"),
    "abs": Function("Abs", "abs({0})"),
}

_ONE: dict[str, Function] = {
    "general_hard_sigmoid": Function(
        "HardSigmoid", "T.clip({0} * {alpha} + {beta}, 0, 1)", {"alpha": "slope", "beta": "offset"}
    ),
    "general_scaled_tanh": Function(
        "ScaledTanh", "{beta} * T.tanh({0} * {alpha})", {"alpha": "scale_in", "beta": "scale_out"}
    ),
    "clip": Function("Clip", "clip({0}, {low}, {high})", {"low": "low", "high": "high"}),
    "thresholded_relu": Function("ThresholdedRelu", "T.switch({0} > {alpha}, {0}, 0)", {"alpha": "threshold"}),
    "celu": Function("Celu", "T.switch({0} > 0, {0}, {alpha} * T.expm1({0} / {alpha}))", {"alpha": "alpha"}),
    "softsign": Function("Softsign", "{0} / (1 + abs({0}))"),
    "silu": Function("Silu", "{0} * T.nnet.sigmoid({0})"),
    "mish": Function("Mish", "{0} * T.tanh(T.nnet.softplus({0}))"),
    "hard_swish": Function("HardSwish", "{0} * T.clip({0} / 6 + 0.5, 0, 1)"),
    "hard_shrink": Function("HardShrink", "T.switch(abs({0}) > {alpha}, {0}, 0)", {"alpha": "threshold"}),
    "soft_shrink": Function("SoftShrink", "T.sgn({0}) * T.maximum(abs({0}) - {alpha}, 0)", {"alpha": "threshold"}),
    "gelu": Function("Gelu", "0.5 * {0} * (1 + T.erf({0} / np.sqrt(2)))", fixed={"approximation": "none"}),
    "gelu_tanh": Function(
        "Gelu",
        "0.5 * {0} * (1 + T.tanh(np.sqrt(2 / np.pi) * ({0} + 0.044715 * {0} ** 3)))",
        fixed={"approximation": "tanh"},
    ),
    "exp": Function("Exp", "T.exp({0})"),
    "neg": Function("Neg", "-{0}"),
    "sgn": Function("Sign", "T.sgn({0})"),
    "sqrt": Function("Sqrt", "T.sqrt({0})"),
    "sqr": Function("Square", "T.sqr({0})"),
    "inv": Function("Reciprocal", "1 / {0}"),
    "log": Function("Log", "T.log({0})"),
    "log1p": Function("Log1p", "T.log1p({0})"),
    "expm1": Function("Expm1", "T.expm1({0})"),
    "floor": Function("Floor", "T.floor({0})"),
    "ceil": Function("Ceil", "T.ceil({0})"),
    "round": Function("Round", 'T.round({0}, mode="half_to_even")'),
    "trunc": Function("Trunc", "T.trunc({0})"),
    "sin": Function("Sin", "T.sin({0})"),
    "cos": Function("Cos", "T.cos({0})"),
    "tan": Function("Tan", "T.tan({0})"),
    "arcsin": Function("Asin", "T.arcsin({0})"),
    "arccos": Function("Acos", "T.arccos({0})"),
    "arctan": Function("Atan", "T.arctan({0})"),
    "sinh": Function("Sinh", "T.sinh({0})"),
    "cosh": Function("Cosh", "T.cosh({0})"),
    "arcsinh": Function("Asinh", "T.arcsinh({0})"),
    "arccosh": Function("Acosh", "T.arccosh({0})"),
    "arctanh": Function("Atanh", "T.arctanh({0})"),
    "erf": Function("Erf", "T.erf({0})"),
    "isnan": Function("IsNaN", "T.isnan({0})"),
    "isinf": Function("IsInf", "T.isinf({0})"),
    "not": Function("Not", "T.invert({0})"),
}

_TWO: dict[str, Function] = {
    "sub": Function("Sub", "{0} - {1}"),
    "div": Function("Div", "{0} / {1}"),
    "pow": Function("Pow", "{0} ** {1}"),
    "mod": Function("Mod", "{0} % {1}", fixed={"sign": "divisor"}),
    "arctan2": Function("Atan2", "T.arctan2({0}, {1})"),
    "eq": Function("Equal", "T.eq({0}, {1})"),
    "neq": Function("NotEqual", "T.neq({0}, {1})"),
    "lt": Function("Less", "T.lt({0}, {1})"),
    "le": Function("LessOrEqual", "T.le({0}, {1})"),
    "gt": Function("Greater", "T.gt({0}, {1})"),
    "ge": Function("GreaterOrEqual", "T.ge({0}, {1})"),
    "and": Function("And", "T.and_({0}, {1})"),
    "or": Function("Or", "T.or_({0}, {1})"),
    "xor": Function("Xor", "T.xor({0}, {1})"),
    "maximum": Function("Maximum", "T.maximum({0}, {1})"),
    "minimum": Function("Minimum", "T.minimum({0}, {1})"),
    "mean": Function("Mean", "({0} + {1}) / 2"),
    "switch": Function("Where", "T.switch({0}, {1}, {2})"),
}

FUNCTIONS: dict[str, Function] = {**ACTIVATIONS, **_ONE}
"""Those of one value, by their word."""

ALL: dict[str, Function] = {**FUNCTIONS, **_TWO}
"""Every one by its word."""

SEVERAL = ("maximum", "minimum", "mean")
"""Those that take any number of values."""

REDUCTIONS: dict[str, str] = {
    "mean": "T.mean({0}, {how})",
    "max": "T.max({0}, {how})",
    "sum": "T.sum({0}, {how})",
    "min": "T.min({0}, {how})",
    "prod": "T.prod({0}, {how})",
    "any": "T.any({0}, {how})",
    "all": "T.all({0}, {how})",
    "l1": "abs({0}).sum({how})",
    "l2": "T.sqrt(T.sqr({0}).sum({how}))",
    "sum_square": "T.sqr({0}).sum({how})",
    "log_sum": "T.log(T.sum({0}, {how}))",
}
"""What turns whole axes into one number, by its word, which is the IR's, too."""
