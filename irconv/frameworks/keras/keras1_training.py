"""What training needs of Keras 1 in the words of Keras 2: dropout of recurrent layers, regularisers and constraints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "ConvLSTM2D")

#: The words of a variable in Keras 2, by the first of its name in Keras 1.
_VARIABLES = {"W": "kernel", "U": "recurrent", "b": "bias"}

#: Layers that call their only variable otherwise.
_OWN_VARIABLES = {"Embedding": {"W": "embeddings"}}

#: Constraints of Keras 1 -> the settings of Keras 2, with what they were called.
_CONSTRAINTS: Mapping[str, Mapping[str, str]] = {
    "MaxNorm": {"max_value": "m", "axis": "axis"},
    "NonNeg": {},
    "UnitNorm": {"axis": "axis"},
}

#: What is spelt anew.
SETTINGS = {
    *("W_regularizer", "U_regularizer", "b_regularizer", "W_constraint", "U_constraint", "b_constraint"),
    *("activity_regularizer", "gamma_regularizer", "beta_regularizer", "depthwise_regularizer", "dropout_W"),
    *("pointwise_regularizer", "depthwise_constraint", "pointwise_constraint", "dropout_U", "dropout"),
}


def training(kind: str, config: Mapping[str, Any], channels_first: bool) -> dict[str, Any]:
    """The settings of a layer; `channels_first` of one whose kernels are ``out in ...``, not ``... in out``.

    >>> training("Dense", {"W_regularizer": {"name": "L1L2Regularizer", "l1": 0.0, "l2": 0.01}}, False)
    {'kernel_regularizer': {'class_name': 'L1L2', 'config': {'l1': 0.0, 'l2': 0.01}}}
    """
    found: dict[str, Any] = {}
    for key in sorted(SETTINGS & config.keys()):
        variable, _, what = key.rpartition("_")
        variable = {**_VARIABLES, **_OWN_VARIABLES.get(kind, {})}.get(variable, variable)
        if key in ("dropout_W", "dropout_U"):
            if kind in _RECURRENT:
                found["dropout" if key == "dropout_W" else "recurrent_dropout"] = config[key]
        elif key == "dropout":
            found |= {key: config[key]} if config[key] else {}
        elif isinstance(config[key], Mapping):
            spell = _regularizer if what == "regularizer" else _constraint
            turned = channels_first and variable == "kernel" and kind.startswith(("Convolution", "AtrousConvolution"))
            found[f"{variable}_{what}"] = spell(config[key], turned)
    return found


def _regularizer(said: Mapping[str, Any], turned: bool) -> dict[str, Any]:
    numbers = {key: said.get(key, 0.0) for key in ("l1", "l2")}
    known = set(said) <= {"name", "l1", "l2"} and said.get("name") != "EigenvalueRegularizer"  # its own is not saved
    return {"class_name": "L1L2", "config": numbers} if known else _other(said)


def _constraint(said: Mapping[str, Any], turned: bool) -> dict[str, Any]:
    words = _CONSTRAINTS.get(str(said.get("name")))
    if words is None:
        return _other(said)
    settings = {key: said[word] for key, word in words.items() if word in said}
    if turned and "axis" in settings:
        axes = settings["axis"] if isinstance(settings["axis"], list) else [settings["axis"]]
        settings["axis"] = [{0: -1, 1: -2}.get(axis, axis - 2) for axis in axes]
    return {"class_name": said["name"], "config": settings}


def _other(said: Mapping[str, Any]) -> dict[str, Any]:
    """One that later versions do not have: it is told, and not written."""
    settings = {key: value for key, value in said.items() if key != "name"}
    return {"class_name": str(said.get("name")), "config": settings, "registered_name": f"Keras 1>{said.get('name')}"}
