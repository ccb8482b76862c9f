"""Layers that make a mask or obey one, besides the recurrent ones and attention."""

from __future__ import annotations

from dataclasses import replace

from irconv.codec import TypeOf
from irconv.frameworks.keras import masks
from irconv.frameworks.keras.builder import Builder, KerasCall, KerasLayer, Outputs, Value, value_name
from irconv.frameworks.keras.composites import activations
from irconv.frameworks.keras.composites.fused import plain, refuse_keywords
from irconv.ir.manifest import Omitted

_LARGE = -1e9
_LARGE_HALF = -3e4  # in float16


def _masking(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """``x mask``: steps that hold nothing but the value become zeros."""
    refuse_keywords(builder, layer)
    made: list[Outputs] = []
    for call in layer.calls:
        value = value_name(layer.name, call.index)
        mask = masks.some_unlike(builder, layer, call, value)
        wide = masks.operator(builder, layer.name, "ExpandDims", f"{value}.wide", (mask,), axis=-1)
        numbers = masks.operator(builder, layer.name, "Cast", f"{value}.numbers", (wide,), dtype="float32")
        builder.place("Multiply", layer.name, {}, origin=layer.origin)
        builder.use(layer.name, (call.inputs[0], numbers), (value,))
        made.append((value,))
    return made


def _global_average(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """With a mask, ``sum(x mask) / sum(mask)`` over the steps."""
    given = [masks.mask_of(builder, call) for call in layer.calls]
    if not any(given):
        return plain(builder, replace(layer, calls=tuple(replace(call, keywords={}) for call in layer.calls)))
    refuse_keywords(builder, layer, "mask")
    if layer.config.get("data_format", "channels_last") != "channels_last":
        builder.problem(layer.name, "averages a masked sequence whose channels stand first, which irconv does not read")
    if not all(given):
        builder.problem(layer.name, "is called on a masked sequence and on another, which irconv does not read")
    return [
        (_masked_average(builder, layer, call, mask),) for call, mask in zip(layer.calls, given, strict=True) if mask
    ]


def _masked_average(builder: Builder, layer: KerasLayer, call: KerasCall, mask: Value) -> Value:
    value, keep = value_name(layer.name, call.index), {"axis": 1, "keepdims": bool(layer.config.get("keepdims"))}

    def op(kind: str, part: str, *inputs: str, **settings: object) -> Value:
        return masks.operator(builder, layer.name, kind, f"{value}.{part}", inputs, **settings)

    wide = op("ExpandDims", "wide", mask, axis=-1)
    numbers = op("Cast", "numbers", wide, dtype="float32")
    total = op("Sum", "total", op("Multiply", "kept", call.inputs[0], numbers), **keep)
    count = op("Sum", "count", numbers, **keep)
    builder.place("ops.TrueDivide", layer.name, {}, origin=layer.origin)
    builder.use(layer.name, (total, count), (value,))
    return value


def _softmax(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """With a mask, a softmax of -1e9 where it is False; Keras 3 makes that zero afterwards."""
    made = []
    for call in layer.calls:
        mask = masks.mask_of(builder, call)
        if mask is None:
            made += activations.EXPANSIONS["Softmax"](builder, replace(layer, calls=(replace(call, keywords={}),)))
            continue
        value, zero = value_name(layer.name, call.index), masks.number(builder, 0.0)
        low = masks.number(builder, _LARGE_HALF if builder.compute == "float16" else _LARGE)
        barred = masks.operator(builder, layer.name, "Where", f"{value}.barred", (mask, call.inputs[0], low))
        if builder.facts.version < 3:
            made += activations.EXPANSIONS["Softmax"](
                builder, replace(layer, calls=(KerasCall(call.index, (barred,)),))
            )
            continue
        inner = replace(layer, name=f"{layer.name}.softmax", calls=(KerasCall(call.index, (barred,)),))
        builder.where[inner.name] = builder.where[layer.name]
        ((plain_value,),) = activations.EXPANSIONS["Softmax"](builder, inner)
        made.append((masks.operator(builder, layer.name, "Where", value, (mask, plain_value, zero)),))
    return made


def _batch_norm(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """The mask of a call says which steps training takes its statistics of."""
    refuse_keywords(builder, layer, "mask")
    config, tensors = layer.config, dict(layer.tensors)
    if config.get("renorm"):  # corrects the statistics of batches in training; inference has the moving two
        config = {**config, "renorm": False}
        left = [tensors.pop(name) for name in _RENORM if name in tensors]
        builder.omitted += [Omitted(name=weight.path, reason="renorm needs it in training alone") for weight in left]
    calls = tuple(replace(call, keywords={}) for call in layer.calls)
    return plain(builder, replace(layer, config=config, tensors=tensors, calls=calls))


_RENORM = ("moving_stddev", "renorm_mean", "renorm_stddev")


def _filled(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """One number for every element: zeros or ones, as the masks of Keras 3 have them, or another that is said."""
    dtype = layer.config.get("dtype")
    made: list[Outputs] = []
    for call in layer.calls:
        value = value_name(layer.name, call.index)
        fill: bool | float = layer.kind == "ops.OnesLike"
        if layer.kind == "ops.FullLike":
            said = call.keywords.get("fill_value", call.arguments[1] if len(call.arguments) > 1 else None)
            if not isinstance(said, bool | int | float):
                builder.problem(layer.name, "fills with a value of the graph, and irconv reads a number")
            fill = said if isinstance(said, bool | int | float) else fill
        kind = dtype if isinstance(dtype, str) else TypeOf(call.inputs[0])
        made.append((masks.full_like(builder, layer.name, value, call.inputs[0], fill, kind),))
    return made


def _same(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """An operator that gives its input."""
    if layer.config.get("dtype") is not None:
        builder.problem(layer.name, f"converts to {layer.config['dtype']}, which irconv does not read")
    return [call.inputs[:1] for call in layer.calls]


_OPERATORS = {"ops.ConvertToTensor": _same, "ops.OnesLike": _filled, "ops.ZerosLike": _filled, "ops.FullLike": _filled}

EXPANSIONS = {
    **_OPERATORS,
    "BatchNormalization": _batch_norm,
    "GlobalAveragePooling1D": _global_average,
    "Masking": _masking,
    "Softmax": _softmax,
}
