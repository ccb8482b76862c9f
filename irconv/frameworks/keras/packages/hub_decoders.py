"""keras-hub: the decoders of language models, and the encoder of a vision transformer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import floor, log2, sqrt
from typing import Any

import numpy as np

from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.composites.drawing import Drawing, Expansion, drawn
from irconv.frameworks.keras.packages.hub import attends, causal, joined, rotated, whole
from irconv.frameworks.keras.packages.hub_variables import LLAMAS, NORMS
from irconv.ir.layers.ranges import written_out

_BARRED = -1e9


def _root_mean_square(o: Drawing, inputs: Value) -> Value:
    """``scale x / sqrt(mean(x^2) + epsilon)``."""
    return _normal(o, inputs, "scale", float(o.config["epsilon"]))


def _gemma_norm(o: Drawing, inputs: Value) -> Value:
    """The same with ``1 + scale``."""
    return _normal(o, inputs, "scale", float(o.config["epsilon"]), more=1.0)


def _normal(o: Drawing, x: Value, name: str, epsilon: float, more: float = 0.0) -> Value:
    mean = o("Mean", o("Square", x), axis=-1, keepdims=True)
    scale = o.weight(name)
    scale = o("Add", scale, more) if more else scale
    return o("Multiply", o("Multiply", x, o("Rsqrt", o("Add", mean, epsilon))), scale)


def _seen(o: Drawing, x: Value, padding: Value | None, attention: Value | None, window: int | None = None) -> Value:
    """(n, 1, t, s): where a query may attend: itself and before, and not at what is padded."""
    return o("ExpandDims", joined(o, attends(o, x, padding, attention), causal(o, x, window)), axis=1)


def _weights(o: Drawing, scores: Value, mask: Value) -> Value:
    """Keras' masked Softmax: nothing at all where everything is masked."""
    made = o("Softmax", o("Where", mask, scores, _BARRED), axis=-1)
    return o("Where", mask, made, 0.0)


def _repeated(o: Drawing, x: Value, times: int) -> Value:
    return o("Repeat", x, repeats=times, axis=2) if times > 1 else x


def _rotary_attention(o: Drawing, path: str, x: Value, mask: Value, settings: Mapping[str, Any]) -> Value:
    """Queries and keys turned by their places, keys and values shared by groups of heads."""
    heads, size = o.shape(f"{path}/query_dense/kernel")[1:]
    groups = heads // o.shape(f"{path}/key_dense/kernel")[1]
    query, key, value = (o.inner(f"{path}/{part}_dense", x) for part in ("query", "key", "value"))
    if o.has(f"{path}/query_dense_layer_norm/scale"):
        query, key = (
            _normal(o, part, f"{path}/{name}_dense_layer_norm/scale", 1e-5)
            for part, name in ((query, "query"), (key, "key"))
        )
    query, key = (rotated(o, part, settings, 4) for part in (query, key))
    key, value = _repeated(o, key, groups), _repeated(o, value, groups)
    scores = o("Multiply", o("Einsum", query, key, subscripts="bquh,bkuh->buqk"), 1 / sqrt(size))
    made = o("Einsum", _weights(o, scores, mask), value, subscripts="buqk,bkuh->bquh")
    return o.inner(f"{path}/output_dense", made)


def _fed(o: Drawing, x: Value) -> Value:
    """A Dense times the activation of another, through a third."""
    gate = o.activation(o.config.get("activation"), o.inner("feedforward_gate_dense", x))
    return o.inner("feedforward_output_dense", o("Multiply", o.inner("feedforward_intermediate_dense", x), gate))


def _llama(
    o: Drawing,
    decoder_sequence: Value,
    decoder_padding_mask: Value | None = None,
    decoder_attention_mask: Value | None = None,
) -> Value:
    window = o.config.get("sliding_window")
    if o.config.get("use_sliding_window_attention"):
        window = o.config["sliding_window_size"]
    window = (
        window or o.config.get("sliding_window_size") if o.layer.kind.endswith("Qwen3TransformerDecoder") else window
    )
    mask = _seen(o, decoder_sequence, decoder_padding_mask, decoder_attention_mask, window)
    settings = {"max_wavelength": o.config["rope_max_wavelength"], "scaling_factor": o.config["rope_scaling_factor"]}
    x = o.inner("self_attention_layernorm", decoder_sequence)
    x = o("Add", _rotary_attention(o, "self_attention_layer", x, mask, settings), decoder_sequence)
    return o("Add", _fed(o, o.inner("feedforward_layernorm", x)), x)


