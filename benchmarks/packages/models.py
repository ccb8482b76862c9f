"""Models of third-party Keras packages by name: the environment each is built in, and how. Weights are random.

An environment is a Python with Keras and a folder of packages: ``keras2`` is tf.keras 2.15, ``keras3`` Keras 3. Nothing
is imported before a model is asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

from benchmarks.packages.entry import Entry, keras_of
from benchmarks.packages.kecam import KECAM, KECAM_LAYERS


def _segmentation(kind: str, backbone: str, **settings: Any) -> Entry:
    def make() -> Any:
        package = importlib.import_module("segmentation_models")
        size = 48 if kind == "PSPNet" else 64
        said = {"input_shape": (size, size, 3), "classes": 3, "activation": "sigmoid", "encoder_weights": None}
        return getattr(package, kind)(backbone, **said, **settings)

    return Entry("keras2", make)


_DECODERS: dict[str, dict[str, Any]] = {
    "Unet": {"decoder_filters": (16, 12, 8, 8, 4)},
    "Linknet": {},
    "FPN": {"pyramid_block_filters": 24},
    "PSPNet": {"psp_conv_filters": 32},
}
_BACKBONES = ("resnet18", "vgg16", "mobilenetv2", "efficientnetb0", "seresnet18")


def _classifier(name: str) -> Entry:
    def make() -> Any:
        found = importlib.import_module("classification_models.tfkeras").Classifiers.get(name)[0]
        return found(input_shape=(64, 64, 3), classes=7, weights=None)

    return Entry("keras2", make)


def _efficientnet(name: str) -> Entry:
    def make() -> Any:
        return getattr(importlib.import_module("efficientnet.tfkeras"), name)(
            input_shape=(64, 64, 3), classes=7, weights=None
        )

    return Entry("keras2", make)


def _unet(kind: str, *settings: Any, **named: Any) -> Entry:
    def make() -> Any:
        models = importlib.import_module("keras_unet_collection.models")
        return getattr(models, kind)((64, 64, 3), *settings, name="net", **named)

    return Entry("keras2", make)


_RELU = {"activation": "ReLU", "batch_norm": True}
_UNETS = {
    "unet": _unet("unet_2d", [4, 6, 8, 10], 3, output_activation="Softmax", pool="max", unpool="nearest", **_RELU),
    "unet-gelu": _unet("unet_2d", [4, 6, 8], 3, activation="GELU", batch_norm=True, pool=False, unpool=False),
    "unet-snake": _unet("unet_2d", [4, 6, 8], 3, activation="Snake", batch_norm=True, pool="ave", unpool="bilinear"),
    "unet-leaky": _unet("unet_2d", [4, 6, 8], 3, activation="LeakyReLU", output_activation=None, pool="ave"),
    "vnet": _unet("vnet_2d", [4, 6, 8], 3, activation="PReLU", batch_norm=True, pool=False, unpool=False),
    "unet-plus": _unet("unet_plus_2d", [4, 6, 8], 3, deep_supervision=True, **_RELU),
    "r2-unet": _unet("r2_unet_2d", [4, 6, 8], 3, recur_num=2, **_RELU),
    "att-unet": _unet("att_unet_2d", [4, 6, 8], 3, atten_activation="ReLU", attention="add", **_RELU),
    "resunet-a": _unet("resunet_a_2d", [4, 6, 8], [1, 3], 3, **_RELU),
    "u2net": _unet("u2net_2d", 3, [4, 6, 8], [4, 4], **_RELU),
    "unet-3plus": _unet("unet_3plus_2d", 3, [4, 6, 8, 10], deep_supervision=False, **_RELU),
    "transunet": _unet("transunet_2d", [4, 6, 8], 3, embed_dim=12, num_mlp=16, num_heads=3, num_transformer=2, **_RELU),
    "swin-unet": _unet(
        "swin_unet_2d",
        *(8, 3, 2, 2, 2),
        patch_size=(4, 4),
        num_heads=[2, 2, 2],
        window_size=[4, 2, 2],
        num_mlp=16,
    ),
}


def _one_layer(
    package: str, cls: str, shape: tuple[int, ...], *settings: Any, environment: str = "keras2", **named: Any
) -> Entry:
    """A layer of a package between layers of Keras; `wraps`: what it is around, `inputs`: how many it takes."""
    wraps, count, kind = named.pop("wraps", None), named.pop("inputs", 1), named.pop("dtype", "float32")

    def make() -> Any:
        keras = keras_of(environment)
        xs = [keras.layers.Input(shape, name=f"x{i}", dtype=kind) for i in range(count)]
        of = getattr(importlib.import_module(package), cls)
        if wraps:
            layer = of(getattr(keras.layers, wraps[0])(*wraps[1:]), *settings, **named)
        elif cls.endswith("Cell"):
            layer = keras.layers.RNN(of(*settings, **named), return_sequences=True)
        else:
            layer = of(*settings, **named)
        taken = [keras.layers.Conv2D(8, 3, padding="same")(x) if len(shape) == 3 else x for x in xs]
        y = layer(taken if count > 1 else taken[0])
        if cls in ("PositionEmbedding", "SinePositionEncoding") and package == "keras_hub.layers":
            y = keras.layers.Add()([y, taken[0]])  # it gives what belongs to the places, whatever is given
        return keras.Model(xs, keras.layers.Dense(3, name="out")(y))

    return Entry(environment, make)


_IMAGE, _ROWS = (9, 8, 3), (6, 4)
_ADDONS: list[tuple[str, tuple[int, ...], tuple[Any, ...]]] = [
    *((name, _IMAGE, ()) for name in ("InstanceNormalization", "FilterResponseNormalization", "TLU", "GELU", "Snake")),
    *(("GroupNormalization", _IMAGE, (4,)), ("Maxout", _IMAGE, (4,)), ("NoisyDense", (7,), (5,))),
    *((f"Adaptive{kind}Pooling2D", (8, 9, 3), ((4, 3),)) for kind in ("Average", "Max")),
    *(("SpatialPyramidPooling2D", (12, 12, 3), ([1, 2, 4],)), ("Sparsemax", (7,), ()), ("PoincareNormalize", (7,), ())),
    ("ESN", _ROWS, (5,)),
]
_CELLS = ("LayerNormLSTMCell", "LayerNormSimpleRNNCell", "NASCell", "PeepholeLSTMCell", "ESNCell")


def _cell(name: str, *arguments: Any, around: Any = (), **settings: Any) -> Entry:
    """A cell of TensorFlow Addons in an RNN over a masked sequence, with all that it returns."""

    def make() -> Any:
        layers = keras_of("keras2").layers
        x = layers.Input((6, 4), name="x")
        cell = getattr(importlib.import_module("tensorflow_addons.rnn"), name)(*arguments, **settings)
        made = layers.RNN(cell, return_sequences=True, return_state=True, **dict(around))(layers.Masking(0.3)(x))
        return keras_of("keras2").Model(x, made)

    return Entry("keras2", make)


_CELLS_SET = {
    "nascell-projected": _cell("NASCell", 5, projection=3, use_bias=True),
    "layernormlstmcell-hard": _cell("LayerNormLSTMCell", 5, recurrent_activation="hard_sigmoid", norm_epsilon=0.01),
    "layernormsimplernncell-back": _cell(
        "LayerNormSimpleRNNCell", 5, around={"go_backwards": True}, use_bias=False, activation="relu"
    ),
}


def _tcn(environment: str, **settings: Any) -> Entry:
    def make() -> Any:
        keras = keras_of(environment)
        x = keras.layers.Input((20, 3), name="x")
        layer = importlib.import_module("tcn").TCN(nb_filters=6, kernel_size=3, dilations=(1, 2, 4), **settings)
        return keras.Model(x, keras.layers.Dense(2, name="out")(layer(x)))

    return Entry(environment, make)


_TCNS: dict[str, dict[str, Any]] = {
    "plain": {},
    "seq": {"return_sequences": True},
    "batchnorm": {"use_batch_norm": True},
    "layernorm": {"use_layer_norm": True},
    "weightnorm": {"use_weight_norm": True},
    "same": {"padding": "same", "use_skip_connections": False},
}


def _bert(training: bool) -> Entry:
    def make() -> Any:
        sizes = {"token_num": 20, "head_num": 2, "transformer_num": 2, "embed_dim": 8, "feed_forward_dim": 12}
        found = importlib.import_module("keras_bert").get_model(seq_len=9, pos_num=9, training=training, **sizes)
        return found if training else keras_of("keras2").Model(*found)

    return Entry("keras2", make)


_STEPS = (7, 6)
_SEQUENCES = {
    "selfatt-additive": ("keras_self_attention", "SeqSelfAttention", {"units": 4}),
    "selfatt-multiplicative": ("keras_self_attention", "SeqSelfAttention", {"attention_type": "multiplicative"}),
    "selfatt-local": ("keras_self_attention", "SeqSelfAttention", {"units": 4, "attention_width": 3}),
    "selfatt-history": ("keras_self_attention", "SeqSelfAttention", {"units": 4, "history_only": True}),
    "selfatt-weighted": ("keras_self_attention", "SeqWeightedAttention", {}),
    "selfatt-scaled": ("keras_self_attention", "ScaledDotProductAttention", {"inputs": 3}),
    "multihead": ("keras_multi_head", "MultiHeadAttention", {"head_num": 3}),
    "multihead-history": ("keras_multi_head", "MultiHeadAttention", {"head_num": 2, "history_only": True}),
    "posembd-learned": ("keras_pos_embd", "PositionEmbedding", {"input_dim": 7, "output_dim": 6, "mode": "add"}),
    "posembd-waves": ("keras_pos_embd", "TrigPosEmbedding", {"output_dim": 6, "mode": "add"}),
    "layernorm": ("keras_layer_normalization", "LayerNormalization", {}),
    "feedforward": ("keras_position_wise_feed_forward", "FeedForward", {"units": 9, "activation": "relu"}),
}


def _hub(name: str, **settings: Any) -> Entry:
    def make() -> Any:
        found = getattr(importlib.import_module("keras_hub").models, f"{name}Backbone")(**settings)
        return importlib.import_module("keras").Model(found.inputs, found.outputs)

    return Entry("keras3", make)


_TEXT = {"vocabulary_size": 23, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}
_LONG = {**_TEXT, "max_sequence_length": 10}
_GROUPED = {
    "vocabulary_size": 23,
    "num_layers": 2,
    "num_query_heads": 4,
    "num_key_value_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 24,
}
_PATCHED = {"image_shape": (32, 32, 3), "num_layers": 2, "num_heads": 2, "hidden_dim": 8}
_HUB: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("Bert", "Roberta", "XLMRoberta", "DistilBert", "GPT2", "OPT", "Bart"), _LONG),
    "Electra": {**{k: v for k, v in _LONG.items() if k != "vocabulary_size"}, "vocab_size": 23, "embedding_dim": 8},
    "Albert": {**_LONG, "embedding_dim": 4, "num_groups": 1},
    "DebertaV3": {**_LONG, "bucket_size": 4},
    "FNet": {k: v for k, v in _LONG.items() if k != "num_heads"},
    "GPTNeoX": {**_LONG, "hidden_dim": 32},
    **dict.fromkeys(("T5", "Bloom"), _TEXT),
    **dict.fromkeys(("Qwen", "Phi3"), _GROUPED),
    "Mistral": {**_GROUPED, "sliding_window": 6},
    "Qwen3": {**_GROUPED, "head_dim": 4},
    "Gemma": {**_GROUPED, "head_dim": 4},
    "Falcon": {
        "vocabulary_size": 23,
        "num_layers": 2,
        "num_attention_heads": 2,
        "hidden_dim": 8,
        "intermediate_dim": 12,
    },
    "VGG": {"stackwise_num_repeats": [1, 2], "stackwise_num_filters": [4, 6], "image_shape": (32, 32, 3)},
    "DenseNet": {"stackwise_num_repeats": [2, 2], "image_shape": (48, 48, 3), "growth_rate": 4},
    "ViT": {**_PATCHED, "patch_size": 8, "mlp_dim": 12},
    "MiT": {
        "layerwise_depths": [1, 1],
        "num_layers": 2,
        "layerwise_num_heads": [1, 2],
        "layerwise_sr_ratios": [4, 2],
        "max_drop_path_rate": 0.1,
        "layerwise_patch_sizes": [7, 3],
        "layerwise_strides": [4, 2],
        "image_shape": (32, 32, 3),
        "hidden_dims": [8, 12],
    },
    "Xception": {
        "stackwise_conv_filters": [[8, 8], [12, 12]],
        "stackwise_pooling": [True, False],
        "image_shape": (48, 48, 3),
    },
}
_HUB_LAYERS: list[tuple[str, tuple[int, ...], tuple[Any, ...], str]] = [
    *((name, (7, 8), (12, 2), "float32") for name in ("TransformerEncoder", "TransformerDecoder")),
    *(("FNetEncoder", (8, 6), (10,), "float32"), ("PositionEmbedding", _STEPS, (9,), "float32")),
    *((name, _STEPS, (), "float32") for name in ("RotaryEmbedding", "SinePositionEncoding")),
    *(("TokenAndPositionEmbedding", (7,), (23, 9, 6), "int32"), ("ReversibleEmbedding", (7,), (23, 6), "int32")),
]


def _lambda(function: str, shape: tuple[int, ...], **arguments: Any) -> Entry:
    """A Lambda of image-classifiers."""

    def make() -> Any:
        layers = keras_of("keras2").layers
        blocks = importlib.import_module("classification_models.models._common_blocks")
        x = layers.Input(shape, name="x")
        return keras_of("keras2").Model(x, layers.Lambda(getattr(blocks, function), arguments=arguments)(x))

    return Entry("keras2", make)


MODELS: dict[str, Entry] = {
    "ic-lambda-expand": _lambda("expand_dims", (7,), channels_axis=3),
    "ic-lambda-slice": _lambda("slice_tensor", (6, 5, 8), start=2, stop=5, axis=3),
    **{f"kecamlayer-{tag}": entry for tag, entry in KECAM_LAYERS.items()},
    **{f"tfa-{cls.lower()}": _one_layer("tensorflow_addons.layers", cls, at, *a) for cls, at, a in _ADDONS},
    **{f"tfa-{cls.lower()}": _one_layer("tensorflow_addons.rnn", cls, _ROWS, 5) for cls in _CELLS},
    **{f"tfa-{tag}": entry for tag, entry in _CELLS_SET.items()},
    **{
        f"tfa-{cls.lower()}-{inner[0].lower()}": _one_layer("tensorflow_addons.layers", cls, _IMAGE, wraps=inner)
        for cls in ("WeightNormalization", "SpectralNormalization")
        for inner in (("Conv2D", 5, 3), ("Dense", 5))
    },
    **{f"tcn-{tag}": _tcn("keras2", **settings) for tag, settings in _TCNS.items()},
    **{f"tcn-{tag}-3": _tcn("keras3", **settings) for tag, settings in _TCNS.items() if tag != "weightnorm"},
    **{tag: _one_layer(package, cls, _STEPS, **said) for tag, (package, cls, said) in _SEQUENCES.items()},
    **{f"bert-{tag}": _bert(tag == "pretraining") for tag in ("pretraining", "features")},
    **{f"kuc-{tag}": entry for tag, entry in _UNETS.items()},
    **{f"hub-{name.lower()}": _hub(name, **settings) for name, settings in _HUB.items()},
    **{
        f"hublayer-{cls.lower()}": _one_layer("keras_hub.layers", cls, at, *a, environment="keras3", dtype=kind)
        for cls, at, a, kind in _HUB_LAYERS
    },
    **{f"effnet-{n}": _efficientnet(f"EfficientNet{n.upper()}") for n in ("b0", "b1", "b2")},
    **{f"ic-{n}": _classifier(n) for n in ("resnet18", "resnet34", "seresnet18", "seresnet34", "seresnet50")},
    **{f"ic-{n}": _classifier(n) for n in ("resnext50", "seresnext50")},
    **{
        f"sm-{kind.lower()}-{backbone}": _segmentation(kind, backbone, **settings)
        for kind, settings in _DECODERS.items()
        for backbone in _BACKBONES
    },
    **KECAM,
}
