"""Which weights the decoders of keras-hub's language models have; see `variables`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.frameworks.keras.packages.entries import Entry, dense, entry, inside, norm
from irconv.ir.layers.ranges import written_out

_ROTARY = {"query": "bqm,muh->bquh", "other": "bkm,mvh->bkvh", "output": "bquh,uhm->bqm"}
_GEMMA = {"query": "btd,ndh->btnh", "other": "bsd,kdh->bskh", "output": "btnh,nhd->btd"}
_ALIBI = {"query": "btm,mnh->btnh", "other": "btm,mnh->btnh"}

#: Kinds whose variables are those of a Llama: a decoder, the norm of the package and what it adds to attention.
LLAMAS: Mapping[str, tuple[str, bool, bool]] = {
    "keras_hub>LlamaTransformerDecoder": ("keras_hub>LlamaLayerNorm", False, False),
    "keras_hub>MistralTransformerDecoder": ("keras_hub>MistralLayerNormalization", False, False),
    "keras_hub>QwenTransformerDecoder": ("keras_hub>QwenLayerNorm", True, False),
    "keras_hub>Qwen3TransformerDecoder": ("keras_hub>Qwen3LayerNorm", False, True),
}

#: Norms by the root mean square whose only weight is a scale.
NORMS = (
    *(kind for kind, _, _ in LLAMAS.values()),
    *("keras_hub>Phi3LayerNorm", "keras_hub>RMSNormalization", "keras_hub>T5LayerNorm"),
)


def _scale(kind: str, name: str, epsilon: Any) -> tuple[str, Entry]:
    return name, entry(kind, name, epsilon=epsilon)


def _projections(equations: Mapping[str, str], bias: str = "") -> list[tuple[str, Entry]]:
    axes = {"query": bias, "key": bias.replace("u", "v"), "value": bias.replace("u", "v"), "attention_output": ""}
    found = []
    for attribute, name, which in (
        *(("query_dense", "query", "query"), ("key_dense", "key", "other"), ("value_dense", "value", "other")),
        ("output_dense", "attention_output", "output"),
    ):
        if which in equations:
            settings = {"equation": equations[which], "bias_axes": axes[name] or None}
            found.append((attribute, entry("EinsumDense", name, output_shape=None, **settings)))
    return found


def _gated() -> list[tuple[str, Entry]]:
    names = ("feedforward_intermediate_dense", "feedforward_gate_dense", "feedforward_output_dense")
    return [(name, dense(name, use_bias=False)) for name in names]


def _llama(kind: str) -> Any:
    of, bias, normed = LLAMAS[kind]

    def rule(config: Mapping[str, Any]) -> list[tuple[str, Entry]]:
        epsilon = config["layer_norm_epsilon"]
        query, *rest = _projections(_ROTARY, "uh" if bias else "")
        parts = [query, *rest]
        if normed:
            parts += [_scale(of, f"{part}_dense_layer_norm", 1e-5) for part in ("query", "key")]
        return [
            ("self_attention_layer", inside("self_attention", parts)),
            _scale(of, "self_attention_layernorm", epsilon),
            *_gated(),
            _scale(of, "feedforward_layernorm", epsilon),
        ]

    return rule


def _phi(config: Mapping[str, Any]) -> list[tuple[str, Entry]]:
    kind, epsilon = "keras_hub>Phi3LayerNorm", config["layer_norm_epsilon"]
    return [
        _scale(kind, "pre_attention_layernorm", epsilon),
        ("attention", inside("attention", _projections(_ROTARY))),
        _scale(kind, "post_attention_layernorm", epsilon),
        *_gated(),
    ]


def _gemma(config: Mapping[str, Any]) -> list[tuple[str, Entry]]:
    kind, epsilon = "keras_hub>RMSNormalization", config["layer_norm_epsilon"]
    found = [_scale(kind, "pre_attention_norm", epsilon)]
    if config.get("use_post_attention_norm"):
        found.append(_scale(kind, "post_attention_norm", epsilon))
    found.append(("attention", inside("attention", _projections(_GEMMA))))
    found.append(_scale(kind, "pre_ffw_norm", epsilon))
    if config.get("use_post_ffw_norm"):
        found.append(_scale(kind, "post_ffw_norm", epsilon))
    for attribute, name, equation in (
        ("gating_ffw", "ffw_gating", "btd,df->btf"),
        ("gating_ffw_2", "ffw_gating_2", "btd,df->btf"),
        ("ffw_linear", "ffw_linear", "btf,fd->btd"),
    ):
        settings = {"equation": equation, "output_shape": None, "bias_axes": None}
        found.append((attribute, entry("EinsumDense", name, **settings)))
    return found


def _alibi(attention: str, norms: tuple[str, str], feed: tuple[str, str]) -> Any:
    """Falcon and Bloom: attention with biases of places, its output through a Dense."""

    def rule(config: Mapping[str, Any]) -> list[tuple[str, Entry]]:
        parts = [*_projections(_ALIBI, "nh"), ("output_dense", dense("output_dense"))]
        return [
            (norms[0], norm(norms[0], config)),
            (attention, inside(attention, parts)),
            (norms[1], norm(norms[1], config)),
            *((name, dense(name)) for name in feed),
        ]

    return rule


def _vit_patches(config: Mapping[str, Any]) -> list[tuple[str, Entry]]:
    size = list(config["patch_size"])
    settings = {"kernel_size": size, "strides": size, "padding": "valid", "activation": "linear"}
    settings |= {"data_format": config.get("data_format") or "channels_last"}
    conv = entry("Conv2D", "patch_embedding", use_bias=config.get("use_patch_bias", True), **settings)
    return [("patch_embedding", conv), ("position_embedding", entry("Embedding", "position_embedding"))]


def _vit_encoder(config: Mapping[str, Any]) -> list[tuple[str, Entry]]:
    blocks = []
    written_out(256 * int(config["num_layers"]), f"an encoder of {config['num_layers']} layers")
    for i in range(int(config["num_layers"])):
        mlp = [(name, dense(name, use_bias=config["use_mlp_bias"])) for name in ("dense_1", "dense_2")]
        said = {"num_heads": config["num_heads"], "use_bias": config["use_mha_bias"]}
        said |= {"dropout": config["attention_dropout"]}
        parts = [
            ("layer_norm_1", norm("ln_1", config)),
            ("mha", entry("MultiHeadAttention", "mha", **said)),
            ("layer_norm_2", norm("ln_2", config)),
            ("mlp", inside("mlp", mlp)),
        ]
        blocks.append((f"encoder_layers/{i}", inside(f"transformer_block_{i + 1}", parts, "ViTEncoderBlock")))
    return [*blocks, ("layer_norm", norm("ln", config))]


OWN: Mapping[str, str] = {
    **dict.fromkeys(NORMS, "scale"),
    "keras_hub>ViTPatchingAndEmbedding": "class_token?use_class_token",
}

INSIDE: Mapping[str, Any] = {
    **{kind: _llama(kind) for kind in LLAMAS},
    "keras_hub>BloomDecoder": _alibi(
        "self_attention_layer",
        ("pre_attention_layernorm", "post_attention_layernorm"),
        ("mlp_intermediate_dense", "mlp_output_dense"),
    ),
    "keras_hub>FalconTransformerDecoder": _alibi(
        "attention_layer", ("input_layernorm", "post_attention_layernorm"), ("dense_h_to_4h", "dense_4h_to_h")
    ),
    "keras_hub>GemmaDecoderBlock": _gemma,
    "keras_hub>Phi3Decoder": _phi,
    "keras_hub>ViTEncoder": _vit_encoder,
    "keras_hub>ViTPatchingAndEmbedding": _vit_patches,
}
