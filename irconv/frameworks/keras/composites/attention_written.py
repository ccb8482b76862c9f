"""Attention written out: along other axes than that of steps, and where the scores are asked for, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from irconv.frameworks.keras.builder import Builder, KerasCall, KerasLayer, Value
from irconv.frameworks.keras.composites.drawing import Drawing, Sizes
from irconv.frameworks.keras.composites.formulas import known
from irconv.layout import Array

_HIDDEN = -1e9


def projected(
    builder: Builder, layer: KerasLayer, call: KerasCall, inputs: Sequence[Value], mask: Value | None
) -> tuple[Value, Value]:
    """MultiHeadAttention of query, key and value: what it gives, and the scores (batch, heads, of queries, of keys)."""
    o = Drawing(builder, layer, call)
    axes, causal = layer.config.get("attention_axes"), bool(call.keywords.get("use_causal_mask"))
    steps = axes is None or list(axes if isinstance(axes, list | tuple) else [axes]) in ([1], [-2])
    if (mask is not None or causal) and not steps:
        o.problem(f"attends along axes {axes} by a mask, and irconv reads that along steps")
    query, key, value = (_laid(o, part, name) for part, name in zip(inputs, ("query", "key", "value"), strict=True))
    size = float(o.shape("query_dense/kernel")[-1])
    scores = o("Matmul", o("Multiply", query, size**-0.5), o("Swapaxes", key, axis1=-1, axis2=-2))
    scores = o("Softmax", _masked(o, scores, mask, causal, 1), axis=-1)
    if mask is not None and builder.facts.version >= 3:  # a query that may attend to nothing gets zeros
        scores = o("Where", o("ExpandDims", mask, axis=1), scores, 0.0)
    result = _given_back(o, inputs[0], o("Matmul", scores, value))

    if axes is not None and len(axes if isinstance(axes, list | tuple) else [axes]) == 1:
        return result, scores
    if inputs[0] != inputs[1] and not steps:
        o.problem("gives its scores along several axes of two values, which irconv does not read")
    if inputs[0] != inputs[1]:
        return result, scores
    shape = o.of_shape(inputs[0], lambda sizes: _shape_of_scores(o, sizes))
    return result, o("Reshape", scores, newshape=shape)


def _axes(o: Drawing, sizes: Sizes) -> list[int]:
    """Those that queries attend along; all but the first and the last where none are said."""
    said, rank = o.config.get("attention_axes"), len(sizes)
    if said is None:
        return list(range(1, rank - 1))
    return [axis % rank for axis in (said if isinstance(said, list | tuple) else [said])]


def _batch(o: Drawing, sizes: Sizes) -> list[int]:
    axes = _axes(o, sizes)
    return [axis for axis in range(len(sizes) - 1) if axis not in axes]


def _shape_of_scores(o: Drawing, sizes: Sizes) -> list[Any]:
    """Of a value that attends to itself."""
    along = [sizes[axis] for axis in _axes(o, sizes)]
    return [*(sizes[axis] for axis in _batch(o, sizes)), o.shape("query_dense/kernel")[1], *along, *along]


def _laid(o: Drawing, x: Value, part: str) -> Value:
    """A part projected, as (batch..., heads, steps, features), all axes that it attends along as one."""
    path = f"{part}_dense"
    given, heads, features = o.shape(f"{path}/kernel")
    matrix = o("Reshape", o.weight(f"{path}/kernel"), newshape=[given, heads * features])
    made = o("Matmul", x, matrix)
    if o.has(f"{path}/bias"):
        made = o("Add", made, o("Reshape", o.weight(f"{path}/bias"), newshape=[heads * features]))
    made = o("Reshape", made, newshape=o.of_shape(x, lambda sizes: [*sizes[:-1], heads, features]))

    def order(sizes: Sizes) -> list[int]:
        return [*_batch(o, sizes), len(sizes) - 1, *_axes(o, sizes), len(sizes)]

    def merged(sizes: Sizes) -> list[Any]:
        return [*(sizes[axis] for axis in _batch(o, sizes)), heads, _together(sizes, _axes(o, sizes)), features]

    turned = o("Transpose", made, axes=o.of_shape(x, order))
    return o("Reshape", turned, newshape=o.of_shape(x, merged))


def _together(sizes: Sizes, axes: list[int]) -> Any:
    if len(axes) == 1:
        return sizes[axes[0]]
    return int(np.prod([known(sizes, axis) for axis in axes]))


def _given_back(o: Drawing, query: Value, attended: Value) -> Value:
    """Where the axes of the query were, and through the last matrix."""
    heads, features, out = o.shape("output_dense/kernel")

    def split(sizes: Sizes) -> list[Any]:
        axes = _axes(o, sizes)
        return [*(sizes[axis] for axis in _batch(o, sizes)), heads, *(sizes[axis] for axis in axes), features]

    def order(sizes: Sizes) -> list[int]:
        laid = [*_batch(o, sizes), len(sizes) - 1, *_axes(o, sizes), len(sizes)]
        return [laid.index(axis) for axis in range(len(laid))]

    made = o("Reshape", attended, newshape=o.of_shape(query, split))
    made = o("Transpose", made, axes=o.of_shape(query, order))
    made = o("Reshape", made, newshape=o.of_shape(query, lambda sizes: [*sizes[:-1], heads * features]))
    matrix = o("Reshape", o.weight("output_dense/kernel"), newshape=[heads * features, out])
    made = o("Matmul", made, matrix)
    return o("Add", made, o.weight("output_dense/bias")) if o.has("output_dense/bias") else made


def _masked(o: Drawing, scores: Value, mask: Value | None, causal: bool, heads: int) -> Value:
    """The scores with those far below all others that may not be attended to; `heads`: axes before those of a mask."""
    if causal:

        def rule(sizes: Sizes) -> Array:
            return np.tri(known(sizes, -2), known(sizes, -1), dtype=bool)

        scores = _hidden(o, scores, o.worked_out(scores, rule, "bool"))
    if mask is None:
        return scores
    return _hidden(o, scores, o("ExpandDims", mask, axis=1) if heads else mask)


def _hidden(o: Drawing, scores: Value, mask: Value) -> Value:
    gone = o("Subtract", 1.0, o("Cast", mask, dtype="float32"))
    return o("Add", scores, o("Multiply", gone, _HIDDEN))


def scored(
    builder: Builder, layer: KerasLayer, call: KerasCall, inputs: Sequence[Value], mask: Value | None
) -> tuple[Value, Value]:
    """Attention and AdditiveAttention of query, value and key: what they give, and the scores."""
    o, (query, value, key) = Drawing(builder, layer, call), inputs
    additive = layer.kind == "AdditiveAttention"
    if additive or layer.config.get("score_mode") == "concat":
        sums = o("Add", o("ExpandDims", query, axis=-2), o("ExpandDims", key, axis=-3))
        if not additive and o.has("scale"):
            sums = o("Multiply", sums, o.weight("scale"))
        bent = o("Tanh", sums)
        if additive and o.has("scale"):
            bent = o("Multiply", bent, o.weight("scale"))
        scores = o("Sum", bent, axis=-1, keepdims=False)
        if o.has("concat_score_weight"):
            scores = o("Multiply", scores, o.weight("concat_score_weight"))
    else:
        scores = o("Matmul", query, o("Swapaxes", key, axis1=-1, axis2=-2))
        if o.has("scale"):
            scores = o("Multiply", scores, o.weight("scale"))
    causal = bool(call.keywords.get("use_causal_mask") or layer.config.get("causal"))
    scores = o("Softmax", _masked(o, scores, mask, causal, 0), axis=-1)
    return o("Matmul", scores, value), scores
