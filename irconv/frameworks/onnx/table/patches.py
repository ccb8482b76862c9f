"""Windows cut out and put back, channels and space: ONNX ops <-> IR layers."""

from __future__ import annotations

from irconv.codec import Codec
from irconv.frameworks.onnx.table.rows import SizesInput, flat_pads, paired_pads, unary, whole
from irconv.ir.layers.patches import Fold
from irconv.rows import TUPLE, Attribute, ConstantInput, Input, Iso, Only

CODECS: list[Codec] = [
    Codec(
        "Col2Im",
        Fold,
        Input("x"),
        SizesInput("image_shape", "output_size", whole("output_size"), tuple),
        ConstantInput("block_shape", "kernel", "int64", TUPLE),
        Attribute("strides", "stride", TUPLE),
        Attribute("dilations", "dilation", TUPLE),
        Attribute("pads", "padding", Iso(paired_pads, flat_pads)),
    ),
    unary("DepthToSpace", "DepthToSpace", Attribute("blocksize", "block"), Attribute("mode")),
    unary("SpaceToDepth", "SpaceToDepth", Attribute("blocksize", "block"), Only("mode", "DCR")),
]
