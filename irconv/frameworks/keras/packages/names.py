"""Which classes of a file are those of a package, by all that the file says of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

#: Modules of packages whose classes are not all registered -> what stands before the names of their classes here.
_MODULES = {"keras_hub": "keras_hub", "keras_nlp": "keras_hub"}

#: What packages have been called -> what they are called here.
_RENAMED = {"keras_nlp": "keras_hub"}

#: Registered classes that compute what a class of Keras' own does.
_SAME = {
    "Addons>GroupNormalization": "GroupNormalization",
    "Addons>InstanceNormalization": "GroupNormalization",
    **{
        f"Addons>Adaptive{kind}Pooling{n}D": f"Adaptive{kind}Pooling{n}D"
        for kind in ("Average", "Max")
        for n in (1, 2, 3)
    },
}

#: Classes that were not registered, so that HDF5 says the bare name alone, or without a package of their own -> the
#: root of their module, what they are called here, and their settings: a class has all of these and none besides,
#: but for those marked with ``?``, which some versions have.
_SIGNS: Mapping[str, tuple[str, str, str]] = {
    "EmbeddingRet": (
        "keras_embed_sim",
        "keras_embed_sim>EmbeddingRet",
        "input_dim output_dim mask_zero input_length ?batch_input_shape ?sparse",
    ),
    "EmbeddingSim": ("keras_embed_sim", "keras_embed_sim>EmbeddingSim", "use_bias ?stop_gradient"),
    "EmbeddingSimilarity": ("keras_bert", "keras_bert>EmbeddingSimilarity", ""),
    "Extract": ("keras_bert", "keras_bert>Extract", "index"),
    "FeedForward": (
        "keras_position_wise_feed_forward",
        "keras_position_wise_feed_forward>FeedForward",
        "units activation use_bias ?dropout_rate",
    ),
    "FixedDropout": ("efficientnet", "Dropout", "rate noise_shape seed"),
    "GELU": ("keras_unet_collection", "keras_unet_collection>GELU", ""),
    "LayerNormalization": (
        "keras_layer_normalization",
        "keras_layer_normalization>LayerNormalization",
        "center scale epsilon",
    ),
    "Masked": ("keras_bert", "keras_bert>Masked", "return_masked"),
    "MultiHeadAttention": (
        "keras_multi_head",
        "keras_multi_head>MultiHeadAttention",
        "head_num activation use_bias history_only",
    ),
    "PositionEmbedding": (
        "keras_pos_embd",
        "keras_pos_embd>PositionEmbedding",
        "input_dim output_dim mode mask_zero",
    ),
    "ScaledDotProductAttention": (
        "keras_self_attention",
        "keras_self_attention>ScaledDotProductAttention",
        "return_attention history_only",
    ),
    "SeqSelfAttention": (
        "keras_self_attention",
        "keras_self_attention>SeqSelfAttention",
        "units attention_width attention_type return_attention history_only use_additive_bias use_attention_bias "
        "attention_activation attention_regularizer_weight",
    ),
    "SeqWeightedAttention": (
        "keras_self_attention",
        "keras_self_attention>SeqWeightedAttention",
        "use_bias return_attention",
    ),
    "Snake": ("keras_unet_collection", "keras_unet_collection>Snake", "beta"),
    "SwinTransformerBlock": (
        "keras_unet_collection",
        "keras_unet_collection>SwinTransformerBlock",
        "dim num_patch num_heads window_size shift_size num_mlp qkv_bias qk_scale mlp_drop attn_drop proj_drop "
        "drop_path_prob",
    ),
    "TCN": (
        "tcn",
        "tcn>TCN",
        "nb_filters kernel_size nb_stacks dilations padding use_skip_connections dropout_rate return_sequences "
        "activation use_batch_norm ?use_layer_norm ?use_weight_norm ?go_backwards ?return_state",
    ),
    "TaskEmbedding": ("keras_bert", "keras_bert>TaskEmbedding", "input_dim output_dim mask_zero"),
    "TokenEmbedding": (
        "keras_bert",
        "keras_bert>TokenEmbedding",
        "input_dim output_dim mask_zero input_length ?batch_input_shape ?sparse",
    ),
    "TrigPosEmbedding": ("keras_pos_embd", "keras_pos_embd>TrigPosEmbedding", "mode output_dim"),
    **{
        name: ("keras_unet_collection", f"keras_unet_collection>{name}", settings)
        for name, settings in (
            ("patch_embedding", "num_patch embed_dim"),
            ("patch_expanding", "num_patch embed_dim upsample_rate return_vector"),
            ("patch_extract", "patch_size"),
            ("patch_merging", "num_patch embed_dim"),
        )
    },
}

#: Classes that are told by the value of a setting, too.
_VALUES = {"GELU": ("trainable", False)}

#: Registered classes that are Keras' own where a setting has this value, and the settings that Keras' own has not.
_WHERE = {
    **dict.fromkeys(
        ("Addons>ESN", "Addons>ESNCell"), ("leaky", 1, ("connectivity", "leaky", "spectral_radius", "use_norm2"))
    ),
}
_WHERE_CLASS = {"Addons>ESN": "SimpleRNN", "Addons>ESNCell": "SimpleRNNCell"}

#: Settings that tell nothing: those of every layer, and by their endings those of training.
_OF_EVERY_LAYER = {"name", "trainable", "dtype"}
_OF_TRAINING = ("initializer", "regularizer", "constraint")

APPROXIMATE_GELU = "keras_hub>gelu_approximate"

#: Functions that packages have registered as activations -> the native layer that each is, and its settings.
_FUNCTIONS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    APPROXIMATE_GELU: ("ops.Gelu", {"approximate": True}),
    "keras_nlp>gelu_approximate": ("ops.Gelu", {"approximate": True}),
    "Addons>gelu": ("ops.Gelu", {"approximate": True}),
    "Addons>hardshrink": ("ops.HardShrink", {"threshold": 0.5}),
    "Addons>softshrink": ("ops.SoftShrink", {"threshold": 0.5}),
    "Addons>mish": ("Activation", {"activation": "mish"}),
    "Addons>sparsemax": ("ops.SimplexSparsemax", {"axis": -1}),
    "Addons>tanhshrink": ("Activation", {"activation": "tanh_shrink"}),
    "kecamCommon>hard_sigmoid_torch": ("Activation", {"activation": "hard_sigmoid_of_keras_3"}),
    "kecamCommon>hard_swish": ("Activation", {"activation": "hard_silu"}),
    "kecamCommon>mish": ("Activation", {"activation": "mish"}),
}


def function(said: Any) -> tuple[str, dict[str, Any]] | None:
    """The native layer that a registered function of a package is, as an activation; None for any other."""
    if isinstance(said, Mapping) and said.get("class_name") == "function":
        said = said.get("config")
    found = _FUNCTIONS.get(said) if isinstance(said, str) else None
    return (found[0], dict(found[1])) if found else None


def with_own_functions(config: dict[str, Any]) -> None:
    """Name the functions that a model of keras-bert has under names of Keras' own; changes the model in place.

    Its gelu is the approximation with tanh. The file of such a model says ``gelu``, and is loaded with the package's
    functions in the place of Keras'.
    """
    dicts = list(dicts_in(config))
    if any(str(part.get("class_name")).startswith("keras_bert>") for part in dicts):
        for part in dicts:
            if part.get("activation") == "gelu":
                part["activation"] = APPROXIMATE_GELU


def dicts_in(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every dict of what JSON says, each before those in it."""
    waiting: list[Any] = [config]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            part = part.values()
        waiting += [inside for inside in part if isinstance(inside, dict | list)]


