"""Layers placed one to one, except for a fused activation, which becomes a layer of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irconv.frameworks.keras.builder import Builder, KerasCall, KerasLayer, Value, value_name
from irconv.frameworks.keras.packages.names import function
from irconv.frameworks.keras.table import TABLE

#: Layers with a fused activation.
_FUSED = {
    *(f"Conv{spatial}D{transpose}" for spatial in (1, 2, 3) for transpose in ("", "Transpose")),
    *("DepthwiseConv1D", "DepthwiseConv2D", "LocallyConnected1D", "LocallyConnected2D", "Dense", "EinsumDense"),
}


def plain(builder: Builder, layer: KerasLayer) -> list[tuple[Value, ...]]:
    """One native layer of the same kind, with one result, then its activation."""
    activation = (layer.config.get("activation") or "linear") if layer.kind in _FUSED else "linear"
    config = layer.config if activation == "linear" else {**layer.config, "activation": "linear"}
    kind = layer.kind
    if kind == "Activation":
        kind, config = _spelt_out(config)
    builder.place(kind, layer.name, config, layer.tensors, layer.origin)
    values = [value_name(layer.name, call.index) for call in layer.calls]
    refuse_keywords(builder, layer)
    made = [(value, *_further(layer, call)) for call, value in zip(layer.calls, values, strict=True)]
    for call, own, value in zip(layer.calls, made, before_activation(values, activation), strict=True):
        builder.use(layer.name, call.inputs, (value, *own[1:]))
    activate(builder, layer, activation, values)
    return made


def _further(layer: KerasLayer, call: KerasCall) -> list[Value]:
    """What else others take of a layer of a class that nobody knows, so that the class is what is refused."""
    if call.results == 1 or layer.kind in TABLE.natives:
        return []
    return [value_name(layer.name, call.index, output) for output in range(1, call.results)]


def before_activation(values: Sequence[Value], activation: Any) -> list[Value]:
    """The names of a layer's values before its fused activation."""
    return list(values) if activation == "linear" else [Value(f"{value}.linear") for value in values]


def activate(builder: Builder, layer: KerasLayer, activation: Any, values: Sequence[Value]) -> None:
    """The fused activation of a layer as a layer of its own, on the layer's values without it."""
    if activation == "linear":
        return
    split = f"{layer.name}.activation"
    kind, config = _spelt_out({"activation": activation, "name": split})
    builder.place(kind, split, config, origin=layer.part, of=layer.name)
    for before, value in zip(before_activation(values, activation), values, strict=True):
        builder.use(split, (before,), (value,))


def _spelt_out(config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """An Activation; a layer that stands in the place of its activation is that layer."""
    found = config["activation"]
    if of_package := function(found):
        return of_package
    if isinstance(found, dict) and isinstance(found.get("config"), dict):
        return str(found.get("class_name")), dict(found["config"])
    if isinstance(found, dict) and found.get("class_name") == "function" and isinstance(found.get("config"), str):
        return "Activation", {**config, "activation": found["config"]}  # as Keras 2.13 and later name a user's own
    return "Activation", config


def refuse_keywords(builder: Builder, layer: KerasLayer, *known: str) -> None:
    """Note a problem for arguments by name that the layer's expansion does not know."""
    for call in layer.calls:
        if left := {name: value for name, value in call.keywords.items() if name not in known}:
            builder.problem(layer.name, f"is called with the arguments {left}, which irconv does not read")
