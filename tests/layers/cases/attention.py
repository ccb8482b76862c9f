"""Attention against torch and Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from irconv.ir.layers.attention import (
    AdditiveAttention,
    DotProductAttention,
    GroupedQueryAttention,
    MultiHeadAttention,
    ScaledDotProductAttention,
)
from irconv.ir.shapes import Shape
from tests.layers.harness import Arrays, Case, arrays

N, HEADS, T, S, D, V = 2, 4, 5, 7, 3, 6
QKV = arrays(41, query=(N, HEADS, T, D), key=(N, HEADS, S, D), value=(N, HEADS, S, V))
GROUPED = arrays(42, query=(N, HEADS, T, D), key=(N, 2, S, D), value=(N, 2, S, V))
WIDE = arrays(43, query=(N, T, 8), key=(N, S, 9), value=(N, S, 10))
FLAT = arrays(44, query=(N, T, D), value=(N, S, V), key=(N, S, D))
SHAPES: Mapping[str, Shape] = {
    "query": ("N", HEADS, "T", D),
    "key": ("N", HEADS, "S", D),
    "value": ("N", HEADS, "S", V),
}
FREE: Mapping[str, Shape] = {"query": ("N", "T", 8), "key": ("N", "S", 9), "value": ("N", "S", 10)}
FLAT_SHAPES: Mapping[str, Shape] = {"query": ("N", "T", D), "key": ("N", "S", D), "value": ("N", "S", V)}
MASK = np.random.default_rng(45).random((N, 1, T, S)) < 0.6
MASK[1, 0, 3] = False  # a query that may attend to nothing
PLAIN: dict[str, Any] = {"scale": D**-0.5, "softcap": None, "causal": "none", "fully_masked": "zero"}


def _sdpa(q: Arrays, mask: np.ndarray | None = None, **settings: Any) -> Arrays:
    import torch

    given = [torch.from_numpy(q[slot]) for slot in ("query", "key", "value")]
    mask_given = None if mask is None else torch.from_numpy(mask)
    function = torch.nn.functional.scaled_dot_product_attention
    return {"y": function(*given, attn_mask=mask_given, **settings).numpy()}


def _capped() -> Arrays:
    scores = QKV["query"].astype(np.float64) @ np.swapaxes(QKV["key"], 2, 3) * PLAIN["scale"]
    weights = np.exp(0.7 * np.tanh(scores / 0.7))
    weights *= np.arange(S) <= np.arange(T)[:, None] + S - T
    return {"y": (weights / weights.sum(3, keepdims=True) @ QKV["value"]).astype(np.float32)}


def _projections(sizes: Mapping[str, int], groups: int, head: int, values: int, out: int) -> Arrays:
    rows = {"query": HEADS * head, "key": groups * head, "value": groups * values}
    shapes: dict[str, tuple[int, ...]] = {f"{slot}_kernel": (rows[slot], sizes[slot]) for slot in rows}
    shapes |= {f"{slot}_bias": (rows[slot],) for slot in rows}
    return arrays(46, **shapes, output_kernel=(out, HEADS * values), output_bias=(out,))


def _torch_mha(w: Arrays, x: Arrays, mask: np.ndarray | None) -> Arrays:
    import torch

    layer = torch.nn.MultiheadAttention(8, HEADS, kdim=9, vdim=10, batch_first=True)
    state = {
        f"{short}_proj_weight": torch.from_numpy(w[f"{slot}_kernel"]) for slot, short in zip(x, "qkv", strict=True)
    }
    state["in_proj_bias"] = torch.from_numpy(np.concatenate([w[f"{slot}_bias"] for slot in x]))
    state |= {
        "out_proj.weight": torch.from_numpy(w["output_kernel"]),
        "out_proj.bias": torch.from_numpy(w["output_bias"]),
    }
    layer.load_state_dict(state)
    barred = None if mask is None else ~torch.from_numpy(np.repeat(mask[:, 0], HEADS, axis=0))
    with torch.no_grad():
        y, _ = layer.eval()(*(torch.from_numpy(array) for array in x.values()), attn_mask=barred)
    return {"y": y.numpy()}


def _keras_heads(kernel: np.ndarray, heads: int) -> np.ndarray:
    return kernel.T.reshape(kernel.shape[1], heads, -1)


def _keras_mha(kind: str, w: Arrays, x: Arrays, groups: int, settings: Mapping[str, Any], **call: Any) -> Arrays:
    import keras

    layer = getattr(keras.layers, kind)(**settings)
    layer.build(*(x[slot].shape for slot in ("query", "value", "key")))
    variables: list[np.ndarray] = []
    for slot, heads in (("query", HEADS), ("key", groups), ("value", groups)):
        variables += [_keras_heads(w[f"{slot}_kernel"], heads), w[f"{slot}_bias"].reshape(heads, -1)]
    output = w["output_kernel"].T.reshape(HEADS, -1, w["output_kernel"].shape[0])
    layer.set_weights([*variables, output, w["output_bias"]])
    return {"y": np.asarray(layer(x["query"], x["value"], x["key"], **call))}


def _keras_flat(kind: str, variables: list[np.ndarray], masks: list[Any], causal: bool, **settings: Any) -> Arrays:
    import keras

    layer = getattr(keras.layers, kind)(**settings)
    given = [FLAT[slot] for slot in ("query", "value", "key")]
    layer(given)
    layer.set_weights(variables)
    return {"y": np.asarray(layer(given, mask=masks, use_causal_mask=causal))}


TORCH = _projections({"query": 8, "key": 9, "value": 10}, HEADS, 2, 2, 8)
KERAS = _projections({"query": 8, "key": 9, "value": 10}, HEADS, D, 5, 11)
GQA = _projections({"query": 8, "key": 9, "value": 10}, 2, D, D, 8)
VALUES = np.array([[1, 1, 0, 1, 0, 0, 1], [0] * 7], bool)
SCALE, VECTOR = np.array(0.6, np.float32), arrays(47, v=(D,))["v"]
FLAT_MASK = {"mask": VALUES[:, None]}
FLAT_PLAIN: dict[str, Any] = {"causal": "none", "fully_masked": "average"}


CASES = [
    Case(
        "plain, of unknown sizes",
        ScaledDotProductAttention(**PLAIN),
        QKV,
        lambda: _sdpa(QKV),
        "torch.nn.functional.scaled_dot_product_attention",
        shapes=SHAPES,
    ),
    Case(
        "a mask of truth values, another scale",
        ScaledDotProductAttention(**{**PLAIN, "scale": 0.9}),
        {**QKV, "mask": MASK},
        lambda: _sdpa(QKV, MASK, scale=0.9),
        "torch.nn.functional.scaled_dot_product_attention",
        shapes={**SHAPES, "mask": ("N", 1, "T", "S")},
    ),
    Case(
        "a mask of numbers, minus infinity among them",
        ScaledDotProductAttention(**PLAIN),
        {**QKV, "mask": np.where(MASK, arrays(48, m=MASK.shape)["m"], np.float32(-np.inf))},
        lambda: _sdpa(QKV, np.where(MASK, arrays(48, m=MASK.shape)["m"], np.float32(-np.inf))),
        "torch.nn.functional.scaled_dot_product_attention",
    ),
    Case(
        "causal, of unknown sizes",
        ScaledDotProductAttention(**{**PLAIN, "causal": "first"}),
        QKV,
        lambda: _sdpa(QKV, is_causal=True),
        "torch.nn.functional.scaled_dot_product_attention",
        shapes=SHAPES,
    ),
    Case(
        "fewer heads for keys and values",
        ScaledDotProductAttention(**PLAIN),
        GROUPED,
        lambda: _sdpa(GROUPED, enable_gqa=True),
        "torch.nn.functional.scaled_dot_product_attention with enable_gqa",
        shapes={"query": ("N", HEADS, "T", D), "key": ("N", 2, "S", D), "value": ("N", 2, "S", V)},
    ),
    Case(
        "capped scores, causal from the end",
        ScaledDotProductAttention(**{**PLAIN, "softcap": 0.7, "causal": "last"}),
        QKV,
        _capped,
        "the formula of its docstring in numpy",
        shapes=SHAPES,
    ),
    Case(
        "inputs of three sizes, of unknown lengths",
        MultiHeadAttention(**{**PLAIN, "scale": 2**-0.5, "heads": HEADS}),
        WIDE,
        lambda: _torch_mha(TORCH, WIDE, None),
        "torch.nn.MultiheadAttention",
        TORCH,
        FREE,
    ),
    Case(
        "a mask that leaves one query nothing gives it NaN",
        MultiHeadAttention(**{**PLAIN, "scale": 2**-0.5, "heads": HEADS, "fully_masked": "nan"}),
        {**WIDE, "mask": MASK},
        lambda: _torch_mha(TORCH, WIDE, MASK),
        "torch.nn.MultiheadAttention",
        TORCH,
    ),
    Case(
        "heads larger than the input's share, values of another size, causal and masked",
        MultiHeadAttention(**{**PLAIN, "heads": HEADS, "causal": "first", "fully_masked": "average"}),
        {**WIDE, "mask": MASK},
        lambda: _keras_mha(
            "MultiHeadAttention",
            KERAS,
            WIDE,
            HEADS,
            {"num_heads": HEADS, "key_dim": D, "value_dim": 5, "output_shape": 11},
            attention_mask=MASK[:, 0],
            use_causal_mask=True,
        ),
        "keras.layers.MultiHeadAttention",
        KERAS,
        {**FREE, "mask": ("N", 1, "T", "S")},
    ),
    Case(
        "two heads of keys serve four",
        GroupedQueryAttention(**{**PLAIN, "heads": HEADS, "key_value_heads": 2, "fully_masked": "average"}),
        WIDE,
        lambda: _keras_mha(
            "GroupQueryAttention",
            GQA,
            WIDE,
            2,
            {"head_dim": D, "num_query_heads": HEADS, "num_key_value_heads": 2},
        ),
        "keras.layers.GroupQueryAttention",
        GQA,
        FREE,
    ),
    Case(
        "scaled, a mask of values, nothing to attend to in the second",
        DotProductAttention(**FLAT_PLAIN),
        {**FLAT, **FLAT_MASK},
        lambda: _keras_flat("Attention", [SCALE], [None, VALUES], False, use_scale=True),
        "keras.layers.Attention",
        {"scale": SCALE},
        {**FLAT_SHAPES, "mask": ("N", 1, "S")},
    ),
    Case(
        "causal",
        DotProductAttention(**{**FLAT_PLAIN, "causal": "first"}),
        FLAT,
        lambda: _keras_flat("Attention", [], [None, None], True),
        "keras.layers.Attention",
    ),
    Case(
        "a scale for each feature, causal and masked",
        AdditiveAttention(**{**FLAT_PLAIN, "causal": "first"}),
        {**FLAT, **FLAT_MASK},
        lambda: _keras_flat("AdditiveAttention", [VECTOR], [None, VALUES], True),
        "keras.layers.AdditiveAttention",
        {"scale": VECTOR},
        {**FLAT_SHAPES, "mask": ("N", 1, "S")},
    ),
    Case(
        "one number for all features and one inside",
        AdditiveAttention(**FLAT_PLAIN),
        FLAT,
        lambda: _keras_flat(
            "Attention", [np.array(1.3, np.float32), SCALE], [None, None], False, use_scale=True, score_mode="concat"
        ),
        "keras.layers.Attention with score_mode concat",
        {"scale": SCALE, "inner_scale": np.array(1.3, np.float32)},
    ),
]
