"""Models and single layers of keras-cv-attention-models."""

from __future__ import annotations

import importlib
from typing import Any

from benchmarks.packages.entry import Entry, keras_of


def _kecam(module: str, cls: str, size: int) -> Entry:
    def make() -> Any:
        package = importlib.import_module("keras_cv_attention_models")
        model = getattr(getattr(package, module), cls)
        return model(input_shape=(size, size, 3), num_classes=7, pretrained=None, classifier_activation=None)

    return Entry("keras2", make)


_KECAM = """
mobilenetv3.MobileNetV3Small050 mobilenetv3_family.LCNet050 mobilenetv3_family.TinyNetE ghostnet.GhostNet_050
ghostnet.GhostNetV2_100 mlp_family.MLPMixerS32 mlp_family.ResMLP12 mlp_family.GMLPTiny16
mobilevit.MobileViT_XXS mobilevit.MobileViT_V2_050 levit.LeViT128S efficientnet.EfficientNetV2B0
efficientnet.EfficientNetV1B0 efficientformer.EfficientFormerL1 efficientformer.EfficientFormerV2S0
efficientvit.EfficientViT_B0 efficientvit.EfficientViT_M0 edgenext.EdgeNeXt_XX_Small fasternet.FasterNetT0
fastvit.FastViT_T8 repvit.RepViT_M09 vanillanet.VanillaNet5 convnext.ConvNeXtTiny convnext.ConvNeXtV2Atto
resnet_family.ResNet50D resnest.ResNest50 resnet_family.RegNetY040 resnet_family.ResNeXt50D nfnets.NFNetF0
nfnets.ECA_NFNetL0 botnet.BotNet26T halonet.HaloNetH0 cotnet.CotNet50 coat.CoaTLiteTiny coatnet.CoAtNet0
cmt.CMTTiny uniformer.UniformerSmall32 swin_transformer_v2.SwinTransformerV2Tiny_ns maxvit.MaxViT_Tiny
volo.VOLO_d1 beit.ViTTinyPatch16 beit.FlexiViTSmall davit.DaViT_T gcvit.GCViT_XXTiny iformer.IFormerSmall
inceptionnext.InceptionNeXtTiny hornet.HorNetTiny caformer.CAFormerS18 pvt.PVT_V2B0 tinyvit.TinyViT_5M
nat.NAT_Mini gpvit.GPViT_L1
"""


def _kecam_layer(module: str, cls: str, shape: tuple[int, ...], **settings: Any) -> Entry:
    """A layer of kecam alone; `inputs`: how many values it takes."""
    count = settings.pop("inputs", 1)

    def make() -> Any:
        layers = keras_of("keras2").layers
        layer = getattr(importlib.import_module(f"keras_cv_attention_models.{module}"), cls)(**settings)
        xs = [layers.Input(shape, name=f"x{i}") for i in range(count)]
        y = layer(xs if count > 1 else xs[0])
        if y.shape[0] is not None:  # what does not depend on the input at all
            y = layers.Add()([layers.Reshape((-1, 1, 1))(layers.Flatten()(xs[0]))[:, :1], y])
        return keras_of("keras2").Model(xs, y)

    return Entry("keras2", make)


