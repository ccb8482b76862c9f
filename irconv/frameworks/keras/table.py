"""Keras 2 layers <-> IR layers. `normalise` has run: activations are layers of their own, settings of all versions are
those of the newest Keras 2."""

from __future__ import annotations

from typing import Any

from irconv.codec import Codec, Draft, Row, Table
from irconv.ir.dtypes import shortest_float32
from irconv.ir.layers import layer_class
from irconv.ir.layers.activations import (
    Clip,
    Elu,
    Gelu,
    GeneralRelu,
    HardSigmoid,
    LeakyRelu,
    Relu,
    Softmax,
    ThresholdedRelu,
)
from irconv.ir.layers.convolution import Conv, Linear
from irconv.ir.layers.normalisation import BatchNorm, Dropout
from irconv.ir.layers.pooling import AveragePool, MaxPool
from irconv.ir.layers.tensor_ops import Add, Concat, Flatten, Identity, Pad, Reduce
from irconv.rows import (
    SAME,
    TUPLE,
    Attribute,
    Axes,
    AxisNumber,
    ChannelAxis,
    Derived,
    Fixed,
    Ignored,
    Iso,
    LastAxis,
    Only,
    Present,
    Selects,
    Weight,
)

EVERY_LAYER = Ignored("name trainable dtype batch_input_shape activity_regularizer")
KERNEL_TRAINING = Ignored(
    "kernel_initializer kernel_regularizer kernel_constraint bias_initializer bias_regularizer bias_constraint"
)
IMAGE = {"channels_last": "n *s c", "channels_first": "n c *s"}


def _padding_word(value: Any) -> str:
    words = {"same_upper": "same", "theano_half": "theano_half", "theano_pool_same": "theano_pool_same"}
    if isinstance(value, str) and value in words:
        return words[value]
    if not isinstance(value, str) and not any(map(any, value)):
        return "valid"
    raise ValueError(f"Keras knows valid and same padding only, got {value!r}")


def _padding(value: str) -> Any:
    modes = {"valid": ((0, 0), (0, 0)), "same": "same_upper"}
    if value not in (*modes, "theano_half", "theano_pool_same"):
        raise ValueError(f"expected valid or same, got {value!r}")
    return modes.get(value, value)


FLOAT32 = Iso(shortest_float32, SAME.encode)
PADDING = Iso(_padding, _padding_word)


def _without_batch_and_channels(pads: Any) -> list[list[int]]:
    if len(pads) != 4 or any(pads[0]) or any(pads[1]):
        raise ValueError(f"ZeroPadding2D pads height and width only, got {pads!r}")
    return [list(pair) for pair in pads[2:]]


SPATIAL_PADS = Iso(lambda pads: ((0, 0), (0, 0), *map(tuple, pads)), _without_batch_and_channels)


def _filters(draft: Draft) -> Any:
    return draft.types["kernel"].shape[0]


def _kernel_size(draft: Draft) -> Any:
    return list(draft.types["kernel"].shape[2:])


def _activation(word: str, layer: str, *rows: Row) -> Codec:
    return Codec("Activation", layer_class(layer), EVERY_LAYER, Selects("activation", word), *rows)


def _pool(native: str, layer: type[Any], *rows: Row) -> Codec:
    size, stride = Attribute("pool_size", "kernel", TUPLE), Attribute("strides", "stride", TUPLE)
    padding, axes = Attribute("padding", iso=PADDING), Axes("data_format", IMAGE)
    return Codec(native, layer, EVERY_LAYER, size, stride, padding, axes, Only("ceil_mode", False), *rows)


def _global_pool(native: str, op: str) -> Codec:
    whole = Only("axes", (2, 3))
    axes = Axes("data_format", IMAGE, takes="n c *s", gives="")
    return Codec(
        native, Reduce, EVERY_LAYER, axes, Only("op", op), whole, Fixed("keepdims", False), Only("keepdims", False)
    )


