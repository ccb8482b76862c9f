"""The two layer classes that `keras.applications` defines for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.frameworks.keras.builder import Builder, KerasLayer, Outputs, value_name
from irconv.frameworks.keras.composites.fused import refuse_keywords


def _layer_scale(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """``x gamma``, a factor for each channel (ConvNeXt)."""
    refuse_keywords(builder, layer)
    gamma = f"{layer.name}.gamma"
    builder.place("variable", gamma, {}, {"value": layer.tensors["gamma"]}, layer.part, of=layer.name)
    if not any(use.layer == gamma for use in builder.uses):
        builder.use(gamma, (), (gamma,))
    builder.place("ops.Multiply", layer.name, {}, origin=layer.origin)
    made: list[Outputs] = []
    for call in layer.calls:
        value = value_name(layer.name, call.index)
        builder.use(layer.name, (*call.inputs, gamma), (value,))
        made.append((value,))
    return made


def _custom_scale(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """``x + scale residual`` (InceptionResNetV2)."""
    refuse_keywords(builder, layer)
    scale, product = builder.constant(f"{layer.name}.scale", layer.config["scale"]), f"{layer.name}.product"
    builder.place("ops.Multiply", product, {}, origin=layer.part, of=layer.name)
    builder.place("ops.Add", layer.name, {}, origin=layer.origin)
    made: list[Outputs] = []
    for call in layer.calls:
        x, residual = call.inputs
        value = value_name(layer.name, call.index)
        builder.use(product, (residual, scale), (f"{value}.product",))
        builder.use(layer.name, (x, f"{value}.product"), (value,))
        made.append((value,))
    return made


EXPANSIONS: Mapping[str, Any] = {"CustomScaleLayer": _custom_scale, "LayerScale": _layer_scale}