def as_own(entry: dict[str, Any]) -> None:
    """Make a class that some settings make like Keras' own that class; changes the serialised layer in place."""
    name, config = str(entry.get("registered_name") or entry.get("class_name")), entry.get("config")
    if name not in _WHERE or not isinstance(config, dict):
        return
    setting, value, beyond = _WHERE[name]
    if config.get(setting) == value:
        entry |= {"class_name": _WHERE_CLASS[name], "registered_name": None, "module": "keras.layers"}
        entry["config"] = {key: said for key, said in config.items() if key not in beyond}


def package_name(entry: Mapping[str, Any]) -> str:
    """The class of a serialised layer as ``package>Class``, or as Keras' own that it is like, where irconv knows it as
    one of a package; else empty."""
    name, module, config = str(entry.get("class_name")), str(entry.get("module") or ""), entry.get("config")
    package, _, bare = name.rpartition(">")
    registered = str(entry.get("registered_name") or name)
    if registered in _SAME:
        return _SAME[registered]
    if package in _RENAMED:
        return f"{_RENAMED[package]}>{bare}"
    root = module.partition(".")[0]
    if root in _MODULES:
        return f"{_MODULES[root]}>{bare}"
    if package in ("", "Custom") and bare in _SIGNS and isinstance(config, Mapping):
        return _by_signs(bare, root, config)
    return ""


def _by_signs(name: str, root: str, config: Mapping[str, Any]) -> str:
    owner, found, signs = _SIGNS[name]
    if root not in ("", owner) or (name in _VALUES and config.get(_VALUES[name][0]) != _VALUES[name][1]):
        return ""
    words = signs.split()
    needed, may = {word for word in words if word[0] != "?"}, {word.lstrip("?") for word in words}
    said = {key for key in config if key not in _OF_EVERY_LAYER and not key.endswith(_OF_TRAINING)}
    return found if needed <= said <= may | {"batch_input_shape"} else ""
