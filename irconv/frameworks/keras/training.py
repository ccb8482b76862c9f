"""Settings of a layer that inference does not need, such as initialisers: taken from the origin where it has them.

A layer that does not come from Keras is written without them, and Keras then takes its own defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.frameworks.keras.dialect import Dialect
from irconv.frameworks.keras.outlined import Outlined

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
            found[key] = value
        elif key in known and key.endswith(_OBJECTS):
            found[key] = _object(value, dialect)
        elif key in known and key in _NUMBERS:
            found[key] = value
    return found


def _object(value: Any, dialect: Dialect) -> Any:
    """An initialiser, regulariser or constraint. One of the user's own is left out: Keras could not load it."""
    if not isinstance(value, Mapping):
        return value
    if value.get("registered_name") not in (None, value.get("class_name")):
        return None
    kind, settings = value["class_name"], dict(value.get("config") or {})
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