def _phi(
    o: Drawing,
    decoder_sequence: Value,
    decoder_padding_mask: Value | None = None,
    decoder_attention_mask: Value | None = None,
) -> Value:
    if o.config.get("rope_scaling_type") is not None:
        o.problem(f"has rope_scaling_type={o.config['rope_scaling_type']!r}, which irconv does not read")
    mask = _seen(o, decoder_sequence, decoder_padding_mask, decoder_attention_mask)
    settings = {"max_wavelength": o.config["rope_max_wavelength"]}
    x = o.inner("pre_attention_layernorm", decoder_sequence)
    x = o("Add", _rotary_attention(o, "attention", x, mask, settings), decoder_sequence)
    return o("Add", _fed(o, o.inner("post_attention_layernorm", x)), x)


def _gemma(o: Drawing, x: Value, padding_mask: Value | None = None) -> Value:
    window = o.config["sliding_window_size"] if o.config.get("use_sliding_window_attention") else None
    mask = _seen(o, x, padding_mask, None, window)
    made = _gemma_attention(o, o.inner("pre_attention_norm", x), mask)
    if o.config.get("use_post_attention_norm"):
        made = o.inner("post_attention_norm", made)
    attended = o("Add", x, made)
    normal = o.inner("pre_ffw_norm", attended)
    gate = o("Gelu", o.inner("gating_ffw", normal), approximate=True)
    fed = o.inner("ffw_linear", o("Multiply", gate, o.inner("gating_ffw_2", normal)))
    if o.config.get("use_post_ffw_norm"):
        fed = o.inner("post_ffw_norm", fed)
    return o("Add", fed, attended)


def _gemma_attention(o: Drawing, x: Value, mask: Value) -> Value:
    """As Llama's; the halves that were turned stand in turn, and scores may be capped softly."""
    heads, _, size = o.shape("attention/query_dense/kernel")
    groups = heads // o.shape("attention/key_dense/kernel")[0]
    query, key, value = (o.inner(f"attention/{part}_dense", x) for part in ("query", "key", "value"))
    query, key = (rotated(o, part, {"max_wavelength": 10000.0}, 4) for part in (query, key))
    key, value = _repeated(o, key, groups), _repeated(o, value, groups)
    query = o("Multiply", query, 1 / sqrt(size))
    scores, cap = o("Einsum", query, key, subscripts="btnh,bsnh->bnts"), o.config.get("logit_soft_cap")
    if cap is not None:
        scores = o("Multiply", o("Tanh", o("TrueDivide", scores, float(cap))), float(cap))
    made = o("Einsum", _weights(o, scores, mask), value, subscripts="bnts,bsnh->btnh")
    return o.inner("attention/output_dense", made)


def _slopes(heads: int, most: float = 8.0) -> list[float]:
    """How fast the bias of each head falls: powers of ``2^(-most / heads)``; between powers of two, every second one of
    twice as many heads is put behind."""
    written_out(heads, f"attention of {heads} heads")
    near = 2 ** floor(log2(heads))
    found = [2.0 ** (-most * (i + 1) / near) for i in range(near)]
    return found if near == heads else found + _slopes(2 * near, most)[0::2][: heads - near]


def _biased_attention(o: Drawing, path: str, x: Value, mask: Value, biased: Callable[[Value, float], Value]) -> Value:
    heads, size = o.shape(f"{path}/query_dense/kernel")[1:]
    query, key, value = (o.inner(f"{path}/{part}_dense", x) for part in ("query", "key", "value"))
    scores = biased(o("Einsum", query, key, subscripts="bqnh,bknh->bnqk"), 1 / sqrt(size))
    made = o("Einsum", _weights(o, scores, mask), value, subscripts="bnqk,bknh->bqnh")
    flat = o("Reshape", made, newshape=[o.size(x, 0), o.size(x, 1), heads * size])
    return o.inner(f"{path}/output_dense", flat)