_GRID = (6, 5, 8)
KECAM_LAYERS = {
    "affine": _kecam_layer("mlp_family.res_mlp", "ChannelAffine", _GRID),
    "affine-rows": _kecam_layer("mlp_family.res_mlp", "ChannelAffine", _GRID, axis=1, use_bias=False),
    "token": _kecam_layer("volo.volo", "ClassToken", (7, 6), num_tokens=2),
    "token-end": _kecam_layer("volo.volo", "ClassToken", (7, 6), is_at_end=True),
    "places": _kecam_layer("volo.volo", "PositionalEmbedding", _GRID),
    "bias": _kecam_layer("volo.volo", "BiasLayer", _GRID),
    "relative": _kecam_layer("beit.beit", "MultiHeadRelativePositionalEmbedding", (3, 13, 13), attn_height=3),
    "relative-tokenless": _kecam_layer(
        "beit.beit", "MultiHeadRelativePositionalEmbedding", (3, 12, 12), attn_height=4, with_cls_token=False
    ),
    "rotation": _kecam_layer("beit.beit", "PositionalEncodingFourierRot", (13, 16), attn_height=3, num_heads=2),
    "distances": _kecam_layer("levit.levit", "MultiHeadPositionalEmbedding", (3, 6, 24), query_height=2, key_height=4),
    "distances-square": _kecam_layer("levit.levit", "MultiHeadPositionalEmbedding", (3, 9, 9)),
    "window": _kecam_layer("nat.nat", "MultiHeadRelativePositionalKernelBias", (30, 2, 1, 9), input_height=5),
    "window-dilated": _kecam_layer(
        "nat.nat",
        "MultiHeadRelativePositionalKernelBias",
        (2, 42, 1, 9),
        input_height=6,
        is_heads_first=True,
        dilation_rate=2,
    ),
    "pairwise": _kecam_layer(
        "swin_transformer_v2.swin_transformer_v2",
        "MlpPairwisePositionalEmbedding",
        (3, 13, 13),
        hidden_dim=10,
        attn_height=3,
        attn_width=4,
    ),
    "absolute": _kecam_layer(
        "swin_transformer_v2.swin_transformer_v2",
        "MlpPairwisePositionalEmbedding",
        (4, 6, 5),
        hidden_dim=10,
        use_absolute_pos=True,
    ),
    "mask": _kecam_layer(
        "swin_transformer_v2.swin_transformer_v2",
        "WindowAttentionMask",
        (3, 6, 6),
        height=4,
        width=3,
        window_height=2,
        window_width=3,
        shift_height=1,
        shift_width=1,
    ),
    "exponential": _kecam_layer("swin_transformer_v2.swin_transformer_v2", "ExpLogitScale", (3, 5, 5), axis=1),
    "fourier": _kecam_layer("edgenext.edgenext", "PositionalEncodingFourier", _GRID, filters=4),
    "logits": _kecam_layer("botnet.botnet", "RelativePositionalEmbedding", (2, 4, 3, 6)),
    "logits-wide": _kecam_layer(
        "botnet.botnet", "RelativePositionalEmbedding", (2, 3, 2, 6), position_height=5, position_width=4
    ),
    "logits-absolute": _kecam_layer(
        "botnet.botnet", "RelativePositionalEmbedding", (2, 4, 3, 6), use_absolute_pos=True
    ),
    "evo-b0": _kecam_layer("common_layers", "EvoNormalization", _GRID),
    "evo-s0": _kecam_layer("common_layers", "EvoNormalization", _GRID, num_groups=4),
    "evo-plain": _kecam_layer("common_layers", "EvoNormalization", _GRID, nonlinearity=False, num_groups=3),
    "patches": _kecam_layer(
        "common_layers", "CompatibleExtractPatches", (7, 6, 3), sizes=3, strides=2, compressed=False
    ),
    "patches-flat": _kecam_layer(
        "common_layers", "CompatibleExtractPatches", (7, 9, 3), sizes=2, strides=1, padding="valid"
    ),
    "standardised": _kecam_layer(
        "nfnets.nfnets", "ScaledStandardizedConv2D", _GRID, filters=4, kernel_size=3, gamma=1.7, padding="same"
    ),
    "gain": _kecam_layer("nfnets.nfnets", "ZeroInitGain", _GRID, use_bias=True, weight_init_value=0.3),
    "weighted": _kecam_layer("efficientdet.efficientdet", "ReluWeightedSum", _GRID, inputs=3),
    "cmt": _kecam_layer("cmt.cmt", "BiasPositionalEmbedding", (2, 16, 4), attn_height=4),
    "root": _kecam_layer("llama2.llama2", "RMSNorm", (7, 6)),
}

KECAM: dict[str, Entry] = {
    f"kecam-{cls.lower()}": _kecam(module, cls, 64)
    for module, _, cls in (name.partition(".") for name in _KECAM.split())
}
