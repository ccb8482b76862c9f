"""Which weights the layers of packages have, and which layers are inside of them: what positional files leave out.

`OWN` is written as `keras.variables.OWN` is. `INSIDE` gives, from a layer's config, the layers inside of it in the
order in which they are made: the attribute that holds each, and the layer as Keras would serialise it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from irconv.frameworks.keras.packages import hub_variables
from irconv.frameworks.keras.packages.entries import Entry, attention, dense, entry, norm

Inside: TypeAlias = Callable[[Mapping[str, Any]], list[tuple[str, Entry]]]


# ---- keras-hub ----


def _hub_encoder(config: Mapping[str, Any]) -> list[tuple[str, Entry]]:
    return [
        ("self_attention_layer", attention("self_attention_layer", config)),
        ("self_attention_layer_norm", norm("self_attention_layer_norm", config)),
        ("feedforward_layer_norm", norm("feedforward_layer_norm", config)),
        *_hub_feedforward(config),
    ]


def _hub_feedforward(config: Mapping[str, Any]) -> list[tuple[str, Entry]]:
    first, second = "feedforward_intermediate_dense", "feedforward_output_dense"
    return [(first, dense(first, activation=config["activation"])), (second, dense(second))]


def _hub_decoder(config: Mapping[str, Any]) -> list[tuple[str, Entry]]:
    cross = [
        ("cross_attention_layer", attention("cross_attention", config)),
        ("cross_attention_layer_norm", norm("cross_attention_layer_norm", config)),
    ]
    return [
        ("self_attention_layer", attention("self_attention", config)),
        ("self_attention_layer_norm", norm("self_attention_layer_norm", config)),
        *(cross if config.get("encoder_sequence_shape") else []),
        *_hub_feedforward(config),
        ("feedforward_layer_norm", norm("feedforward_layer_norm", config)),
    ]


def _hub_fnet(config: Mapping[str, Any]) -> list[tuple[str, Entry]]:
    return [
        ("mixing_layer_norm", norm("mixing_layer_norm", config)),
        ("output_layer_norm", norm("output_layer_norm", config)),
        ("intermediate_dense", dense("intermediate_dense", activation=config["activation"])),
        ("output_dense", dense("output_dense")),
    ]


def _hub_embeddings(config: Mapping[str, Any]) -> list[tuple[str, Entry]]:
    tied = {"tie_weights": config.get("tie_weights", True), "mask_zero": config.get("mask_zero", False)}
    tied |= {"input_dim": config["vocabulary_size"], "output_dim": config["embedding_dim"]}
    return [
        ("token_embedding", entry("ReversibleEmbedding", "token_embedding", **tied)),
        ("position_embedding", entry("keras_hub>PositionEmbedding", "position_embedding")),
    ]


# ---- TensorFlow Addons ----


def _addons_lstm(config: Mapping[str, Any]) -> list[tuple[str, Entry]]:
    said = {"axis": -1, "epsilon": config["norm_epsilon"], "scale": True, "center": True}
    return [
        (name, entry("LayerNormalization", name, **said)) for name in ("kernel_norm", "recurrent_norm", "state_norm")
    ]


#: Kind -> its own variables, as in `keras.variables.OWN`.
OWN: Mapping[str, str] = {
    **hub_variables.OWN,
    "keras_hub>PositionEmbedding": "embeddings",
    "keras_hub>ReversibleEmbedding": "embeddings reverse_embeddings?tie_weights=False",
    **dict.fromkeys(("keras_hub>RotaryEmbedding", "keras_hub>SinePositionEncoding"), ""),
    "Addons>LayerNormLSTMCell": "kernel recurrent_kernel bias?use_bias",
    "Addons>LayerNormSimpleRNNCell": "kernel recurrent_kernel bias?use_bias gamma",
    "Addons>NASCell": "recurrent_kernel kernel bias?use_bias projection_weights?projection!",
    "Addons>FilterResponseNormalization": "gamma beta learned_epsilon?learned_epsilon",
    **dict.fromkeys(
        (
            *("Addons>GELU", "Addons>Maxout", "Addons>PoincareNormalize", "Addons>Sparsemax"),
            *("Addons>SpatialPyramidPooling2D", "Addons>StochasticDepth"),
        ),
        "",
    ),
}

#: Kind -> the layers inside of it.
INSIDE: Mapping[str, Inside] = {
    **hub_variables.INSIDE,
    **dict.fromkeys(("parts>Parts", "parts>ViTEncoderBlock"), lambda config: list(config["parts"])),
    "Addons>LayerNormLSTMCell": _addons_lstm,
    "keras_hub>FNetEncoder": _hub_fnet,
    "keras_hub>TokenAndPositionEmbedding": _hub_embeddings,
    "keras_hub>TransformerDecoder": _hub_decoder,
    "keras_hub>TransformerEncoder": _hub_encoder,
}
