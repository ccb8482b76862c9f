"""Functions of each element alone: TensorFlow ops <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.codec import Codec
from irconv.ir.layers.base import ValueType
from irconv.rows import Attribute, Ignored, Input, InputCount, Inputs, Only
from irconv.vocabularies.tensorflow.rows import FLOAT32, Count, Kernel, op

_UNARY = (
    "Abs Neg Sign Square Floor Ceil Sqrt Rsqrt Reciprocal Exp Expm1 Log Log1p Sin Cos Tan Asin Acos Atan Sinh Cosh "
    "Asinh Acosh Atanh Erf Relu Selu Softplus Softsign Sigmoid Tanh Round IsFinite IsInf IsNan=IsNaN "
    "Inv=Reciprocal Rint=Round"
)
_BINARY = (
    "Sub Pow Atan2 Less LessEqual=LessOrEqual Greater GreaterEqual=GreaterOrEqual BitwiseAnd BitwiseOr BitwiseXor Div"
)
_LOGIC = "LogicalAnd=And LogicalOr=Or"


def _words(text: str) -> list[tuple[str, str]]:
    pairs = (word.partition("=") for word in text.split())
    return [(native, layer or native) for native, _, layer in pairs]


def _fractions(fields: Mapping[str, Any], given: Mapping[str, ValueType]) -> bool:
    return "float" in given["x0"].dtype


def _integers(fields: Mapping[str, Any], given: Mapping[str, ValueType]) -> bool:
    return "int" in given["x0"].dtype


def _alike(fields: Mapping[str, Any], given: Mapping[str, ValueType]) -> bool:
    return len({kind.shape for slot, kind in given.items() if slot.startswith("x")}) == 1


CODECS: list[Codec] = [
    *(op(native, layer, Input("x")) for native, layer in _words(_UNARY)),
    op("RealDiv", "Div", Kernel("divides fractions", _fractions), Input("x0"), Input("x1"), types="T=x0"),
    *(op(native, layer, Input("x0"), Input("x1"), types="T=x0") for native, layer in _words(_BINARY)),
    op("FloorDiv", "FloorDiv", Kernel("divides integers", _integers), Input("x0"), Input("x1"), types="T=x0"),
    *(
        op(native, "BitShift", Input("x0"), Input("x1"), Only("direction", direction), types="T=x0")
        for native, direction in (("LeftShift", "left"), ("RightShift", "right"))
    ),
    *(op(native, layer, Input("x0"), Input("x1"), types="") for native, layer in _words(_LOGIC)),
    *(
        op(native, native, Input("x0"), Input("x1"), Ignored("incompatible_shape_error"), types="T=x0")
        for native in ("Equal", "NotEqual")
    ),
    op("AddV2", "Add", InputCount(2), Inputs(), types="T=x0"),
    op("Add", "Add", InputCount(2), Inputs(), types="T=x0"),
    op("AddN", "Add", Kernel("adds up values of one shape", _alike), Inputs(), Count(), types="T=x0"),
    op("Mul", "Mul", InputCount(2), Inputs(), types="T=x0"),
    op("Maximum", "Maximum", InputCount(2), Inputs(), types="T=x0"),
    op("Minimum", "Minimum", InputCount(2), Inputs(), types="T=x0"),
    op("FloorMod", "Mod", Input("x0"), Input("x1"), Only("sign", "divisor"), types="T=x0"),
    op("TruncateMod", "Mod", Input("x0"), Input("x1"), Only("sign", "dividend"), types="T=x0"),
    op("Mod", "Mod", Input("x0"), Input("x1"), Only("sign", "dividend"), types="T=x0"),
    op("Identity", "Identity", Input("x")),
    op("LogicalNot", "Not", Input("x"), types=""),
    op("Invert", "BitwiseNot", Input("x")),
    op("Relu6", "Clip", Input("x"), Only("low", 0.0), Only("high", 6.0)),
    op("Elu", "Elu", Input("x"), Only("alpha", 1.0)),
    op("LeakyRelu", "LeakyRelu", Input("x"), Attribute("alpha", "slope", FLOAT32)),
    op("SelectV2", "Where", Input("condition"), Input("x0"), Input("x1"), types="T=x0"),
]
