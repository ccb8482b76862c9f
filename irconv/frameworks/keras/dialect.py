"""The dialects of Keras that irconv writes: which layers, settings and activations each knows, and how it spells them.

The tables say a layer as the newest Keras 2 does; `spell` brings it to one dialect or says why that cannot be.
``arguments.json`` lists what the constructors of the real ones take; ``fixtures/keras/list_arguments.py`` made it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from irconv.codec import Codec, Table
from irconv.data_classes import dataclass
from irconv.frameworks.keras import functions, graph_ops
from irconv.frameworks.keras.spelling import ADDED, ONE_PAIR, RENAMED
from irconv.ir.layers.base import Layer
from irconv.ir.layers.convolution import Conv
from irconv.rows import Fixed

_ARGUMENTS = Path(__file__).with_name("arguments.json")

#: Settings that some versions lack, with the value that says what these do.
_NEUTRAL: Mapping[str, Any] = {"groups": 1, "data_format": "channels_last"}

#: What every layer takes.
_EVERY_LAYER = frozenset({"name", "trainable", "dtype"})

#: Knobs of irconv's tables that no Keras has, with the value that every Keras means.
_INTERNAL = {
    **dict.fromkeys(("kernel_order", "recurrent_order"), "correlation"),
    **dict.fromkeys(("alpha_order", "window_order"), "channels_last"),
}

#: Settings that recurrent layers of tf.keras and Keras 3 hand to the class they derive from.
_BY_KEYWORD = frozenset({"zero_output_for_mask"})

#: What calls of operators have to name even where it is not there.
UNSAID: Mapping[str, Mapping[str, Any]] = {
    "LayerNorm": {"gamma": None, "beta": None},
    "RMSNorm": {"scale": None},
}

#: What Keras before version 3 looks for in a config: shapes to build on, None where the call tells.
_LOOKED_FOR: Mapping[str, Sequence[str]] = {"MultiHeadAttention": ("query_shape", "key_shape", "value_shape")}

#: Layers of Keras 3 that cannot be told whether they are trained.
UNTRAINED = ("Discretization", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")

#: Settings that hold the name of an activation.
ACTIVATIONS = ("activation", "recurrent_activation")

#: Words of the tables that a dialect may spell otherwise: (word, Keras 3 or not) -> what the framework calls it.
_WORDS = {
    ("hard_sigmoid_of_keras_3", True): "hard_sigmoid",
    ("silu", False): "swish",
    ("hard_silu", False): "hard_swish",
}

#: Words that mean another function since Keras 3, and the layers that now are what they meant: clip(x / 5 + 1 / 2).
_OLD_WORDS: Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]] = {
    "hard_sigmoid": (("Rescaling", {"scale": 0.2, "offset": 0.5}), ("ReLU", {"max_value": 1.0}))
}


@dataclass(frozen=True)
class Dialect:
    """One version of Keras as a target."""

    name: str
    """As ``--target-version`` takes it."""
    version: str
    """As its files state it."""
    model: str
    """The class of a model that is no chain."""
    operators: str
    """The class of layers that are plain functions of their inputs; empty where there is none."""

    @property
    def is_keras_3(self) -> bool:
        """Whether this is Keras 3, which writes configs in another form."""
        return self.name == "3"

    @property
    def least(self) -> str:
        """What UnitNormalization divides by at least the root of a small number: the norm, or the sum of squares."""
        return "norm" if self.is_keras_3 else "square_sum"

    def arguments(self, kind: str) -> frozenset[str] | None:
        """What the constructor of a layer class takes besides what every layer does; None for a class it lacks."""
        # CuDNN layers run on some graphics cards only, and others do the same; the other is read as what it wraps
        if kind.startswith("CuDNN") or kind == "SpectralNormalization":
            return None
        known = _read()[self.name]["layers"].get(kind)
        if known is None:
            return None
        hidden = _BY_KEYWORD if kind in ("LSTM", "GRU", "SimpleRNN") and self.name != "2.3" else frozenset[str]()
        if kind.startswith("ConvLSTM"):  # whose constructor hands this on to that of all recurrent layers
            hidden = frozenset(["return_state"])
        return frozenset(known.split()) | hidden

    def activation(self, word: str) -> str | None:
        """What it calls an activation; None for one that it lacks."""
        if self.is_keras_3 and word in _OLD_WORDS:
            return None
        spelt = _WORDS.get((word, self.is_keras_3), word)
        return spelt if spelt in _read()[self.name]["activations"].split() else None

    def has_operator(self, kind: str) -> bool:
        """Whether it can write an operator of ``keras.ops``."""
        if self.is_keras_3:
            return any(kind in kinds for kinds in _read()["operators"].values())
        if self.operators == "TensorFlowOpLayer":
            return graph_ops.has(kind)
        return bool(self.operators) and functions.has(kind)

    @property
    def table(self) -> Table:
        """The codecs whose native layers it has."""
        return _table(self)

    def __str__(self) -> str:
        return f"Keras {self.version}" if self.name in ("2.3", "3") else f"tf.keras of TensorFlow {self.name}"


#: Oldest first; a file in an older dialect loads in the younger ones, too, as far as Keras kept its promises.
DIALECTS = (
    Dialect("2.3", "2.3.1", "Model", ""),
    Dialect("1.15", "2.2.4-tf", "Model", "TensorFlowOpLayer"),
    Dialect("2.4", "2.4.0", "Functional", "TFOpLambda"),
    Dialect("2.15", "2.15.0", "Functional", "TFOpLambda"),
)
KERAS_3 = Dialect("3", "3.15.1", "Functional", "Operation")


class _Table(Table):
    """The codecs of one dialect."""

    def preferred(self, codec: Codec, layer: Layer) -> bool:
        """Whether a codec goes before others that fit, too: the layer's own class, then one for channels alone."""
        if layer.origin is not None and layer.origin.type in self.natives:
            return codec.native == layer.origin.type
        return isinstance(layer, Conv) and layer.groups > 1 and codec.native.startswith("DepthwiseConv")


