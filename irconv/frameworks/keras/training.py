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

#: The classes of objects that versions before tf.keras 2 know, by the dialect; the other dialects know all.
_OLD_OBJECTS = frozenset(
    [
        *("Zeros", "Ones", "Constant", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling"),
        *("Orthogonal", "Identity", "L1L2", "MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm"),
    ]
)
_KNOWN_OBJECTS = {"2.3": _OLD_OBJECTS, "1.15": _OLD_OBJECTS | {"GlorotUniform", "GlorotNormal", "RadialConstraint"}}
_SINCE_2 = ("RadialConstraint",)
"""Classes of TensorFlow's Keras that Keras 3 has no more."""

#: Initialisers that these versions spell as others.
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
    known = dialect.arguments(layer.kind) or frozenset()
    found: dict[str, Any] = {}
    if not trains(layer):
        found["trainable"] = False
    for key, value in _settings(layer).items():
        if key == "trainable":
            found[key] = value and trains(layer)
        elif key in known and key.endswith(_OBJECTS):
            found[key] = _object(value, dialect)
        elif key in known and (key in _NUMBERS or (layer.kind in TRAINING_ALONE and key != "data_format")):
            found[key] = value
    if dialect.is_keras_3 and layer.kind in UNTRAINED:
        found.pop("trainable", None)
    return found


def trains(layer: Outlined) -> bool:
    """Whether training changes a weight of a layer, or none is known to stay as it is."""
    known = [weight.trainable for weight in layer.weights.values() if weight.trainable is not None]
    return any(known) or not known


def _settings(layer: Outlined) -> Mapping[str, Any]:
    """The settings that a layer of this kind had in its source, where a wrapper may have held it; none elsewhere."""
    origin = layer.origin
    if origin is None or origin.framework != "keras":
        return {}
    kind, config, trainable = origin.type, origin.config, True
    while kind != layer.kind:
        trainable = trainable and config.get("trainable") is not False
        turned = layer.config.get("go_backwards") and isinstance(config.get("backward_layer"), Mapping)
        inner = config.get("backward_layer" if turned else "layer")
        if not isinstance(inner, Mapping) or not isinstance(inner.get("config"), Mapping):
            return {}
        kind, config = str(inner.get("class_name")), inner["config"]
    return config if trainable else {**config, "trainable": False}


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
    """An initialiser, regulariser or constraint. One that the dialect does not know is left out, as is
    one of the user's own: Keras could not load it."""
    if not isinstance(value, Mapping):
        return value
    if not is_own(value):
        return None
    kind, settings = value.get("class_name"), value.get("config") or {}
    if not isinstance(kind, str) or not isinstance(settings, Mapping):
        return None
    if dialect.is_keras_3:
        if kind in _SINCE_2:
            return None
        kept = {key: setting for key, setting in settings.items() if key != "dtype"}
        module = value.get("module")
        if module is None:
            return {"class_name": kind, "config": kept}
        return {"module": module, "class_name": kind, "config": kept, "registered_name": None}
    kept = {key: setting for key, setting in settings.items() if key not in _OWN_SETTINGS}
    known = _KNOWN_OBJECTS.get(dialect.name)
    if known is None or kind in known:
        return {"class_name": kind, "config": kept}
    if kind in _SINCE_TF:
        return {"class_name": "VarianceScaling", "config": {**_SINCE_TF[kind], "seed": kept.get("seed")}}
    if kind in ("L1", "L2"):
        return {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.0, **kept}}
    return None
