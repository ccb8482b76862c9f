"""The packages of keras-bert's author: keras-bert, keras-self-attention, keras-multi-head, keras-pos-embd,
keras-layer-normalization, keras-position-wise-feed-forward and keras-embed-sim.

Some of their layers put their own name before those of their weights: ``attention_Wq``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from irconv.frameworks.keras.builder import Outputs, Value
from irconv.frameworks.keras.composites.drawing import Drawing, Expansion, Sizes, drawn
from irconv.frameworks.keras.packages.names import APPROXIMATE_GELU
from irconv.ir.layers.ranges import written_out
from irconv.layout import Array

_BARRED = 10000.0
"""What is taken off the score of a step that may not be seen."""


def _named(o: Drawing, end: str) -> str:
    """The weight whose name ends like this, whatever name the layer had when it was built. Raises `KeyError`."""
    found = [name for name in o.layer.tensors if name == end or name.endswith(f"_{end}")]
    if len(found) != 1:
        raise KeyError(end)
    return found[0]


def _weight(o: Drawing, end: str) -> Value:
    return o.weight(_named(o, end))


def _product(o: Drawing, x: Value, part: str, bias: bool) -> Value:
    made = o("Matmul", x, _weight(o, f"W{part}"))
    return o("Add", made, _weight(o, f"b{part}")) if bias else made


def _softmax(o: Drawing, scores: Value, epsilon: float = 0.0) -> Value:
    """``exp(e - max e) / (sum + epsilon)``."""
    if not epsilon:
        return o("Softmax", scores, axis=-1)
    raised = o("Exp", o("Subtract", scores, o("Max", scores, axis=-1, keepdims=True)))
    return o("TrueDivide", raised, o("Add", o("Sum", raised, axis=-1, keepdims=True), epsilon))


def _without(o: Drawing, mask: Value) -> Value:
    """``1 - mask``, times what is taken off."""
    return o("Multiply", o("Subtract", 1.0, o("Cast", mask, dtype="float32")), _BARRED)


def _steps(o: Drawing, x: Value, axis: int = 1) -> Value:
    return o("Arange", start=0, stop=o.size(x, axis), step=1, dtype="int64")


def _scaled_scores(o: Drawing, q: Value, k: Value, size: int, history: bool) -> Value:
    """``q k^T / sqrt(size)`` of values (..., t, size), later keys barred where a query sees its history alone."""
    scores = o("TrueDivide", o("Matmul", q, o("Swapaxes", k, axis1=-2, axis2=-1)), float(np.sqrt(np.float32(size))))
    if history:
        keys, queries = o("ExpandDims", _steps(o, k, -2), axis=0), o("ExpandDims", _steps(o, q, -2), axis=-1)
        later = o("Cast", o("Greater", keys, queries), dtype="float32")
        scores = o("Subtract", scores, o("Multiply", later, _BARRED))
    return scores


def _scaled(o: Drawing, inputs: Value | list[Value], mask: Any = None) -> Value | Outputs:
    q, k, v = inputs if isinstance(inputs, list) else (inputs,) * 3
    scores = o("Matmul", q, o("Swapaxes", k, axis1=-2, axis2=-1))
    size = o("Sqrt", o("Cast", o("GetItem", o("Shape", q), key=[-1]), dtype="float32"))
    scores = o("TrueDivide", scores, size)
    if o.config.get("history_only"):
        keys, queries = o("ExpandDims", _steps(o, k), axis=0), o("ExpandDims", _steps(o, q), axis=-1)
        scores = o("Subtract", scores, o("Multiply", o("Cast", o("Greater", keys, queries), dtype="float32"), _BARRED))
    barred = mask[1] if isinstance(mask, list) else mask or o.builder.mask(k)
    if barred is not None:
        scores = o("Subtract", scores, _without(o, o("ExpandDims", barred, axis=-2)))
    weights = _softmax(o, scores)
    made = o("Matmul", weights, v)
    return (made, weights) if o.config.get("return_attention") else made


def _multi_head(o: Drawing, inputs: Value | list[Value], mask: Any = None) -> Value:
    """Every projection with the activation, the heads beside each other in its result."""
    parts = inputs if isinstance(inputs, list) else [inputs] * 3
    heads, bias, word = int(o.config["head_num"]), bool(o.config["use_bias"]), o.config.get("activation")
    features = o.shape(_named(o, "Wq"))[1]
    apart = []
    for part, x in zip("qkv", parts, strict=True):
        made = o.activation(word, _product(o, x, part, bias))
        shape = o.of_shape(x, lambda sizes: [sizes[0], sizes[1], heads, features // heads])
        apart.append(o("Transpose", o("Reshape", made, newshape=shape), axes=[0, 2, 1, 3]))
    scores = _scaled_scores(o, apart[0], apart[1], features // heads, bool(o.config.get("history_only")))
    barred = mask[1] if isinstance(mask, list) else mask or o.builder.mask(parts[1])
    if barred is not None:
        scores = o("Subtract", scores, _without(o, o("ExpandDims", barred, axis=[1, 2])))
    joined = o("Transpose", o("Matmul", _softmax(o, scores), apart[2]), axes=[0, 2, 1, 3])
    flat = o("Reshape", joined, newshape=o.of_shape(parts[0], lambda sizes: [sizes[0], sizes[1], features]))
    return o.activation(word, _product(o, flat, "o", bias))


def _self_attention(o: Drawing, inputs: Value, mask: Value | None = None) -> Value | Outputs:
    """``softmax(e) x``, e additive, ``Wa tanh(x_t Wt + x_s Wx)``, or multiplicative, ``x_t Wa x_s``."""
    if o.config["attention_type"] == "additive":
        q, k = (o("Matmul", inputs, _weight(o, name)) for name in ("Wt", "Wx"))
        total = o("Add", o("ExpandDims", q, axis=2), o("ExpandDims", k, axis=1))
        total = o("Add", total, _weight(o, "bh")) if o.config.get("use_additive_bias", True) else total
        scores = o("Matmul", o("Tanh", total), _weight(o, "Wa"))
        scores = o("Squeeze", scores, axis=-1)
    else:
        turned = o("Transpose", inputs, axes=[0, 2, 1])
        scores = o("Matmul", o("Matmul", inputs, _weight(o, "Wa")), turned)
    if o.config.get("use_attention_bias", True):
        scores = o("Add", scores, _weight(o, "ba"))
    scores = o.activation(o.config.get("attention_activation"), scores)
    width, history = o.config.get("attention_width"), bool(o.config.get("history_only"))
    if width is not None or history:
        width = int(1e9) if width is None else int(width)
        steps = _steps(o, inputs)
        lower = o("Subtract", o("ExpandDims", steps, axis=-1), o.numbers(width - 1 if history else width // 2, "int64"))
        keys, upper = o("ExpandDims", steps, axis=0), o("Add", lower, o.numbers(width, "int64"))
        seen = o("LogicalAnd", o("LessEqual", lower, keys), o("Less", keys, upper))
        scores = o("Subtract", scores, _without(o, seen))
    mask = mask or o.builder.mask(inputs)
    if mask is not None:  # barred where neither the query nor the key counts
        away = o("Subtract", 1.0, o("ExpandDims", o("Cast", mask, dtype="float32"), axis=-1))
        both = o("Multiply", away, o("Transpose", away, axes=[0, 2, 1]))
        scores = o("Subtract", scores, o("Multiply", both, _BARRED))
    weights = _softmax(o, scores)
    made = o("Matmul", weights, inputs)
    return (made, weights) if o.config.get("return_attention") else made


def _weighted(o: Drawing, x: Value, mask: Value | None = None) -> Value | Outputs:
    """The sum of all steps, each by how much it matters: ``softmax(x W + b)``."""
    scores = o("Squeeze", _product(o, x, "", bool(o.config["use_bias"])), axis=-1)
    mask = mask or o.builder.mask(x)
    if mask is not None:
        scores = o("Subtract", scores, _without(o, mask))
    weights = _softmax(o, scores, 1e-7)
    made = o("Sum", o("Multiply", x, o("ExpandDims", weights, axis=-1)), axis=1, keepdims=False)
    return (made, weights) if o.config.get("return_attention") else made


def _position(o: Drawing, inputs: Value) -> Value:
    """A learned vector for each place; with ``expand``, for each relative place of a sequence of them."""
    table, mode = o.weight("embeddings"), o.config["mode"]
    if mode == "expand":
        most = int(o.config["input_dim"])
        places = o("Clip", o("Cast", inputs, dtype="int32"), x_min=-most, x_max=most)
        return o("Take", table, o("Add", places, o.numbers(most, "int32")), axis=0)
    rows = o("GetItem", table, key=[{"start": 0, "stop": o.size(inputs, 1), "step": None}])
    return _joined(o, inputs, o("ExpandDims", rows, axis=0), str(mode), int(o.config["output_dim"]))


def _joined(o: Drawing, x: Value, rows: Value, mode: str, features: int) -> Value:
    """Vectors added to a value, or behind its features."""
    if mode == "add":
        return o("Add", x, rows)
    wide = o("BroadcastTo", rows, shape=o.of_shape(x, lambda sizes: [sizes[0], sizes[1], features]))
    return o("Concatenate", [x, wide], axis=-1)


def _waves(o: Drawing, inputs: Value) -> Value:
    """Sines and cosines in turn, of wave lengths that rise with the feature."""
    mode, said = str(o.config["mode"]), o.config.get("output_dim")

    def lengths(sizes: Sizes) -> Array:
        features = sizes[-1] if mode == "add" else said
        if not isinstance(features, int):
            raise ValueError(f"expected a known number of features, got {features}")
        written_out(features, f"waves for {features} features")
        return 1 / np.power(10000.0, np.arange(features // 2) * 2 / features, dtype=np.float32)

    places = inputs if mode == "expand" else _steps(o, inputs)
    places = o("ExpandDims", o("Cast", places, dtype="float32"), axis=-1)
    angles = o("Multiply", places, o.worked_out(inputs, lengths))
    pairs = o("Stack", [o("Sin", angles), o("Cos", angles)], axis=-1)
    flat = o("Reshape", pairs, newshape=o.of_shape(inputs, lambda sizes: _flat(sizes, mode, said)))
    return flat if mode == "expand" else _joined(o, inputs, flat, mode, int(said or 0))


def _flat(sizes: Sizes, mode: str, features: Any) -> list[Any]:
    return [sizes[0] if mode == "expand" else 1, sizes[1], sizes[2] if mode == "add" else features]


def _normal(o: Drawing, inputs: Value) -> Value:
    settings = {"axis": -1, "epsilon": o.config["epsilon"]}
    settings |= {name: bool(o.config[name]) for name in ("center", "scale")}
    return o.own("LayerNormalization", "normal", settings, inputs, path="")


def _feed_forward(o: Drawing, x: Value) -> Value:
    bias = bool(o.config["use_bias"])
    return _product(o, o.activation(_gelu_of(o.config), _product(o, x, "1", bias)), "2", bias)


def _gelu_of(config: Mapping[str, Any]) -> Any:
    """keras-transformer's gelu, which is the approximation with tanh, has the name of Keras' own."""
    word = config.get("activation")
    return APPROXIMATE_GELU if word == "gelu" else word


def _with_table(o: Drawing, inputs: Value) -> Outputs:
    """The rows of a table, and the table itself."""
    kept = {key: o.config[key] for key in ("input_dim", "output_dim", "dtype")}
    rows = o.own("Embedding", "rows", {**kept, "mask_zero": bool(o.config.get("mask_zero"))}, inputs, path="")
    if rows in o.builder.masks:
        o.builder.masks[Value(o.layer.name)] = o.builder.masks[rows]
    return rows, o.weight("embeddings")


def _similarity(o: Drawing, inputs: list[Value]) -> Value:
    """How like each row of a table a value is, as probabilities."""
    x, table = inputs
    made = o("Matmul", x, o("Transpose", table))
    made = o("Add", made, o.weight("bias")) if o.has("bias") else made
    return o("Softmax", made, axis=-1)


def _extract(o: Drawing, x: Value) -> Value:
    return o("GetItem", x, key=[{"start": None, "stop": None, "step": None}, int(o.config["index"])])


def _masked(o: Drawing, inputs: list[Value]) -> Value:
    if o.config.get("return_masked"):
        o.problem("returns its mask, which irconv does not read")
    return inputs[0]


def _task(o: Drawing, inputs: list[Value]) -> Value:
    """A vector for the task, added to every step; none for task 0 where it is masked."""
    x, tasks = inputs
    made = o("Take", o.weight("embeddings"), o("Cast", tasks, dtype="int32"), axis=0)
    if o.config.get("mask_zero"):
        there = o("Cast", o("NotEqual", tasks, 0), dtype="float32")
        made = o("Multiply", made, o("ExpandDims", there, axis=-1))
    return o("Add", x, made)


EXPANSIONS: Mapping[str, Expansion] = {
    **dict.fromkeys(("keras_bert>TokenEmbedding", "keras_embed_sim>EmbeddingRet"), drawn(_with_table)),
    **dict.fromkeys(("keras_bert>EmbeddingSimilarity", "keras_embed_sim>EmbeddingSim"), drawn(_similarity, masks=True)),
    "keras_bert>Extract": drawn(_extract),
    "keras_bert>Masked": drawn(_masked),
    "keras_bert>TaskEmbedding": drawn(_task, masks=True),
    "keras_layer_normalization>LayerNormalization": drawn(_normal, masks=True),
    "keras_multi_head>MultiHeadAttention": drawn(_multi_head, masks=True),
    "keras_pos_embd>PositionEmbedding": drawn(_position, masks=True),
    "keras_pos_embd>TrigPosEmbedding": drawn(_waves, masks=True),
    "keras_position_wise_feed_forward>FeedForward": drawn(_feed_forward, masks=True),
    "keras_self_attention>ScaledDotProductAttention": drawn(_scaled, masks=True),
    "keras_self_attention>SeqSelfAttention": drawn(_self_attention, masks=True),
    "keras_self_attention>SeqWeightedAttention": drawn(_weighted),
}
