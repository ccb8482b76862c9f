"""The settings of one layer as the newest Keras 2 spells them, whatever version wrote them: tables by kind.

What these tables make equal: settings that an older version did not have; names that changed; lists where others have
numbers; the backend, which becomes the knob ``kernel_order`` of every layer whose kernel Theano keeps turned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from irconv.frameworks.keras.facts import Facts
from irconv.frameworks.keras.precision import is_known

_IMAGE_LAST = {"data_format": "channels_last"}
_GLOBAL_POOL = {"keepdims": False, **_IMAGE_LAST}

#: Settings that later versions added, with the value that says what older ones did.
ADDED: Mapping[str, dict[str, Any]] = {
    "Conv1D": {"groups": 1, **_IMAGE_LAST, "dilation_rate": [1]},
    "Conv2D": {"groups": 1, **_IMAGE_LAST, "dilation_rate": [1, 1]},
    "Conv3D": {"groups": 1, **_IMAGE_LAST, "dilation_rate": [1, 1, 1]},
    **{
        f"{kind}{n}D{end}": {**more, **_IMAGE_LAST, "dilation_rate": [1] * n}
        for kind, end, more, ranks in (
            ("DepthwiseConv", "", {}, (1, 2)),
            ("SeparableConv", "", {}, (1, 2)),
            ("Conv", "Transpose", {"output_padding": None}, (1, 2, 3)),
        )
        for n in ranks
    },
    **{f"ZeroPadding{n}D": _IMAGE_LAST for n in (1, 2, 3)},
    **{f"Cropping{n}D": _IMAGE_LAST for n in (1, 2, 3)},
    "UpSampling2D": {"interpolation": "nearest", **_IMAGE_LAST},
    "UpSampling3D": _IMAGE_LAST,
    "Resizing": {
        "interpolation": "bilinear",
        "antialias": False,
        "crop_to_aspect_ratio": False,
        "pad_to_aspect_ratio": False,
        **_IMAGE_LAST,
    },
    "ops.Resize": {"interpolation": "bilinear"},
    "CenterCrop": _IMAGE_LAST,
    "LocallyConnected1D": {"implementation": 1},
    "LocallyConnected2D": {"implementation": 1},
    "Flatten": _IMAGE_LAST,  # before 2.1.6: C order, whatever the data format
    **{f"{pool}Pooling{n}D": _IMAGE_LAST for pool in ("Max", "Average") for n in (1, 2, 3)},
    **{f"Global{pool}Pooling{n}D": _GLOBAL_POOL for pool in ("Max", "Average") for n in (1, 2, 3)},
    "GRU": {"reset_after": False},
    "Normalization": {"invert": False, "mean": None, "variance": None},
    "ReLU": {"max_value": None, "negative_slope": 0.0, "threshold": 0.0},
}

#: Settings for one spatial axis that are a pair, where those of several are a list of pairs.
ONE_PAIR = {"ZeroPadding1D": "padding", "Cropping1D": "cropping"}

#: Layers that read between the elements of an image.
INTERPOLATED = {"UpSampling2D", "Resizing", "ops.Resize"}

#: A slice that leaves an axis as it is.
WHOLE = {"start": None, "stop": None, "step": None}

#: Layers with one axis, which some versions write as a list.
ONE_AXIS = {"BatchNormalization", "Normalization"}

#: Settings that Keras 3 renamed, by the name they had before.
RENAMED = {("LeakyReLU", "negative_slope"): "alpha"}

#: Names of activations that mean another function since Keras 3, and the word of the table for it.
NEW_MEANING = {"hard_sigmoid": "hard_sigmoid_of_keras_3"}

#: Layers whose kernel Keras on Theano keeps turned by 180 degrees: Theano computes the mathematical convolution.
#: DepthwiseConv2D and SeparableConv2D are not among them, their backend functions turn it back.
TURNED_ON_THEANO = {f"Conv{n}D{transpose}" for n in (1, 2, 3) for transpose in ("", "Transpose")}

#: How Keras on Theano pads SAME: other than TensorFlow for even windows and for some strides.
SAME_ON_THEANO = {
    **{f"Conv{n}D{transpose}": "theano_half" for n in (1, 2, 3) for transpose in ("", "Transpose")},
    **{f"DepthwiseConv{n}D": "theano_half" for n in (1, 2)},
    **{f"{pool}Pooling{n}D": "theano_pool_same" for pool in ("Max", "Average") for n in (1, 2, 3)},
}

#: Layers that Keras 3 on PyTorch pads SAME in a way of its own.
SAME_ON_TORCH = {f"AveragePooling{n}D" for n in (1, 2, 3)}


def spelling(facts: Facts, kind: str, config: Mapping[str, Any], problem: Callable[[str], None]) -> dict[str, Any]:
    """The settings of a layer of this kind as the tables take them; what cannot be said is noted as a problem."""
    config = ADDED.get(kind, {}) | {RENAMED.get((kind, key), key): value for key, value in config.items()}
    if kind == "Activation" and facts.version >= 3 and str(config["activation"]) in NEW_MEANING:
        config["activation"] = NEW_MEANING[config["activation"]]
    if config.get("quantization_config") is None:
        config.pop("quantization_config", None)
    if isinstance(config.get("dtype"), dict):  # Keras 3 writes a policy
        config["dtype"] = config["dtype"].get("config", {}).get("name")
    if kind in INTERPOLATED:
        word = str(config["interpolation"]).lower()
        config["interpolation"] = interpolation(facts, word, bool(config.get("antialias")), problem)
    if kind == "UnitNormalization":
        config["least"] = "norm" if facts.version >= 3 else "square_sum"
    if kind == "ops.GetItem":
        config["cuts"] = any(entry not in (None, "...", WHOLE) for entry in _entries(config["key"]))
    own_type = kind.startswith("ops.") or kind == "Discretization"
    if not own_type and not is_known(str(config.get("dtype") or "float32")):
        problem(f"computes in {config['dtype']}, and irconv reads float32, float64 and the mixed and pure half types")
    if kind in ONE_AXIS and isinstance(config.get("axis"), list) and len(config["axis"]) == 1:
        config["axis"] = config["axis"][0]  # tf.keras 1.15 and later write a list
    if kind in ONE_PAIR:
        config[ONE_PAIR[kind]] = [config[ONE_PAIR[kind]]]
    if kind in TURNED_ON_THEANO:
        config.setdefault("kernel_order", "convolution" if facts.backend == "theano" else "correlation")
    if facts.backend == "torch" and kind in SAME_ON_TORCH and config.get("padding") == "same":
        config["padding"] = "torch_same"
    if facts.backend == "theano" and kind in SAME_ON_THEANO and config.get("padding") == "same":
        config["padding"] = SAME_ON_THEANO[kind]
    return config


def interpolation(facts: Facts, word: str, antialias: bool, problem: Callable[[str], None]) -> str:
    """The word of the tables for how a version of Keras on its backend reads between the elements.

    PyTorch's cubic weights are others than TensorFlow's, except where it smooths before it takes elements away.
    """
    if word == "bicubic" and (facts.backend == "tensorflow" or (facts.backend == "torch" and antialias)):
        return "bicubic_of_tensorflow"
    if word == "bicubic" and facts.backend == "torch":
        return "bicubic_of_torch"
    if word != "bilinear":
        return word
    if facts.backend == "theano":
        problem("interpolates as only Theano does, and irconv reads nearest there")
    major, _, rest = facts.release.partition(".")
    minor = rest.partition(".")[0]
    if facts.version > 2:
        return word
    if facts.release.endswith("-tf"):
        if facts.release.startswith("2.2.") and facts.ragged is None:
            what = "is bilinear, which TensorFlow 1.15 changed, and without an InputLayer the file does not show which"
            problem(f"{what} of TensorFlow 1.13, 1.14, 1.15 and 2.0 wrote it")
        old = facts.release.startswith(("2.0", "2.1.")) or (facts.release.startswith("2.2.") and not facts.ragged)
        return "legacy_bilinear" if old else word
    if (major, minor.isdigit()) != ("2", True):
        problem(f"is bilinear, which is not the same in every version of Keras, and the file says {facts.release!r}")
        return word
    return "legacy_bilinear" if int(minor) < 4 else word  # from 2.4 on Keras is tf.keras


def _entries(key: Any) -> list[Any]:
    return list(key) if isinstance(key, list | tuple) else [key]


def says_ragged(config: Any) -> bool | None:
    """Whether the InputLayers of a model, at any depth, have the setting `ragged`; None where there are none."""
    found = [part for part in _mappings(config) if part.get("class_name") == "InputLayer"]
    settings = [part.get("config") for part in found]
    return any(isinstance(part, Mapping) and "ragged" in part for part in settings) if found else None


def differing(config: Any) -> str:
    """The class of a layer, at any depth, that Keras 3 computes otherwise on some backends; empty for none."""
    for part in _mappings(config):
        kind, settings = str(part.get("class_name")), part.get("config")
        if isinstance(settings, Mapping):
            same = kind in SAME_ON_TORCH and settings.get("padding") == "same"
            if same or (kind in INTERPOLATED and settings.get("interpolation") == "bicubic"):
                return kind
    return ""


def _mappings(config: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping in a config, at any depth: models may be nested deeper than Python's own calls."""
    waiting: list[Any] = [config]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            yield part
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
