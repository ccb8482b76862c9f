"""Networks that `keras.applications` lacks, whose layouts are harder: built of Keras' own layers, random weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def shuffle_net(size: int) -> Any:
    """ShuffleNet (Zhang et al. 2017) with three groups: a channel shuffle in each of its six units; needs Keras."""
    from keras import Input, Model, layers

    def unit(x: Any, channels: int, stride: int) -> Any:
        given, groups = x.shape[-1], 3
        narrow, wide = channels // 4 // groups * groups, channels - given if stride == 2 else channels
        y = layers.Conv2D(narrow, 1, groups=1 if given % groups else groups, use_bias=False)(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        height, width = y.shape[1:3]
        y = layers.Reshape((height, width, groups, narrow // groups))(y)
        y = layers.Permute((1, 2, 4, 3))(y)
        y = layers.Reshape((height, width, narrow))(y)
        y = layers.BatchNormalization()(layers.DepthwiseConv2D(3, stride, "same", use_bias=False)(y))
        y = layers.BatchNormalization()(layers.Conv2D(wide, 1, groups=groups, use_bias=False)(y))
        if stride == 1:
            return layers.ReLU()(layers.Add()([x, y]))
        return layers.ReLU()(layers.Concatenate()([layers.AveragePooling2D(3, stride, "same")(x), y]))

    images = Input((size, size, 3))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(24, 3, 2, "same", use_bias=False)(images)))
    x = layers.MaxPooling2D(3, 2, "same")(x)
    for channels in (60, 120):
        for stride in (2, 1, 1):
            x = unit(x, channels, stride)
    return Model(images, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def vision_transformer(size: int) -> Any:
    """ViT (Dosovitskiy et al. 2020): patches by a convolution, tokens by a Reshape, two blocks; needs Keras."""
    from keras import Input, Model, layers

    patch, width = 8, 48
    images = Input((size, size, 3))
    x = layers.Conv2D(width, patch, patch)(images)
    x = layers.Reshape(((size // patch) ** 2, width))(x)
    for _ in range(2):
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        x = layers.Add()([x, layers.MultiHeadAttention(4, width // 4)(y, y)])
        y = layers.Dense(4 * width, activation="gelu")(layers.LayerNormalization(epsilon=1e-6)(x))
        x = layers.Add()([x, layers.Dense(width)(y)])
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    return Model(images, layers.Dense(10)(layers.GlobalAveragePooling1D()(x)))


#: Name -> a function of the height and width of the input.
NETWORKS: Mapping[str, Callable[[int], Any]] = {"ShuffleNet": shuffle_net, "ViT": vision_transformer}
