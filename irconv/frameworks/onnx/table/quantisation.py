"""Quantised numbers: ONNX ops <-> IR layers."""

from __future__ import annotations

from irconv.codec import Codec, Row
from irconv.ir.layers.base import Layer
from irconv.ir.layers.quantisation import DequantizeLinear, DynamicQuantizeLinear, QuantizeLinear
from irconv.rows import Input, Only, OptionalAttribute, Output, Weight


def _linear(native: str, layer: type[Layer], *rows: Row) -> Codec:
    scale = Weight("scale", "scale", "*q", positional=True)
    zero_point = Weight("zero_point", "zero_point", "*q", positional=True)
    return Codec(native, layer, Input("x"), scale, zero_point, OptionalAttribute("axis", "axis"), *rows, since=19)


CODECS: list[Codec] = [
    _linear("QuantizeLinear", QuantizeLinear, Only("rounds", "quotient")),
    _linear("DequantizeLinear", DequantizeLinear),
    Codec(
        "DynamicQuantizeLinear",
        DynamicQuantizeLinear,
        Input("x"),
        Output("y"),
        Output("scale"),
        Output("zero_point"),
    ),
]
