"""The settings of one layer as the newest Keras 2 spells them, whatever version wrote them: tables by kind.

What these tables make equal: settings that an older version did not have; names that changed; lists where others have
numbers; the backend, which becomes the knob ``kernel_order`` of every layer whose kernel Theano keeps turned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from irconv.frameworks.keras.facts import Facts

_IMAGE_LAST = {"data_format": "channels_last"}
_GLOBAL_POOL = {"keepdims": False, **_IMAGE_LAST}

#: Settings that later versions added, with the value that says what older ones did.
ADDED: Mapping[str, dict[str, Any]] = {
    "Conv1D": {"groups": 1, **_IMAGE_LAST, "dilation_rate": [1]},
    "Conv2D": {"groups": 1, **_IMAGE_LAST, "dilation_rate": [1, 1]},
    "Conv3D": {"groups": 1, **_IMAGE_LAST, "dilation_rate": [1, 1, 1]},
    "DepthwiseConv2D": {**_IMAGE_LAST, "dilation_rate": [1, 1]},
    "SeparableConv2D": {**_IMAGE_LAST, "dilation_rate": [1, 1]},
    "Flatten": _IMAGE_LAST,  # before 2.1.6: C order, whatever the data format
    **{f"{pool}Pooling{n}D": _IMAGE_LAST for pool in ("Max", "Average") for n in (1, 2, 3)},
    **{f"Global{pool}Pooling{n}D": _GLOBAL_POOL for pool in ("Max", "Average") for n in (1, 2, 3)},
    "Normalization": {"invert": False},
    "ReLU": {"max_value": None, "negative_slope": 0.0, "threshold": 0.0},
}

#: Layers with one axis, which some versions write as a list.
ONE_AXIS = {"BatchNormalization", "Normalization"}

#: Settings that Keras 3 renamed, by the name they had before.
RENAMED = {("LeakyReLU", "negative_slope"): "alpha"}

#: Names of activations that mean another function since Keras 3, and the word of the table for it.
NEW_MEANING = {"hard_sigmoid": "hard_sigmoid_of_keras_3"}

#: Layers whose kernel Keras on Theano keeps turned by 180 degrees: Theano computes the mathematical convolution.
#: DepthwiseConv2D and SeparableConv2D are not among them, their backend functions turn it back.
TURNED_ON_THEANO = {"Conv1D", "Conv2D", "Conv3D"}

#: How Keras on Theano pads SAME: other than TensorFlow for even windows and for some strides.
SAME_ON_THEANO = {
    **{f"Conv{n}D": "theano_half" for n in (1, 2, 3)},
    "DepthwiseConv2D": "theano_half",
    **{f"{pool}Pooling{n}D": "theano_pool_same" for pool in ("Max", "Average") for n in (1, 2, 3)},
}


def spelling(facts: Facts, kind: str, config: Mapping[str, Any], problem: Callable[[str], None]) -> dict[str, Any]:
    """The settings of a layer of this kind as the tables take them; what cannot be said is noted as a problem."""
    config = ADDED.get(kind, {}) | {RENAMED.get((kind, key), key): value for key, value in config.items()}
    if kind == "Activation" and facts.version >= 3 and config["activation"] in NEW_MEANING:
        config["activation"] = NEW_MEANING[config["activation"]]
    if config.get("quantization_config") is None:
        config.pop("quantization_config", None)
    if isinstance(config.get("dtype"), dict):  # Keras 3 writes a policy
        config["dtype"] = config["dtype"].get("config", {}).get("name")
    if config.get("dtype", "float32") not in ("float32", "float64"):
        problem(f"computes in {config['dtype']}, and irconv reads float32 and float64 layers")
    if kind in ONE_AXIS and isinstance(config.get("axis"), list) and len(config["axis"]) == 1:
        config["axis"] = config["axis"][0]  # tf.keras 1.15 and later write a list
    if kind in TURNED_ON_THEANO:
        config["kernel_order"] = "convolution" if facts.backend == "theano" else "correlation"
    if facts.backend == "theano" and kind in SAME_ON_THEANO and config.get("padding") == "same":
        config["padding"] = SAME_ON_THEANO[kind]
    return config
