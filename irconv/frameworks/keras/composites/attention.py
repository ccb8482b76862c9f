"""Attention layers: their inputs by place or by name, and all their masks as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from irconv.frameworks.keras import masks
from irconv.frameworks.keras.builder import Builder, KerasCall, KerasLayer, Outputs, Value, value_name
from irconv.frameworks.keras.composites import attention_written
from irconv.frameworks.keras.composites.fused import refuse_keywords

_PROJECTED = ("query", "value", "key", "query_mask", "value_mask", "key_mask", "attention_mask")
_BEFORE_KERAS_3 = ("query", "value", "key", "attention_mask")
_SWITCHES = ("use_causal_mask", "return_attention_scores")

#: Settings that later versions added, with the value that says what older ones did.
_ADDED: Mapping[str, dict[str, Any]] = {
    "AdditiveAttention": {"use_scale": True},
    "Attention": {"use_scale": False, "score_mode": "dot"},
    "GroupedQueryAttention": {},
    "MultiHeadAttention": {"value_dim": None, "output_shape": None, "use_bias": True},
}


def _projected(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """MultiHeadAttention and GroupQueryAttention: called on query, value and, if it is another, key."""
    refuse_keywords(builder, layer, *_PROJECTED, *_SWITCHES)
    kind = "MultiHeadAttention" if layer.kind == "MultiHeadAttention" else "GroupedQueryAttention"
    # with dropout Keras 3 takes another path, on which a query that may attend to nothing gets zeros
    zeros = builder.facts.version >= 3 and float(layer.config.get("dropout") or 0) > 0
    written = kind == "MultiHeadAttention" and _must_be_written(builder, layer)
    if written:
        builder.place("ops.Copy", layer.name, {}, origin=layer.origin)
    else:
        _place(builder, layer, kind, "zero" if zeros else "average")
    made: list[Outputs] = []
    for call in layer.calls:
        given = _named(builder, call)
        query, value = given["query"], given["value"]
        key, result = given.get("key", value), value_name(layer.name, call.index)
        results: Outputs = (result,)
        if written:
            whole = _whole_mask(builder, layer, given, result)
            attended, scores = attention_written.projected(builder, layer, call, (query, key, value), whole)
            builder.use(layer.name, (attended,), (result,))
            results = (result, scores) if call.keywords.get("return_attention_scores") else results
        else:
            mask = _projected_mask(builder, layer, given, result)
            builder.use(layer.name, (query, key, value, *([mask] if mask else [])), (result,))
        if layer.kind == "MultiHeadAttention" and builder.facts.version >= 3:
            made_mask = builder.masks.get(query)
            for taken in (query, value, key):  # Keras 3 takes the masks off what it has attended to
                builder.masks.pop(taken, None)
            if made_mask is not None:
                builder.masks[result] = made_mask
        made.append(results)
    return made


def _must_be_written(builder: Builder, layer: KerasLayer) -> bool:
    """Whether the layer gives its scores, or attends along other axes than that of steps."""
    axes, shape = layer.config.get("attention_axes"), layer.config.get("query_shape")
    said = axes is None or axes == 1 or (isinstance(axes, Sequence) and list(axes) in ([1], [-2]))
    port = builder.inputs.get(layer.calls[0].inputs[0]) if layer.calls[0].inputs else None
    shape = shape or (port.shape if port is not None else None)
    wide = shape is not None and len(shape) != 3
    return wide or not said or any(call.keywords.get("return_attention_scores") for call in layer.calls)


def _named(builder: Builder, call: KerasCall) -> dict[str, Value]:
    """The tensors of a call by the names of Keras' arguments."""
    keras3 = builder.facts.version >= 3
    places, positional = (_PROJECTED, call.arguments) if keras3 else (_BEFORE_KERAS_3, call.inputs)
    given = dict(zip(places, positional, strict=False)) | {k: v for k, v in call.keywords.items() if k in _PROJECTED}
    return {name: value for name, value in given.items() if isinstance(value, Value)}


def _projected_mask(builder: Builder, layer: KerasLayer, given: Mapping[str, Value], result: Value) -> Value | None:
    """The mask of all heads, with an axis for them."""
    mask = _whole_mask(builder, layer, given, result)
    if mask is None:
        return None
    name = f"{result}.attention_mask"
    builder.place("attention_mask", name, {}, origin=layer.part, of=layer.name)
    builder.use(name, (mask,), (f"{result}.attention_mask",))
    return Value(f"{result}.attention_mask")