def _falcon(
    o: Drawing,
    inputs: Value,
    decoder_padding_mask: Value | None = None,
    decoder_attention_mask: Value | None = None,
) -> Value:
    """The bias counts the steps that are not padded, and is scaled with the scores."""
    mask = _seen(o, inputs, decoder_padding_mask, decoder_attention_mask)
    slopes = np.array(_slopes(int(o.config["num_attention_heads"])), np.float32)[:, None, None]
    if decoder_padding_mask is None:
        places = o("ExpandDims", o("Arange", start=0, stop=o.size(inputs, 1), step=1, dtype="int64"), axis=0)
    else:
        there = o("Cast", decoder_padding_mask, dtype="int32")
        one = o.numbers(1, "int32")
        places = o("Multiply", o("Subtract", o("Cumsum", there, axis=-1), one), there)
    bias = o("Multiply", o.numbers(slopes), o("ExpandDims", o("Cast", places, dtype="float32"), axis=[1, 2]))

    def biased(scores: Value, scale: float) -> Value:
        return o("Multiply", o("Add", scores, bias), scale)

    x = _biased_attention(o, "attention_layer", o.inner("input_layernorm", inputs), mask, biased)
    x = o("Add", x, inputs)
    y = o("Gelu", o.inner("dense_h_to_4h", o.inner("post_attention_layernorm", x)), approximate=False)
    return o("Add", o.inner("dense_4h_to_h", y), x)


def _bloom(
    o: Drawing,
    decoder_sequence: Value,
    decoder_padding_mask: Value | None = None,
    decoder_attention_mask: Value | None = None,
    use_causal_mask: bool = True,
) -> Value:
    """The bias is 0 at the last key and falls with the distance from it."""
    x = decoder_sequence
    if not use_causal_mask:
        o.problem("is called without the causal mask, which irconv does not read")
    mask = _seen(o, x, decoder_padding_mask, decoder_attention_mask)
    slopes = np.array(_slopes(int(o.config["num_heads"])), np.float32)[:, None, None]
    steps = o("Arange", start=0, stop=o.size(x, 1), step=1, dtype="int64")
    behind = o("Subtract", steps, o("Max", steps, axis=-1, keepdims=True))
    bias = o("Multiply", o.numbers(slopes), o("Cast", behind, dtype="float32"))

    def biased(scores: Value, scale: float) -> Value:
        return o("Add", o("Multiply", scores, scale), bias)

    y = _biased_attention(o, "self_attention_layer", o.inner("pre_attention_layernorm", x), mask, biased)
    y = o("Add", y, x)
    fed = o.inner("mlp_intermediate_dense", o.inner("post_attention_layernorm", y))
    return o("Add", o.inner("mlp_output_dense", o("Gelu", fed, approximate=True)), y)


def _vit_patches(o: Drawing, inputs: Value) -> Value:
    """Patches in rows, a token before them, and a learned vector for each place."""
    image = o.inner("patch_embedding", inputs)
    if o.config.get("data_format") == "channels_first":
        image = o("Transpose", image, axes=[0, 2, 3, 1])
    rows = o("Reshape", image, newshape=o.of_shape(image, lambda s: [s[0], whole(s, 1)[0] * whole(s, 2)[0], s[3]]))
    if o.config["use_class_token"]:
        token = o.weight("class_token")
        token = o("BroadcastTo", token, shape=[o.size(inputs, 0), 1, o.shape("class_token")[-1]])
        rows = o("Concatenate", [token, rows], axis=1)
    return o("Add", rows, o.weight("position_embedding/embeddings"))


def _vit(o: Drawing, inputs: Value) -> Value:
    x = inputs
    for i in range(int(o.config["num_layers"])):
        path = f"encoder_layers/{i}"
        y = o.inner(f"{path}/layer_norm_1", x)
        size = o.shape(f"{path}/mha/query_dense/kernel")[-1]
        x = o("Add", o.inner(f"{path}/mha", y, y, key_dim=size), x)
        y = o.inner(f"{path}/mlp/dense_1", o.inner(f"{path}/layer_norm_2", x), activation="gelu")
        x = o("Add", x, o.inner(f"{path}/mlp/dense_2", y))
    return o.inner("layer_norm", x)


EXPANSIONS: Mapping[str, Expansion] = {
    **dict.fromkeys(NORMS, drawn(_root_mean_square)),
    **dict.fromkeys(LLAMAS, drawn(_llama, masks=True)),
    "keras_hub>BloomDecoder": drawn(_bloom),
    "keras_hub>FalconTransformerDecoder": drawn(_falcon),
    "keras_hub>GemmaDecoderBlock": drawn(_gemma),
    "keras_hub>Phi3Decoder": drawn(_phi),
    "keras_hub>RMSNormalization": drawn(_gemma_norm),
    "keras_hub>ViTEncoder": drawn(_vit),
    "keras_hub>ViTPatchingAndEmbedding": drawn(_vit_patches),
}
