"""Pools over windows: ONNX ops <-> IR layers."""

from __future__ import annotations

from typing import Any

from irconv.codec import Codec, Row
from irconv.frameworks.onnx.table.rows import FLAG, OnnxPadding
from irconv.ir.layers.pooling import AveragePool, MaxPool
from irconv.rows import TUPLE, Attribute, Input


def _window(native: str, layer: type[Any], *rows: Row) -> Codec:
    kernel, stride = Attribute("kernel_shape", "kernel", TUPLE), Attribute("strides", "stride", TUPLE)
    return Codec(native, layer, Input("x"), kernel, stride, OnnxPadding(), Attribute("ceil_mode", iso=FLAG), *rows)


CODECS: list[Codec] = [
    _window("MaxPool", MaxPool, Attribute("dilations", "dilation", TUPLE)),
    _window("AveragePool", AveragePool, Attribute("count_include_pad", "count_padding", FLAG)),
]
