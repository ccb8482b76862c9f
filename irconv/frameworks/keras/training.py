"""Settings of a layer that inference does not need, such as initialisers: taken from the origin where it has them.

A layer that does not come from Keras is written without them, and Keras then takes its own defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.frameworks.keras.dialect import UNTRAINED, Dialect, Unsayable
from irconv.frameworks.keras.outlined import Outlined
from irconv.frameworks.keras.own import is_own
from irconv.frameworks.keras.training_settings import TRAINING_ALONE

#: Endings of the names of settings that hold an object: an initialiser, a regulariser or a constraint.
_OBJECTS = ("_initializer", "_regularizer", "_constraint")

#: Other settings without effect on inference that every version has which has the layer.
_NUMBERS = ("dropout", "recurrent_dropout", "seed", "noise_shape", "stateful", "unit_forget_bias", "implementation")

#: Settings of initialisers of one version only.
_OWN_SETTINGS = frozenset({"dtype", "input_axes", "output_axes"})

#: Initialisers that Keras 2.3 spells as others.
_SINCE_TF = {
    "GlorotUniform": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform"},
    "GlorotNormal": {"scale": 1.0, "mode": "fan_avg", "distribution": "normal"},
    "HeUniform": {"scale": 2.0, "mode": "fan_in", "distribution": "uniform"},
    "HeNormal": {"scale": 2.0, "mode": "fan_in", "distribution": "normal"},
    "LecunUniform": {"scale": 1.0, "mode": "fan_in", "distribution": "uniform"},
    "LecunNormal": {"scale": 1.0, "mode": "fan_in", "distribution": "normal"},
}


def training_settings(layer: Outlined, dialect: Dialect) -> dict[str, Any]:
    """The settings by name, as the dialect takes them."""
    origin, known = layer.origin, dialect.arguments(layer.kind) or frozenset()
    if origin is None or origin.framework != "keras" or origin.type != layer.kind:
        return {}
    found: dict[str, Any] = {}
    for key, value in origin.config.items():
        if key == "trainable":
            if not (dialect.is_keras_3 and layer.kind in UNTRAINED):
                found[key] = value
        elif key in known and key.endswith(_OBJECTS):
            found[key] = _object(value, dialect)
        elif key in known and (key in _NUMBERS or (layer.kind in TRAINING_ALONE and key != "data_format")):
            found[key] = value
    return found


def masked_queries(layer: Outlined, dialect: Dialect, found: Mapping[str, Any]) -> dict[str, Any]:
    """The settings by which attention gives a query that may attend to nothing what it is to give.

    All attend to everything then, but MultiHeadAttention of Keras 3 gives zeros where it has a dropout. Raises
    `Unsayable`.
    """
    settings = dict(found)
    wanted = layer.config.pop("fully_masked", None)
    if wanted is None:
        return settings
    drops = dialect.is_keras_3 and layer.kind not in ("Attention", "AdditiveAttention")
    if wanted == "zero" and not (drops and settings.get("dropout")):
        raise Unsayable(f"{layer.kind} of {dialect} attends to everything where it may attend to nothing")
    if wanted == "average" and drops:
        settings["dropout"] = 0.0
    if wanted not in ("zero", "average"):
        raise Unsayable(f"no {layer.kind} of Keras gives {wanted} where it may attend to nothing")
    return settings


def _object(value: Any, dialect: Dialect) -> Any:
    """An initialiser, regulariser or constraint. One of the user's own is left out: Keras could not load it."""
    if not isinstance(value, Mapping):
        return value
    if not is_own(value):
        return None
    kind, settings = value.get("class_name"), value.get("config") or {}
    if not isinstance(kind, str) or not isinstance(settings, Mapping):
        return None
    if dialect.is_keras_3:
        kept = {key: setting for key, setting in settings.items() if key != "dtype"}
        module = value.get("module")
        if module is None:
            return {"class_name": kind, "config": kept}
        return {"module": module, "class_name": kind, "config": kept, "registered_name": None}
    kept = {key: setting for key, setting in settings.items() if key not in _OWN_SETTINGS}
    if dialect.name == "2.3" and kind in _SINCE_TF:
        return {"class_name": "VarianceScaling", "config": {**_SINCE_TF[kind], "seed": kept.get("seed")}}
    return {"class_name": kind, "config": kept}
