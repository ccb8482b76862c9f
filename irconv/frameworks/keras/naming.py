"""Names of layers on the way out: those of the origin where they are free, and such as every Keras takes."""

from __future__ import annotations

import re

from irconv.frameworks.keras.outlined import Outline, Outlined

_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_.\-]")


#: What a ``TensorFlowOpLayer`` puts before the name that its config gives.
OPERATOR_PREFIX = "tf_op_layer_"


def name_layers(model: Outline, ports: dict[str, str], operators: str) -> None:
    """Give every layer of a model, and of the models in it, a name that is unique there; changes them in place.

    `ports` maps values of inputs to the names of their ports; `operators` is the class of layers for operators.
    """
    taken: set[str] = set()
    for keeps in (True, False):  # who has a name of its own comes first
        for layer in model.layers:
            if _has_own(layer) == keeps:
                layer.name = _free(_wanted(layer, ports), taken)
    for layer in model.layers:
        if layer.model is not None:
            layer.model.name = layer.name
            name_layers(layer.model, {}, operators)
        elif layer.kind.startswith("ops.") and operators == "TensorFlowOpLayer":
            layer.name = OPERATOR_PREFIX + layer.name


def _has_own(layer: Outlined) -> bool:
    origin = layer.origin
    if layer.kind == "InputLayer" or layer.model is not None:
        return True
    return origin is not None and origin.framework == "keras" and not origin.split_from


def _wanted(layer: Outlined, ports: dict[str, str]) -> str:
    if layer.kind == "InputLayer":
        return ports.get(layer.name, layer.name)
    if layer.origin is not None and _has_own(layer) and not layer.name.startswith(f"{layer.origin.name}."):
        return layer.origin.name
    return layer.name.rsplit("/", maxsplit=1)[-1]


def _free(wanted: str, taken: set[str]) -> str:
    """A name that TensorFlow takes as a scope, too; numbered where another layer has it."""
    name = _NOT_ALLOWED.sub("_", wanted)
    name = name if name[:1].isalnum() else f"layer_{name}".replace("layer__", "layer_")
    count, free = 0, name
    while free in taken:
        count += 1
        free = f"{name}_{count}"
    taken.add(free)
    return free
