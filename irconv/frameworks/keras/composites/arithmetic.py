"""Layers that are sums and products with constants."""

from __future__ import annotations

from irconv.frameworks.keras.builder import Builder, KerasLayer, Value, value_name
from irconv.frameworks.keras.composites.fused import refuse_keywords


def _rescaling(builder: Builder, layer: KerasLayer) -> list[tuple[Value, ...]]:
    """``x scale + offset`` as a product and a sum with constants; lists lie along the last axis."""
    scale, offset = (builder.constant(f"{layer.name}.{key}", layer.config[key]) for key in ("scale", "offset"))
    builder.place("ops.Multiply", f"{layer.name}.product", {}, origin=layer.origin, of=layer.name)
    builder.place("ops.Add", f"{layer.name}.sum", {}, origin=layer.part, of=layer.name)
    refuse_keywords(builder, layer)
    values = [value_name(layer.name, call.index) for call in layer.calls]
    for call, value in zip(layer.calls, values, strict=True):
        builder.use(f"{layer.name}.product", (*call.inputs, scale), (f"{value}.product",))
        builder.use(f"{layer.name}.sum", (f"{value}.product", offset), (value,))
    return [(value,) for value in values]


EXPANSIONS = {"Rescaling": _rescaling}
