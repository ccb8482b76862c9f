"""Operators on each element alone: ``keras.ops`` <-> IR layers. TensorFlow's are spelt as ``keras.ops`` by then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.codec import Codec, Row
from irconv.frameworks.keras.table.op_rows import EVERY_OP, CastInput, Defaults, OfFloats, Promoted
from irconv.frameworks.keras.table.rows import FLOAT32
from irconv.ir.layers import layer_class
from irconv.ir.layers.activations import Clip
from irconv.ir.layers.comparisons import Cast, Where
from irconv.rows import Attribute, AxisNumber, Fixed, Only, Selects

#: Functions that keep the element type.
_UNARY = {
    "Absolute": "Abs",
    "Negative": "Neg",
    "Sign": "Sign",
    "Square": "Square",
    "Floor": "Floor",
    "Ceil": "Ceil",
    "Trunc": "Trunc",
    "Relu": "Relu",
    "BitwiseNot": "BitwiseNot",
    "BitwiseInvert": "BitwiseNot",
    "Isnan": "IsNaN",
    "Isinf": "IsInf",
    "Isfinite": "IsFinite",
    "StopGradient": "Identity",
    "Copy": "Identity",
}

#: Functions that make floats of integers first.
_FLOAT_UNARY = {
    "Sqrt": "Sqrt",
    "Rsqrt": "Rsqrt",
    "Reciprocal": "Reciprocal",
    "Exp": "Exp",
    "Exp2": "Exp2",
    "Expm1": "Expm1",
    "Log": "Log",
    "Log1p": "Log1p",
    "Log2": "Log2",
    "Log10": "Log10",
    "Sin": "Sin",
    "Cos": "Cos",
    "Tan": "Tan",
    "Arcsin": "Asin",
    "Arccos": "Acos",
    "Arctan": "Atan",
    "Sinh": "Sinh",
    "Cosh": "Cosh",
    "Tanh": "Tanh",
    "Arcsinh": "Asinh",
    "Arccosh": "Acosh",
    "Arctanh": "Atanh",
    "Erf": "Erf",
    "Sigmoid": "Sigmoid",
    "Softplus": "Softplus",
    "Softsign": "Softsign",
    "Silu": "Silu",
    "Selu": "Selu",
    "HardSilu": "HardSwish",
    "LogSigmoid": "LogSigmoid",
    "TanhShrink": "TanhShrink",
    "SparsePlus": "SparsePlus",
}

_BINARY = {
    "Add": "Add",
    "Subtract": "Sub",
    "Multiply": "Mul",
    "FloorDivide": "FloorDiv",
    "Power": "Pow",
    "Maximum": "Maximum",
    "Minimum": "Minimum",
    "Equal": "Equal",
    "NotEqual": "NotEqual",
    "Less": "Less",
    "LessEqual": "LessOrEqual",
    "Greater": "Greater",
    "GreaterEqual": "GreaterOrEqual",
    "BitwiseAnd": "BitwiseAnd",
    "BitwiseOr": "BitwiseOr",
    "BitwiseXor": "BitwiseXor",
}

_FLOAT_BINARY = {"TrueDivide": "Div", "Divide": "Div", "Arctan2": "Atan2"}

_LOGICAL = {"LogicalAnd": "And", "LogicalOr": "Or", "LogicalXor": "Xor"}

#: Activations with settings: (type, fixed fields, setting -> (field, default)).
_ACTIVATIONS: Mapping[str, tuple[str, dict[str, Any], dict[str, tuple[str, float]]]] = {
    "Relu6": ("Clip", {"low": 0.0, "high": 6.0}, {}),
    "HardTanh": ("Clip", {"low": -1.0, "high": 1.0}, {}),
    "HardSigmoid": ("HardSigmoid", {"slope": 1 / 6, "offset": 0.5}, {}),
    "SparseSigmoid": ("HardSigmoid", {"slope": 0.5, "offset": 0.5}, {}),
    "LeakyRelu": ("LeakyRelu", {}, {"negative_slope": ("slope", 0.2)}),
    "Elu": ("Elu", {}, {"alpha": ("alpha", 1.0)}),
    "Celu": ("Celu", {}, {"alpha": ("alpha", 1.0)}),
    "HardShrink": ("HardShrink", {}, {"threshold": ("threshold", 0.5)}),
    "SoftShrink": ("SoftShrink", {}, {"threshold": ("threshold", 0.5)}),
    "Squareplus": ("Squareplus", {}, {"b": ("b", 4.0)}),
    "Threshold": ("Threshold", {}, {"threshold": ("threshold", 0.0), "default_value": ("value", 0.0)}),
}

#: Activations along an axis, the last unless said.
_ALONG = {
    "Softmax": ("Softmax", {}),
    "LogSoftmax": ("LogSoftmax", {}),
    "Glu": ("Glu", {}),
    "Sparsemax": ("Sparsemax", {"tau_of": "keras"}),
}


def _op(native: str, layer: str, *rows: Row) -> Codec:
    return Codec(f"ops.{native}", layer_class(layer), EVERY_OP, *rows)


def _activation(native: str) -> Codec:
    layer, fixed, settings = _ACTIVATIONS[native]
    defaults = {name: default for name, (_, default) in settings.items()}
    rows = [Only(name, value) for name, value in fixed.items()]
    attributes = [Attribute(name, field, FLOAT32) for name, (field, _) in settings.items()]
    return _op(native, layer, Defaults(defaults), Promoted(floats=True), *rows, *attributes)


def _along(native: str) -> Codec:
    layer, fixed = _ALONG[native]
    rows = [Only(name, value) for name, value in fixed.items()]
    return _op(native, layer, Defaults({"axis": -1}), Promoted(floats=True), AxisNumber("axis"), *rows)


READ = [_op("SimplexSparsemax", "Sparsemax", AxisNumber("axis"), Only("tau_of", "simplex"))]
"""TensorFlow Addons' sparsemax, which is not Keras'. It is read only."""

_APPROXIMATIONS = ((True, "tanh"), (False, "none"))

CODECS: list[Codec] = [
    *(_op(native, layer) for native, layer in _UNARY.items()),
    *(_op(native, layer, Promoted(floats=True)) for native, layer in _FLOAT_UNARY.items()),
    *(_op(native, layer, Promoted()) for native, layer in _BINARY.items()),
    *(_op(native, layer, Promoted(floats=True), OfFloats()) for native, layer in _FLOAT_BINARY.items()),
    *(_op(native, layer, CastInput("x0", "bool"), CastInput("x1", "bool")) for native, layer in _LOGICAL.items()),
    _op("LogicalNot", "Not", CastInput("x", "bool")),
    _op("Mod", "Mod", Promoted(), Only("sign", "divisor")),
    _op("Fmod", "Mod", Promoted(), Only("sign", "dividend")),
    *(_activation(native) for native in _ACTIVATIONS),
    *(_along(native) for native in _ALONG),
    *(
        _op("Gelu", "Gelu", Promoted(floats=True), Selects("approximate", said), Only("approximation", meant))
        for said, meant in _APPROXIMATIONS
    ),
    _op("Round", "Round", Defaults({"decimals": 0}), Fixed("decimals", 0)),
    Codec("ops.Where", Where, EVERY_OP, CastInput("condition", "bool"), Promoted(leave=("condition",))),
    Codec("ops.Cast", Cast, Attribute("dtype"), EVERY_OP),
    Codec("ops.Clip", Clip, EVERY_OP, Attribute("x_min", "low", FLOAT32), Attribute("x_max", "high", FLOAT32)),
]
