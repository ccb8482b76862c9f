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
from irconv.frameworks.keras.table.windows import CausalPadding, KernelSize, TransposedPadding
from irconv.ir.layers.convolution import Conv, ConvTranspose, Linear
from irconv.ir.layers.patches import LocallyConnected
from irconv.rows import TUPLE, Attribute, Axes, Derived, Fixed, Ignored, Only, Present, Rank, Weight


def _multiplier(config: Mapping[str, Any]) -> dict[str, int]:
    """Known when written; when read, the kernel's shape has it."""
    known = {"m": config["depth_multiplier"]} if "depth_multiplier" in config else {}
    return {"one": 1, **known}


#: How kernels lie, by the knob that `spelling` and `keras1` set: Theano turns them, Keras 1 has them otherwise with
#: ``dim_ordering="th"``. The first is what is written.
_ORDERS = {
    "correlation": "*k in out",
    "convolution": "~*k in out",
    "keras_1_th_correlation": "out in *k",
    "keras_1_th_convolution": "out in ~*k",
    "keras_1_correlation": "*k one in out",
    "keras_1_convolution": "~*k one in out",
    "old_keras_1_correlation": "out in *k one",
    "old_keras_1_convolution": "out in ~*k one",
}
#: One spatial axis of Keras 1 is one of two, of which the other has length 1.
_TARGETS = dict.fromkeys(
    (f"{old}keras_1_{turned}" for old in ("", "old_") for turned in ("correlation", "convolution")), "out (in one) *k"
)
_TRANSPOSED_ORDERS = {
    "correlation": "*k out in",
    "convolution": "~*k out in",
    "keras_1_tf_correlation": "*k in out",
    "keras_1_tf_convolution": "~*k in out",
    "keras_1_th_correlation": "out in *k",
    "keras_1_th_convolution": "out in ~*k",
}


def _conv(spatial: int) -> Codec:
    return Codec(
        f"Conv{spatial}D",
        Conv,
        EVERY_LAYER,
        KERNEL_TRAINING,
        Fixed("activation", "linear"),
        Rank((spatial + 2,)),
        Axes("data_format", IMAGE),
        Attribute("strides", "stride", TUPLE),
        Attribute("dilation_rate", "dilation", TUPLE),
        Attribute("groups"),
        Weight("kernel", "kernel", _ORDERS, by="kernel_order", target=_TARGETS, sizes=lambda _: {"one": 1}),
        CausalPadding() if spatial == 1 else Attribute("padding", iso=padding_of_rank(spatial)),
        Weight("bias", "bias", "out"),
        Present("use_bias", "bias"),
        Derived("filters", filters),
        Derived("kernel_size", kernel_size),
    )


def _depthwise(spatial: int) -> Codec:
    return Codec(
        f"DepthwiseConv{spatial}D",
        Conv,
        EVERY_LAYER,
        KERNEL_TRAINING,
        Ignored("depthwise_initializer depthwise_regularizer depthwise_constraint"),
        Fixed("activation", "linear"),
        Rank((spatial + 2,)),
        Axes("data_format", IMAGE),
        Attribute("strides", "stride", TUPLE),
        Attribute("dilation_rate", "dilation", TUPLE),
        DepthwiseGroups(),
        Fixed("groups", 1),
        Weight("depthwise_kernel", "kernel", "*k c (m one)", target="(c m) one *k", sizes=_multiplier),
        CausalPadding() if spatial == 1 else Attribute("padding", iso=padding_of_rank(spatial)),
        Weight("bias", "bias", "out"),
        Present("use_bias", "bias"),
        Derived("kernel_size", kernel_size),
    )


def _transposed(spatial: int) -> Codec:
    return Codec(
        f"Conv{spatial}DTranspose",
        ConvTranspose,
        EVERY_LAYER,
        KERNEL_TRAINING,
        Fixed("activation", "linear"),
        Rank((spatial + 2,)),
        Axes("data_format", IMAGE),
        Attribute("strides", "stride", TUPLE),
        Attribute("dilation_rate", "dilation", TUPLE),
        Fixed("groups", 1),
        Only("groups", 1),
        Weight("kernel", "kernel", _TRANSPOSED_ORDERS, by="kernel_order"),
        TransposedPadding(),
        Weight("bias", "bias", "out"),
        Present("use_bias", "bias"),
        Derived("filters", lambda draft: draft.types["kernel"].shape[1]),
        Derived("kernel_size", kernel_size),
    )


def _locally_connected(spatial: int) -> Codec:
    places = " ".join(f"k{axis}" for axis in range(spatial))
    orders = {"channels_last": f"position ({places} c) out", "channels_first": f"position (c {places}) out"}

    def sizes(config: Mapping[str, Any]) -> dict[str, int]:
        return {f"k{axis}": size for axis, size in enumerate(config["kernel_size"])}

    return Codec(
        f"LocallyConnected{spatial}D",
        LocallyConnected,
        EVERY_LAYER,
        KERNEL_TRAINING,
        Rank((spatial + 2,)),
        Fixed("activation", "linear"),
        Fixed("implementation", 1),
        Fixed("padding", "valid"),
        Only("padding", ((0, 0),) * spatial),
        Only("dilation", (1,) * spatial),
        Attribute("strides", "stride", TUPLE),
        KernelSize(),
        Weight("kernel", "kernel", orders, by="window_order", target=f"position out (c {places})", sizes=sizes),
        Ignored("kernel_size"),
        Weight("bias", "bias", "*s out"),
        Present("use_bias", "bias"),
        Derived("filters", lambda draft: draft.types["kernel"].shape[1]),
        Axes("data_format", IMAGE),
    )


CODECS: list[Codec] = [
    *(_conv(spatial) for spatial in (1, 2, 3)),
    *(_depthwise(spatial) for spatial in (1, 2)),
    *(_transposed(spatial) for spatial in (1, 2, 3)),
    *(_locally_connected(spatial) for spatial in (1, 2)),
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
