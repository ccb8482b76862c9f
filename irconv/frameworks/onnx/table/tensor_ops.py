"""Ops that move or combine values: ONNX ops <-> IR layers."""

from __future__ import annotations

from irconv.codec import Codec
from irconv.frameworks.onnx.table.rows import FLAG, AllAxes, ShapeInput, flat_pads, paired_pads, unary
from irconv.ir.layers.tensor_ops import Add, Concat, Constant, Flatten, Identity, Mul, Pad, Reduce, Reshape
from irconv.rows import TUPLE, Attribute, ConstantInput, Fixed, Input, InputCount, Iso, Only, Weight


def _reduce(native: str, op: str) -> Codec:
    axes, keepdims = ConstantInput("axes", "axes", "int64", TUPLE), Attribute("keepdims", iso=FLAG)
    return Codec(native, Reduce, Input("x"), axes, keepdims, Only("op", op))


CODECS: list[Codec] = [
    _reduce("ReduceMean", "mean"),
    _reduce("ReduceSum", "sum"),
    _reduce("ReduceMax", "max"),
    _reduce("ReduceMin", "min"),
    Codec("Flatten", Flatten, Input("x"), Fixed("axis", 1), Only("start_axis", 1)),
    Codec("Reshape", Reshape, Input("x"), ShapeInput()),
    unary("Transpose", "Transpose", Attribute("perm", "permutation", TUPLE)),
    Codec("Add", Add, InputCount(2)),
    Codec("Sum", Add),
    Codec("Mul", Mul, InputCount(2)),
    Codec("Concat", Concat, Attribute("axis")),
    Codec("Constant", Constant, Weight("value", "value", "*a")),
    Codec(
        "Pad",
        Pad,
        Input("x"),
        ConstantInput("pads", "pads", "int64", Iso(paired_pads, flat_pads)),
        ConstantInput("value", "value", "float32"),
        AllAxes(),
    ),
    Codec("Identity", Identity, Input("x")),
]
