"""Comparisons, logic, bits, choice and element types: ONNX ops <-> IR layers of the same names."""

from __future__ import annotations

from onnx import helper

from irconv.codec import Codec, Row
from irconv.frameworks.onnx.table.rows import unary
from irconv.ir.dtypes import logical_name, numpy_dtype
from irconv.ir.layers import layer_class
from irconv.ir.layers.comparisons import Where
from irconv.rows import Attribute, Input, Iso


def binary(native: str, layer: str, *rows: Row) -> Codec:
    """An op of two inputs."""
    return Codec(native, layer_class(layer), Input("x0"), Input("x1"), *rows)


_SAME = "Equal Less LessOrEqual Greater GreaterOrEqual And Or Xor BitwiseAnd BitwiseOr BitwiseXor"
_DTYPE = Iso(
    lambda number: logical_name(helper.tensor_dtype_to_np_dtype(number)),
    lambda name: int(helper.np_dtype_to_tensor_dtype(numpy_dtype(name))),
)

CODECS: list[Codec] = [
    *(binary(name, name) for name in _SAME.split()),
    binary("BitShift", "BitShift", Attribute("direction", iso=Iso(str.lower, str.upper))),
    Codec("Where", Where, Input("condition"), Input("x0"), Input("x1")),
    unary("Cast", "Cast", Attribute("to", "dtype", _DTYPE)),
    unary("BitCast", "BitCast", Attribute("to", "dtype", _DTYPE), since=26),
]