class Unsayable(Exception):
    """A dialect lacks something that the model needs; the text says what."""


def spell(dialect: Dialect, kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a layer, spelt as the tables do, as a dialect takes them. Raises `Unsayable`."""
    known = dialect.arguments(kind)
    if known is None:
        raise Unsayable(f"{dialect} has no {kind}")
    spelt: dict[str, Any] = {} if dialect.is_keras_3 else dict.fromkeys(_LOOKED_FOR.get(kind, ()))
    older = {new: old for (of, old), new in RENAMED.items() if of == kind}
    for key, value in config.items():
        if _INTERNAL.get(key, ...) == value or (key == "least" and value == dialect.least):
            continue
        if ONE_PAIR.get(kind) == key:
            spelt[key] = value[0]
        elif key in known or key in _EVERY_LAYER:
            spelt[key] = _word(dialect, kind, key, value)
        elif older.get(key) in known:
            spelt[older[key]] = value
        elif not (value is None or value is False or value in (ADDED.get(kind, {}).get(key, ...), _NEUTRAL.get(key))):
            raise Unsayable(f"{kind} of {dialect} has no setting {key}, which must be {value!r}")
    return spelt


def _word(dialect: Dialect, kind: str, key: str, value: Any) -> Any:
    if key == "interpolation":
        return _interpolation(dialect, value)
    if key not in ACTIVATIONS or not isinstance(value, str):
        return value
    spelt = dialect.activation(value)
    if spelt is None and dialect.is_keras_3 and value in _OLD_WORDS and kind != "Activation":
        layers = [_keras_3_object("keras.layers", *layer) for layer in _OLD_WORDS[value]]
        return _keras_3_object(
            "keras", "Sequential", {"name": value, "layers": layers}
        )  # any callable may be an activation
    if spelt is None:
        raise Unsayable(f"{dialect} has no {key} {value} for {kind}")
    return spelt


def _interpolation(dialect: Dialect, word: str) -> str:
    """Bilinear means other weights in Keras 2.3 than in every tf.keras, which would load the file, too."""
    if word == "bicubic_of_tensorflow" and dialect.name in ("2.15", "3"):
        return "bicubic"
    if word == "nearest" or (word == "bilinear" and dialect.name != "2.3"):
        return word
    raise Unsayable(f"{dialect} has no interpolation that every Keras takes for {word}")


def _keras_3_object(module: str, kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    return {"module": module, "class_name": kind, "config": dict(config), "registered_name": None}


@cache
def _read() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(_ARGUMENTS.read_text())
    return found


@cache
def _table(dialect: Dialect) -> Table:
    from irconv.frameworks.keras.table import written_codecs

    return _Table(str(dialect), [codec for codec in written_codecs() if _has(dialect, codec)])


def _has(dialect: Dialect, codec: Codec) -> bool:
    if codec.native == "constant":
        return True
    if codec.native.startswith("ops."):
        return dialect.has_operator(codec.native.removeprefix("ops."))
    fixed = {row.native: row.value for row in codec.rows if isinstance(row, Fixed)}
    try:
        spell(dialect, codec.native, fixed)
    except Unsayable:
        return False
    return True


def operator_settings(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an operator, as its class and its call in Keras 3 take them. Raises `Unsayable`."""
    settings = dict(config)
    if kind == "Resize" and "height" in settings:
        settings["size"] = [settings.pop("height"), settings.pop("width")]
    if settings.get("interpolation") == "bicubic_of_tensorflow":
        settings["interpolation"] = "bicubic"
    if kind in ("Cumsum", "Cumprod") and any(settings.pop(key, False) for key in ("exclusive", "reverse")):
        raise Unsayable("Keras 3 sums from the first element on, that one included")
    return {**UNSAID.get(kind, {}), **settings}


def operator(kind: str) -> tuple[str, frozenset[str]]:
    """The module of Keras 3 that has an operator class, and what its constructor takes; the call takes the rest."""
    module, settings = next((m, kinds[kind]) for m, kinds in _read()["operators"].items() if kind in kinds)
    return f"keras.src.ops.{module}", frozenset(settings.split())
