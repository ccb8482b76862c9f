"""Activation layers whose settings do not say all: which axis holds the channels, or several axes at once."""

from __future__ import annotations

from dataclasses import replace

from irconv.frameworks.keras.builder import Builder, KerasLayer, Value, value_name
from irconv.frameworks.keras.composites.fused import plain, refuse_keywords
from irconv.frameworks.keras.composites.operators import add


def _prelu(builder: Builder, layer: KerasLayer) -> list[tuple[Value, ...]]:
    """A PReLU does not say where the channels are; any place is right, the place they are at needs no Transpose.

    They are on the one axis that is not shared; where several are not, as in the layers before.
    """
    slope = layer.tensors.get("alpha")
    own = [axis for axis, size in enumerate(slope.data.shape) if size != 1] if slope else []
    known = {native.config.get("data_format") for native in builder.layers.values()}
    first = own == [0] or (len(own) > 1 and "channels_first" in known)
    order = "channels_first" if first else "channels_last"
    return plain(builder, replace(layer, config={**layer.config, "data_format": order, "alpha_order": order}))


def _softmax(builder: Builder, layer: KerasLayer) -> list[tuple[Value, ...]]:
    """Over several axes, ``exp(x - log(sum(exp(x))))``."""
    axis = layer.config["axis"]
    if isinstance(axis, int):
        return plain(builder, layer)
    if len(axis) == 1:
        return plain(builder, replace(layer, config={**layer.config, "axis": axis[0]}))
    names = [f"{layer.name}.{part}" for part in ("total", "rest", "exponential")]
    builder.place("ops.Logsumexp", names[0], {"axis": axis, "keepdims": True}, origin=layer.origin, of=layer.name)
    builder.place("ops.Subtract", names[1], {}, origin=layer.part, of=layer.name)
    builder.place("ops.Exp", names[2], {}, origin=layer.part, of=layer.name)
    refuse_keywords(builder, layer)
    values = [value_name(layer.name, call.index) for call in layer.calls]
    for call, value in zip(layer.calls, values, strict=True):
        (x,) = call.inputs
        builder.use(names[0], (x,), (f"{value}.total",))
        builder.use(names[1], (x, f"{value}.total"), (f"{value}.rest",))
        builder.use(names[2], (f"{value}.rest",), (value,))
    return [(value,) for value in values]


def _relu(builder: Builder, layer: KerasLayer) -> list[tuple[Value, ...]]:
    """Below 0 a threshold t is legal before Keras 3, and what Keras computes is not what it documents:
    ``clip(x [x > t], 0, max_value) - negative_slope max(t - x, 0)``, without the clip where there is no `max_value`.
    """
    threshold, slope = layer.config.get("threshold") or 0.0, layer.config.get("negative_slope") or 0.0
    if threshold >= 0:
        return plain(builder, layer)
    refuse_keywords(builder, layer)
    top, made = layer.config.get("max_value"), []
    for call in layer.calls:
        ((x,), index) = call.inputs, call.index
        (passes,) = add(builder, layer, index, "Greater", [x, threshold], {}, "passes")
        above = add(builder, layer, index, "Where", [passes, x, 0.0], {}, "above" if slope or top is not None else "")
        if top is not None:
            settings = {"x_min": 0.0, "x_max": top}
            above = add(builder, layer, index, "Clip", above, settings, "clipped" if slope else "")
        if slope:
            below = add(builder, layer, index, "Subtract", [threshold, x], {}, "below")
            rest = add(builder, layer, index, "Relu", below, {}, "rest")
            sloping = add(builder, layer, index, "Multiply", [*rest, slope], {}, "sloping")
            above = add(builder, layer, index, "Subtract", [*above, *sloping], {})
        made.append(above)
    return made


EXPANSIONS = {"PReLU": _prelu, "ReLU": _relu, "Softmax": _softmax}
