"""Linear algebra: ONNX ops <-> IR layers."""

from __future__ import annotations

from irconv.codec import Codec
from irconv.frameworks.onnx.table.rows import FLAG, unary
from irconv.ir.layers.matrix import Einsum, MatMul, Trilu
from irconv.rows import Attribute, ConstantInput, Input

CODECS: list[Codec] = [
    Codec("MatMul", MatMul, Input("left"), Input("right")),
    Codec("Einsum", Einsum, Attribute("equation")),
    unary("Det", "Determinant"),
    Codec("Trilu", Trilu, Input("x"), ConstantInput("k", "diagonal", "int64"), Attribute("upper", iso=FLAG)),
]