def _whole_mask(builder: Builder, layer: KerasLayer, given: Mapping[str, Value], result: Value) -> Value | None:
    """Where query t may attend to key s: all the masks of query, value and key, and the one for the attention."""
    obeys = builder.facts.numbers >= (2, 10)  # before, masks did not reach this layer
    own = {
        part: given.get(f"{part}_mask") or (builder.mask(given[part]) if obeys and part in given else None)
        for part in _PARTS
    }
    wide = [
        masks.operator(builder, layer.name, "ExpandDims", f"{result}.{part}_mask", (mask,), axis=1 + (part == "query"))
        for part, mask in own.items()
        if mask is not None
    ]
    parts = [*wide, *([given["attention_mask"]] if "attention_mask" in given else [])]
    if not parts:
        return None
    return (
        _all(builder, layer, parts, f"{result}.mask") if len(parts) > 1 else _as_truth(builder, layer, parts[0], result)
    )


_PARTS = ("query", "value", "key")


def _as_truth(builder: Builder, layer: KerasLayer, mask: Value, result: Value) -> Value:
    return masks.operator(builder, layer.name, "Cast", f"{result}.mask", (mask,), dtype="bool")


def _all(builder: Builder, layer: KerasLayer, parts: Sequence[Value], name: str) -> Value:
    found = parts[0]
    for i, part in enumerate(parts[1:], 1):
        found = masks.operator(builder, layer.name, "LogicalAnd", f"{name}{i if i > 1 else ''}", (found, part))
    return found


def _place(builder: Builder, layer: KerasLayer, kind: str, fully_masked: str) -> None:
    """Add the native layer; what calls say about it is the same for all calls."""
    said = [{switch: bool(call.keywords.get(switch)) for switch in _SWITCHES} for call in layer.calls]
    causal = said[0]["use_causal_mask"] or bool(layer.config.get("causal"))
    if any(switches != said[0] for switches in said):
        builder.problem(layer.name, "is called with use_causal_mask and without, which irconv does not read")
    if said[0]["return_attention_scores"]:
        builder.problem(layer.name, f"{kind} returns its attention scores, which irconv reads of MultiHeadAttention")
    config = {**_ADDED[kind], **layer.config, "causal": causal, "fully_masked": fully_masked}
    if isinstance(config.get("output_shape"), int):  # Keras 3 writes a list
        config["output_shape"] = [config["output_shape"]]
    builder.place(kind, layer.name, config, layer.tensors, layer.origin)


def _scored(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    """Attention and AdditiveAttention: called on a list of query, value and perhaps key, the first two with masks."""
    refuse_keywords(builder, layer, "mask", *_SWITCHES)
    written = any(call.keywords.get("return_attention_scores") for call in layer.calls)
    if written:
        builder.place("ops.Copy", layer.name, {}, origin=layer.origin)
    else:
        _place(builder, layer, layer.kind, "average")
    made: list[Outputs] = []
    for call in layer.calls:
        result = value_name(layer.name, call.index)
        if len(call.inputs) not in (2, 3):
            what = f"is called on {len(call.inputs)} values, and Keras' own takes a query, a value and perhaps a key"
            builder.problem(layer.name, f"{what}: it is another class of that name")
            made.append((result,))
            continue
        query, value, *key = call.inputs
        given = call.keywords.get("mask") or ()
        query_mask, value_mask = (
            given[i] if len(given) > i and isinstance(given[i], Value) else builder.mask(call.inputs[i])
            for i in range(2)
        )
        inputs, wide_mask = [query, value, *(key or [value])], None
        results: Outputs = (result,)
        if value_mask is not None:
            name = f"{result}.value_mask"
            wide_mask = masks.operator(builder, layer.name, "ExpandDims", name, (value_mask,), axis=1)
        if written:
            whole, scores = attention_written.scored(builder, layer, call, inputs, wide_mask)
            inputs = [whole]
            results = (result, scores) if call.keywords.get("return_attention_scores") else results
        elif wide_mask is not None:
            inputs.append(wide_mask)
        attended = result if query_mask is None else Value(f"{result}.attended")
        builder.use(layer.name, inputs, (attended,))
        if query_mask is not None:
            wide = masks.operator(builder, layer.name, "ExpandDims", f"{result}.query_mask", (query_mask,), axis=-1)
            masks.operator(builder, layer.name, "Where", result, (wide, attended, masks.number(builder, 0.0)))
        made.append(results)
    return made


EXPANSIONS = {
    **dict.fromkeys(("MultiHeadAttention", "GroupedQueryAttention", "GroupQueryAttention"), _projected),
    **dict.fromkeys(("Attention", "AdditiveAttention"), _scored),
}
