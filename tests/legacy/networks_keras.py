"""Networks of Keras 3 and of old Keras alike: `NETWORKS`, by name, each built of layers that it is given.

The module imports no Keras, so that a Python 3.7 with Theano can build the same (`theano_networks.py`).
"""

# ruff: noqa: B905  (it runs under Python 3.7, too)

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def lenet(keras: Any) -> Any:
    """LeNet-5 (LeCun et al. 1998), with the ReLUs and maxima of later ones."""
    layers = keras.layers
    images = keras.Input((28, 28, 1))
    x = layers.Conv2D(6, 5, padding="same", activation="relu")(images)
    x = layers.Conv2D(16, 5, activation="relu")(layers.MaxPooling2D(2)(x))
    x = layers.Flatten()(layers.MaxPooling2D(2)(x))
    x = layers.Dense(84, activation="relu")(layers.Dense(120, activation="relu")(x))
    return keras.Model(images, layers.Dense(10, activation="softmax")(x))


def unet(keras: Any) -> Any:
    """U-Net (Ronneberger et al. 2015) of three scales, with norms: one way up by repetition, one by a deconvolution."""
    layers = keras.layers

    def block(x: Any, channels: int) -> Any:
        for _ in range(2):
            x = layers.Conv2D(channels, 3, padding="same", use_bias=False)(x)
            x = layers.Activation("relu")(layers.BatchNormalization()(x))
        return x

    images = keras.Input((48, 40, 3))
    first = block(images, 8)
    second = block(layers.MaxPooling2D(2)(first), 16)
    x = block(layers.MaxPooling2D(2)(second), 32)
    x = layers.Conv2D(16, 2, padding="same", activation="relu")(layers.UpSampling2D(2)(x))
    x = block(layers.Concatenate()([second, x]), 16)
    x = layers.Conv2DTranspose(8, 2, strides=2, activation="relu")(x)
    x = block(layers.Concatenate()([first, x]), 8)
    return keras.Model(images, layers.Conv2D(2, 1, activation="sigmoid")(x))


def resnet50(keras: Any) -> Any:
    return keras.applications.ResNet50(weights=None, input_shape=(64, 64, 3), classes=10)


def mobilenet_v2(keras: Any) -> Any:
    return keras.applications.MobileNetV2(weights=None, input_shape=(64, 64, 3), classes=10)


def lstm(keras: Any) -> Any:
    """Two LSTMs over a sequence, the first in both directions."""
    layers = keras.layers
    steps = keras.Input((11, 7))
    x = layers.Bidirectional(layers.LSTM(9, return_sequences=True))(steps)
    return keras.Model(steps, layers.Dense(5, activation="softmax")(layers.LSTM(8)(x)))


def bert(keras: Any) -> Any:
    """An encoder like BERT's (Devlin et al. 2018): words and their places, two blocks of attention, a pooled answer."""
    layers = keras.layers
    words = keras.Input((13,), dtype="int32")
    places = keras.Input((13,), dtype="int32")
    x = layers.Add()([layers.Embedding(97, 24)(words), layers.Embedding(13, 24)(places)])
    x = layers.LayerNormalization(epsilon=1e-12)(x)
    for _ in range(2):
        y = layers.MultiHeadAttention(3, 8)(x, x)
        x = layers.LayerNormalization(epsilon=1e-12)(layers.Add()([x, y]))
        y = layers.Dense(24)(layers.Dense(40, activation="gelu")(x))
        x = layers.LayerNormalization(epsilon=1e-12)(layers.Add()([x, y]))
    x = layers.Dense(24, activation="tanh")(layers.Cropping1D((0, 12))(x))
    return keras.Model([words, places], layers.Dense(2)(layers.Flatten()(x)))


NETWORKS: dict[str, Callable[[Any], Any]] = {
    "LeNet": lenet,
    "UNet": unet,
    "ResNet50": resnet50,
    "MobileNetV2": mobilenet_v2,
    "LSTM": lstm,
    "BERT": bert,
}


def randomised(model: Any, random: Any) -> None:
    """Weights that are nobody's defaults, and keep values from growing: norms have statistics of their own."""
    for layer in model.layers:
        layer.set_weights(
            [_array(weight.name, given, random) for weight, given in zip(layer.weights, layer.get_weights())]
        )
    last = model.layers[-1]
    last.set_weights([0.1 * weight for weight in last.get_weights()])  # or a softmax is 1 and 0, whatever it is given


def _array(name: str, given: Any, random: Any) -> Any:
    if "variance" in name:
        array = random.uniform(0.5, 1.5, given.shape)
    elif "gamma" in name:
        array = random.uniform(0.7, 1.3, given.shape)
    elif given.ndim < 2:
        array = 0.1 * random.standard_normal(given.shape)
    else:
        array = given + 0.02 * random.standard_normal(given.shape)
    return array.astype(given.dtype)
