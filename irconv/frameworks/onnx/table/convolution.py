"""Convolutions and affine maps: ONNX ops <-> IR layers."""

from __future__ import annotations

from typing import Any

from irconv.codec import Codec, Draft
from irconv.frameworks.onnx.table.rows import OnnxPadding
from irconv.ir.layers.convolution import Conv, Linear
from irconv.rows import TUPLE, Attribute, Derived, Fixed, Input, Rank, Weight


def _kernel_shape(draft: Draft) -> Any:
    return list(draft.types["kernel"].shape[2:])


CODECS: list[Codec] = [
    Codec(
        "Conv",
        Conv,
        Input("x"),
        Weight("weight", "kernel", "out in *k", positional=True),
        Weight("bias", "bias", "out", positional=True),
        Attribute("strides", "stride", TUPLE),
        Attribute("dilations", "dilation", TUPLE),
        Attribute("group", "groups"),
        OnnxPadding(),
        Derived("kernel_shape", _kernel_shape),
    ),
    Codec(
        "Gemm",
        Linear,
        Rank((2,)),
        Input("x"),
        Weight("weight", "kernel", "out in", positional=True),
        Weight("bias", "bias", "out", positional=True),
        Fixed("transB", 1),
    ),
    Codec("MatMul", Linear, Input("x"), Weight("weight", "kernel", "in out", positional=True)),
]