TABLE = Table(
    "Keras",
    [
        Codec(
            "Conv2D",
            Conv,
            EVERY_LAYER,
            KERNEL_TRAINING,
            Fixed("activation", "linear"),
            Axes("data_format", IMAGE),
            Attribute("strides", "stride", TUPLE),
            Attribute("dilation_rate", "dilation", TUPLE),
            Attribute("groups"),
            Attribute("padding", iso=PADDING),
            Weight("kernel", "kernel", {"correlation": "*k in out", "convolution": "~*k in out"}, by="kernel_order"),
            Weight("bias", "bias", "out"),
            Present("use_bias", "bias"),
            Derived("filters", _filters),
            Derived("kernel_size", _kernel_size),
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
            Derived("units", _filters),
        ),
        Codec(
            "BatchNormalization",
            BatchNorm,
            EVERY_LAYER,
            Ignored(
                "beta_initializer gamma_initializer moving_mean_initializer moving_variance_initializer "
                "beta_regularizer gamma_regularizer beta_constraint gamma_constraint synchronized fused"
            ),
            Fixed("renorm", False),
            Ignored("renorm_clipping renorm_momentum"),
            Fixed("virtual_batch_size", None),
            ChannelAxis("axis"),
            Attribute("epsilon", iso=FLOAT32),
            Attribute("momentum", iso=FLOAT32),
            Weight("gamma", "gamma", "c"),
            Weight("beta", "beta", "c"),
            Weight("moving_mean", "mean", "c"),
            Weight("moving_variance", "variance", "c"),
            Present("scale", "gamma"),
            Present("center", "beta"),
        ),
        _pool("MaxPooling2D", MaxPool, Only("dilation", (1, 1))),
        _pool("AveragePooling2D", AveragePool, Only("count_padding", False)),
        _global_pool("GlobalAveragePooling2D", "mean"),
        _global_pool("GlobalMaxPooling2D", "max"),
        # channels_first flattens in the order of channels_last, so that weights fit either (since 2.1.6)
        Codec(
            "Flatten", Flatten, EVERY_LAYER, Axes("data_format", IMAGE, takes="n *s c", gives=""), Only("start_axis", 1)
        ),
        Codec("Dropout", Dropout, EVERY_LAYER, Ignored("noise_shape seed"), Attribute("rate", iso=FLOAT32)),
        Codec("Add", Add, EVERY_LAYER),
        Codec("Concatenate", Concat, EVERY_LAYER, AxisNumber("axis")),
        Codec(
            "ZeroPadding2D",
            Pad,
            EVERY_LAYER,
            Axes("data_format", IMAGE, takes="n c *s"),
            Attribute("padding", "pads", SPATIAL_PADS),
            Only("value", 0.0),
        ),
        Codec("Activation", Identity, EVERY_LAYER, Selects("activation", "linear")),
        _activation("relu", "Relu"),
        Codec("Activation", Clip, EVERY_LAYER, Selects("activation", "relu6"), Only("low", 0.0), Only("high", 6.0)),
        _activation("sigmoid", "Sigmoid"),
        _activation("tanh", "Tanh"),
        _activation("softplus", "Softplus"),
        _activation("softsign", "Softsign"),
        _activation("selu", "Selu"),
        _activation("exponential", "Exp"),
        _activation("swish", "Silu"),
        _activation("silu", "Silu"),
        Codec("Activation", Gelu, EVERY_LAYER, Selects("activation", "gelu"), Only("approximation", "none")),
        Codec("Activation", Elu, EVERY_LAYER, Selects("activation", "elu"), Only("alpha", 1.0)),
        Codec("Activation", Softmax, EVERY_LAYER, Selects("activation", "softmax"), LastAxis()),
        Codec(
            "Activation",
            HardSigmoid,
            EVERY_LAYER,
            Selects("activation", "hard_sigmoid"),
            Only("slope", 0.2),
            Only("offset", 0.5),
        ),
        Codec(
            "ReLU",
            Relu,
            EVERY_LAYER,
            Selects("max_value", None),
            Selects("negative_slope", 0.0),
            Selects("threshold", 0.0),
        ),
        Codec(
            "ReLU",
            LeakyRelu,
            EVERY_LAYER,
            Selects("max_value", None),
            Selects("threshold", 0.0),
            Attribute("negative_slope", "slope", FLOAT32),
        ),
        Codec(
            "ReLU",
            Clip,
            EVERY_LAYER,
            Selects("negative_slope", 0.0),
            Selects("threshold", 0.0),
            Attribute("max_value", "high", FLOAT32),
            Only("low", 0.0),
        ),
        Codec(
            "ReLU",
            GeneralRelu,
            EVERY_LAYER,
            Attribute("max_value", iso=FLOAT32),
            Attribute("negative_slope", iso=FLOAT32),
            Attribute("threshold", iso=FLOAT32),
        ),
        Codec("LeakyReLU", LeakyRelu, EVERY_LAYER, Attribute("alpha", "slope", FLOAT32)),
        Codec("ThresholdedReLU", ThresholdedRelu, EVERY_LAYER, Attribute("theta", "threshold", FLOAT32)),
        Codec("ELU", Elu, EVERY_LAYER, Attribute("alpha", iso=FLOAT32)),
        Codec("Softmax", Softmax, EVERY_LAYER, AxisNumber("axis")),
    ],
)
"""Every Keras layer irconv reads, one codec each; several where a setting decides what it is."""
