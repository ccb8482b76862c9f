"""Convolutions and affine maps: Keras layers <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.codec import Codec
from irconv.frameworks.keras.table.rows import (
    EVERY_LAYER,
    IMAGE,
    KERNEL_TRAINING,
    DepthwiseGroups,
    filters,
    kernel_size,
    padding_of_rank,
)
from irconv.ir.layers.convolution import Conv, Linear
from irconv.rows import TUPLE, Attribute, Axes, Derived, Fixed, Ignored, Present, Weight


def _multiplier(config: Mapping[str, Any]) -> dict[str, int]:
    """Known when written; when read, the kernel's shape has it."""
    known = {"m": config["depth_multiplier"]} if "depth_multiplier" in config else {}
    return {"one": 1, **known}


def _conv(spatial: int) -> Codec:
    return Codec(
        f"Conv{spatial}D",
        Conv,
        EVERY_LAYER,
        KERNEL_TRAINING,
        Fixed("activation", "linear"),
        Axes("data_format", IMAGE),
        Attribute("strides", "stride", TUPLE),
        Attribute("dilation_rate", "dilation", TUPLE),
        Attribute("groups"),
        Attribute("padding", iso=padding_of_rank(spatial)),
        Weight("kernel", "kernel", {"correlation": "*k in out", "convolution": "~*k in out"}, by="kernel_order"),
        Weight("bias", "bias", "out"),
        Present("use_bias", "bias"),
        Derived("filters", filters),
        Derived("kernel_size", kernel_size),
    )


CODECS: list[Codec] = [
    *(_conv(spatial) for spatial in (1, 2, 3)),
    Codec(
        "DepthwiseConv2D",
        Conv,
        EVERY_LAYER,
        KERNEL_TRAINING,
        Ignored("depthwise_initializer depthwise_regularizer depthwise_constraint"),
        Fixed("activation", "linear"),
        Axes("data_format", IMAGE),
        Attribute("strides", "stride", TUPLE),
        Attribute("dilation_rate", "dilation", TUPLE),
        DepthwiseGroups(),
        Fixed("groups", 1),
        Attribute("padding", iso=padding_of_rank(2)),
        Weight("depthwise_kernel", "kernel", "*k c (m one)", target="(c m) one *k", sizes=_multiplier),
        Weight("bias", "bias", "out"),
        Present("use_bias", "bias"),
        Derived("kernel_size", kernel_size),
    ),
    Codec(
        "Dense",
        Linear,
        EVERY_LAYER,
        KERNEL_TRAINING,
        Ignored("input_dim"),
        Fixed("activation", "linear"),
        Weight("kernel", "kernel", "in out"),
        Weight("bias", "bias", "out"),
        Present("use_bias", "bias"),
        Derived("units", filters),
    ),
]
