"""Networks of torchvision, timm and transformers with random weights: `NETWORKS`, by name, each built by a call.

What they are for is their operators and their structure, so the smallest of each family stands for it, on the smallest
input that it takes. Needs PyTorch and the three packages (``requirements/zoo.txt``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

CLASSES = 10
#: Compiled ops of torchvision's, which nothing here uses. A build for another processor lacks them and cannot be
#: imported before they are declared.
COMPILED = ("nms", "qnms", "roi_align", "_roi_align_backward", "roi_pool", "_roi_pool_backward", "ps_roi_align",
            "_ps_roi_align_backward", "ps_roi_pool", "_ps_roi_pool_backward", "deform_conv2d",
            "_deform_conv2d_backward")  # fmt: skip

Built = tuple[Any, tuple[Any, ...]]
"""A module and what it is called with."""


@cache
def torchvision() -> Any:
    """The package, whether its compiled ops load or not."""
    import torch

    try:
        import torchvision as library
    except RuntimeError:
        declared = torch.library.Library("torchvision", "FRAGMENT")
        for op in COMPILED:
            declared.define(f"{op}(Tensor x) -> Tensor")
        torchvision.declared = declared  # type: ignore[attr-defined]
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        import torchvision as library
    return library


def images(*shape: int) -> Any:
    import torch

    return torch.randn(*shape)


def words(vocabulary: int, *shape: int) -> Any:
    import torch

    return torch.randint(3, vocabulary, shape)


def vision(name: str, size: int = 64, **options: Any) -> Built:
    """A classifier of torchvision's."""
    return getattr(torchvision().models, name)(num_classes=CLASSES, **options), (images(2, 3, size, size),)


def vision_transformer() -> Built:
    library = torchvision().models.vision_transformer
    module = library.VisionTransformer(64, 16, 3, 4, 48, 96, num_classes=CLASSES)
    return module, (images(2, 3, 64, 64),)


def maxvit() -> Built:
    module = torchvision().models.MaxVit((64, 64), 16, (16, 32), (1, 2), 8, 4, 0.1, num_classes=CLASSES)
    return module, (images(2, 3, 64, 64),)


def swin(version: str) -> Built:
    library = torchvision().models.swin_transformer
    block = library.SwinTransformerBlockV2 if version == "2" else library.SwinTransformerBlock
    options = {"downsample_layer": library.PatchMergingV2} if version == "2" else {}
    module = library.SwinTransformer(
        [4, 4], 24, [2, 2, 2], [2, 3, 4], [4, 4], block=block, num_classes=CLASSES, **options
    )
    return module, (images(2, 3, 64, 96),)


def video(name: str, frames: int = 4, size: int = 32, **options: Any) -> Built:
    return getattr(torchvision().models.video, name)(num_classes=CLASSES, **options), (
        images(1, 3, frames, size, size),
    )


def mvit(second: bool) -> Built:
    library = torchvision().models.video.mvit
    setting = library.MSBlockConfig
    blocks = [
        setting(1, 16, 16, [], [], [3, 3, 3], [1, 4, 4]),
        setting(2, 16, 32, [3, 3, 3], [1, 2, 2], [3, 3, 3], [1, 2, 2]),
        setting(2, 32, 32, [3, 3, 3], [1, 1, 1], [3, 3, 3], [1, 2, 2]),
    ]
    options = {"residual_pool": second, "rel_pos_embed": second, "proj_after_attn": second}
    module = library.MViT((32, 32), 4, blocks, residual_with_cls_embed=not second, num_classes=CLASSES, **options)
    return module, (images(1, 3, 4, 32, 32),)


def segmentation(name: str, size: int = 64) -> Built:
    library = torchvision().models.segmentation
    module = getattr(library, name)(weights=None, weights_backbone=None, num_classes=CLASSES)
    return module, (images(2, 3, size, size),)


def pyramid(backbone: str) -> Built:
    library = torchvision().models.detection.backbone_utils
    if backbone.startswith("mobilenet"):
        return library.mobilenet_backbone(backbone_name=backbone, weights=None, fpn=True), (images(1, 3, 64, 64),)
    return library.resnet_fpn_backbone(backbone_name=backbone, weights=None), (images(1, 3, 64, 64),)


def detector(name: str) -> Built:
    """Backbone and head of a detector; its boxes are chosen outside of the graph."""
    from torch import nn

    library = torchvision().models.detection
    made = getattr(library, name)(weights=None, weights_backbone=None, num_classes=CLASSES)

    class Detector(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone, self.head = made.backbone, made.head

        def forward(self, x: Any) -> Any:
            features = list(self.backbone(x).values())
            return self.head(features)

    return Detector(), (images(1, 3, 128, 128),)


def raft() -> Built:
    return torchvision().models.optical_flow.raft_small(), (images(1, 3, 128, 128), images(1, 3, 128, 128))


@cache
def timm() -> Any:
    torchvision()
    import timm as library

    return library


def of_timm(name: str, size: int = 64, **options: Any) -> Built:
    return timm().create_model(name, num_classes=CLASSES, **options), (images(1, 3, size, size),)


def sized(name: str, size: int = 64, **options: Any) -> Built:
    """A model whose parts depend on the size of its images."""
    return of_timm(name, size, img_size=size, **options)


def features(name: str, size: int = 64) -> Built:
    return timm().create_model(name, features_only=True), (images(1, 3, size, size),)


def language(kind: str, tokens: int = 13, masked: bool = True, head: str = "Model", **options: Any) -> Built:
    """A text model of transformers', with a mask of real tokens where it takes one."""
    import torch

    module = _transformer(kind, head, options)
    ids = words(97, 2, tokens)
    if not masked:
        return module, (ids,)
    mask = torch.ones(2, tokens, dtype=torch.int64)
    mask[1, tokens - 4 :] = 0
    return _Called(module, ("input_ids", "attention_mask")), (ids, mask)


def sight(kind: str, head: str = "Model", size: int = 32, **options: Any) -> Built:
    """An image model of transformers'."""
    return _transformer(kind, head, options), (images(2, 3, size, size),)


def sound(kind: str, head: str, shape: tuple[int, ...], **options: Any) -> Built:
    return _transformer(kind, head, options), (images(*shape),)


def clip() -> Built:
    import torch
    import transformers

    part = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 3}
    text = {
        **part,
        "vocab_size": 97,
        "max_position_embeddings": 16,
        "eos_token_id": 96,
        "bos_token_id": 0,
        "projection_dim": 20,
    }
    sight_ = {**part, "image_size": 32, "patch_size": 8, "projection_dim": 20}
    config = transformers.CLIPConfig(text_config=text, vision_config=sight_, projection_dim=20)
    ids = words(90, 2, 9)
    ids[:, -1] = 96
    module = transformers.CLIPModel._from_config(config, attn_implementation="eager")
    called = _Called(module, ("input_ids", "pixel_values", "attention_mask"), ("logits_per_image", "text_embeds"))
    return called, (ids, images(2, 3, 32, 32), torch.ones(2, 9, dtype=torch.int64))


def _Called(module: Any, names: tuple[str, ...], wanted: tuple[str, ...] = ()) -> Any:
    """A module called by the names of its arguments."""
    from torch import nn

    class Called(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = module

        def forward(self, *given: Any) -> Any:
            found = self.model(**dict(zip(names, given, strict=True)), return_dict=True)
            return tuple(found[name] for name in wanted) if wanted else found[0]

    return Called()


def _transformer(kind: str, head: str, options: Mapping[str, Any]) -> Any:
    torchvision()
    import transformers
    from torch import nn

    options = {"attn_implementation": "sdpa", **options}
    attention = options.pop("attn_implementation")
    config = getattr(transformers, f"{kind}Config")(**options)
    config.return_dict = True
    config.use_cache = False
    chosen = getattr(transformers, f"{kind}{head}")
    try:
        made = chosen._from_config(config, attn_implementation=attention)
    except ValueError:  # has no choice
        config._attn_implementation = "eager"
        made = chosen._from_config(config, attn_implementation="eager")

    class First(nn.Module):
        """Only the first result: the others are the same again, or what the next call would take."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = made

        def forward(self, *given: Any, **named: Any) -> Any:
            return self.inner(*given, **named)[0]

    return First() if head != "whole" else made


_BERT = {"vocab_size": 97, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40,
         "max_position_embeddings": 32}  # fmt: skip
_VIT = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40, "image_size": 32,
        "patch_size": 8}  # fmt: skip
_LLAMA = {**_BERT, "num_key_value_heads": 1, "num_attention_heads": 3}
_WAVE = {**_BERT, "conv_dim": [16, 16, 24], "conv_stride": [5, 2, 2], "conv_kernel": [10, 3, 2],
         "num_feat_extract_layers": 3, "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2,
         "feat_extract_activation": "gelu"}  # fmt: skip
_WHISPER = {"vocab_size": 97, "d_model": 24, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 3,
            "decoder_attention_heads": 3, "encoder_ffn_dim": 40, "decoder_ffn_dim": 40, "num_mel_bins": 16,
            "max_source_positions": 25, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
            "decoder_start_token_id": 1, "suppress_tokens": [], "begin_suppress_tokens": []}  # fmt: skip


def _whisper() -> Built:
    import transformers
    from torch import nn

    made = transformers.WhisperModel._from_config(transformers.WhisperConfig(**_WHISPER), attn_implementation="sdpa")

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = made.encoder

        def forward(self, x: Any) -> Any:
            return self.encoder(x)[0]

    return Encoder(), (images(2, 16, 50),)


def own(name: str) -> Built:
    """A network of `onnx_networks`."""
    torchvision()
    from benchmarks.onnx_networks import NETWORKS as there

    return there[name]()


_OWN = ("BiLSTM", "GRU", "transformer encoder", "shuffles", "UNet", "language model", "sound", "pyramid")
_VISION = ("alexnet vgg11_bn resnet18 resnet50 resnext50_32x4d squeezenet1_0 squeezenet1_1 densenet121 "
           "shufflenet_v2_x0_5 shufflenet_v2_x1_0 mobilenet_v2 mobilenet_v3_small mobilenet_v3_large mnasnet0_5 "
           "efficientnet_b0 efficientnet_v2_s regnet_y_400mf regnet_x_400mf convnext_tiny swin_t "
           "swin_v2_t")  # fmt: skip
_SEGMENTATION = "fcn_resnet50 deeplabv3_resnet50 deeplabv3_mobilenet_v3_large lraspp_mobilenet_v3_large"
_DETECTORS = "retinanet_resnet50_fpn fcos_resnet50_fpn ssdlite320_mobilenet_v3_large ssd300_vgg16"
_TIMM = """
test_byobnet test_efficientnet test_mambaout skresnet18 resnest14d resnet26d seresnext26t_32x4d dla46_c hrnet_w18_small
gernet_s regnety_002 res2net50_14w_8s densenet121 dpn68 ese_vovnet19b_dw cspresnet50 cspdarknet53 selecsls42
ghostnet_050 ghostnetv2_100 mobilenetv3_small_050 mobilenetv4_conv_small tf_efficientnet_b0 tf_efficientnetv2_b0
mixnet_s tf_mixnet_s mnasnet_small fbnetc_100 lcnet_050 tinynet_e rexnet_100 nf_regnet_b0 eca_nfnet_l0 resnetv2_50
repvgg_a0 mobileone_s0 repvit_m0_9 repghostnet_050 convnext_atto convnextv2_atto edgenext_xx_small poolformer_s12
convformer_s18 caformer_s18 mobilevit_xxs mobilevitv2_050 inception_v4:75 xception41 pvt_v2_b0 efficientvit_b0
efficientvit_m0:224 focalnet_tiny_srf davit_tiny:224 hgnetv2_b0 inception_next_atto mambaout_femto starnet_s1
swiftformer_xs:224 shvit_s1 rdnet_tiny gcresnext26ts levit_128s:224 levit_conv_128s:224 tresnet_m visformer_tiny
efficientformer_l1:224 efficientformerv2_s0:224 coat_lite_tiny:224 tiny_vit_5m_224:224 fastvit_t8 xcit_nano_12_p16_224
crossvit_9_240:240 convit_tiny:224 pit_ti_224:224 gcvit_xxtiny:224 nest_tiny:224 halonet26t:256 botnet26t_256:256
bat_resnext26ts:256 lambda_resnet26rpt_256:256 coatnet_pico_rw_224:224 maxvit_pico_rw_256:256 twins_svt_small:224
swinv2_cr_tiny_ns_224:224 mvitv2_tiny:224 hiera_tiny_224:224 darknet53 resnetblur50 legacy_xception
"""
_SIZED = """
vit_tiny_patch16_224 deit_tiny_patch16_224 deit_tiny_distilled_patch16_224 eva02_tiny_patch14_224:56 cait_xxs24_224
mixer_s16_224 resmlp_12_224 gmlp_s16_224 tnt_s_legacy_patch16_224 volo_d1_224 swin_tiny_patch4_window7_224:56
swinv2_tiny_window8_256 vit_relpos_small_patch16_224 vit_little_patch16_reg4_gap_256 flexivit_small:96 sequencer2d_s:56
vit_tiny_r_s16_p8_224 deit3_small_patch16_224 vit_srelpos_small_patch16_224
"""

NETWORKS: dict[str, Callable[[], Built]] = {
    **{name: partial(own, name) for name in _OWN},
    **{f"torchvision {name}": partial(vision, name) for name in _VISION.split()},
    "torchvision inception_v3": partial(vision, "inception_v3", 75, aux_logits=False, init_weights=False),
    "torchvision googlenet": partial(vision, "googlenet", aux_logits=False, init_weights=False, transform_input=True),
    "torchvision vit": vision_transformer,
    "torchvision swin small": partial(swin, "1"),
    "torchvision swin_v2 small": partial(swin, "2"),
    "torchvision maxvit": maxvit,
    "torchvision r3d_18": partial(video, "r3d_18"),
    "torchvision mc3_18": partial(video, "mc3_18"),
    "torchvision r2plus1d_18": partial(video, "r2plus1d_18"),
    "torchvision s3d": partial(video, "s3d", 16, 64),
    "torchvision mvit_v1": partial(mvit, False),
    "torchvision mvit_v2": partial(mvit, True),
    "torchvision swin3d_t": partial(video, "swin3d_t", 4, 64),
    **{f"torchvision {name}": partial(segmentation, name) for name in _SEGMENTATION.split()},
    "torchvision resnet18 fpn": partial(pyramid, "resnet18"),
    "torchvision mobilenet fpn": partial(pyramid, "mobilenet_v3_large"),
    **{f"torchvision {name}": partial(detector, name) for name in _DETECTORS.split()},
    "torchvision raft_small": raft,
    **{
        f"timm {name.partition(':')[0]}": partial(of_timm, name.partition(":")[0], int(name.partition(":")[2] or 64))
        for name in _TIMM.split()
    },
    **{
        f"timm {name.partition(':')[0]}": partial(sized, name.partition(":")[0], int(name.partition(":")[2] or 64))
        for name in _SIZED.split()
    },
    "timm resnet18 features": partial(features, "resnet18"),
    "timm beit": partial(sized, "beit_base_patch16_224", embed_dim=48, depth=2, num_heads=3),
    "transformers BERT": partial(language, "Bert", **_BERT),
    "transformers BERT eager": partial(language, "Bert", attn_implementation="eager", **_BERT),
    "transformers BERT classifier": partial(language, "Bert", head="ForSequenceClassification", **_BERT),
    "transformers RoBERTa": partial(language, "Roberta", **_BERT),
    "transformers DistilBERT": partial(
        language, "DistilBert", vocab_size=97, dim=24, n_layers=2, n_heads=3, hidden_dim=40, max_position_embeddings=32
    ),
    "transformers ALBERT": partial(language, "Albert", embedding_size=16, **_BERT),
    "transformers ELECTRA": partial(language, "Electra", embedding_size=16, **_BERT),
    "transformers DeBERTa v2": partial(
        language, "DebertaV2", relative_attention=True, pos_att_type=["p2c", "c2p"], attn_implementation="eager",
        **_BERT,
    ),
    "transformers MPNet": partial(language, "MPNet", attn_implementation="eager", **_BERT),
    "transformers ModernBERT": partial(language, "ModernBert", **_BERT, pad_token_id=0, bos_token_id=1, eos_token_id=2,
                                       cls_token_id=1, sep_token_id=2, local_attention=6),
    "transformers GPT-2": partial(language, "GPT2", vocab_size=97, n_embd=24, n_layer=2, n_head=3, n_positions=32),
    "transformers GPT-2 LM": partial(
        language, "GPT2", head="LMHeadModel", vocab_size=97, n_embd=24, n_layer=2, n_head=3, n_positions=32
    ),
    "transformers GPT-NeoX": partial(language, "GPTNeoX", **_BERT),
    "transformers OPT": partial(
        language, "OPT", vocab_size=97, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, ffn_dim=40,
        max_position_embeddings=32, word_embed_proj_dim=24,
    ),
    "transformers BLOOM": partial(language, "Bloom", vocab_size=97, hidden_size=24, n_layer=2, n_head=3,
                                  attn_implementation="eager"),
    "transformers LLaMA": partial(language, "Llama", **{**_LLAMA, "hidden_size": 24}),
    "transformers LLaMA without mask": partial(language, "Llama", masked=False, **_LLAMA),
    "transformers Mistral": partial(language, "Mistral", sliding_window=4, **_LLAMA),
    "transformers Qwen2": partial(language, "Qwen2", **_LLAMA),
    "transformers Gemma": partial(language, "Gemma", head_dim=8, **_LLAMA),
    "transformers Phi": partial(language, "Phi", **{**_LLAMA, "num_key_value_heads": 3}, partial_rotary_factor=0.5),
    "transformers T5 encoder": partial(
        language, "T5", head="EncoderModel", vocab_size=97, d_model=24, d_kv=8, d_ff=40, num_layers=2, num_heads=3
    ),
    "transformers ViT": partial(sight, "ViT", **_VIT),
    "transformers ViT classifier": partial(sight, "ViT", head="ForImageClassification", **_VIT),
    "transformers DeiT": partial(sight, "DeiT", **_VIT),
    "transformers BEiT": partial(sight, "Beit", attn_implementation="eager", use_relative_position_bias=True, **_VIT),
    "transformers DINOv2": partial(
        sight, "Dinov2", mlp_ratio=2, **{k: v for k, v in _VIT.items() if k != "intermediate_size"}
    ),
    "transformers Swin": partial(
        sight, "Swin", size=64, image_size=64, patch_size=4, embed_dim=24, depths=[2, 2], num_heads=[2, 3],
        window_size=4,
    ),
    "transformers ConvNeXt": partial(
        sight, "ConvNext", size=64, hidden_sizes=[16, 24, 32], depths=[1, 1, 2], num_stages=3
    ),
    "transformers ResNet": partial(
        sight, "ResNet", size=64, embedding_size=16, hidden_sizes=[16, 24], depths=[1, 2], layer_type="basic"
    ),
    "transformers SegFormer": partial(
        sight, "Segformer", head="ForSemanticSegmentation", size=64, num_encoder_blocks=4, depths=[1, 1, 1, 1],
        hidden_sizes=[16, 16, 24, 24], num_attention_heads=[1, 2, 3, 3], decoder_hidden_size=20, num_labels=7,
    ),
    "transformers MobileViT": partial(sight, "MobileViT", size=64, image_size=64, hidden_sizes=[24, 32, 40],
                                      neck_hidden_sizes=[8, 12, 16, 20, 24, 28, 32]),
    "transformers CLIP": clip,
    "transformers Whisper encoder": _whisper,
    "transformers wav2vec2": partial(sound, "Wav2Vec2", "Model", (2, 800), **_WAVE),
    "transformers HuBERT": partial(sound, "Hubert", "Model", (2, 800), **_WAVE),
    "transformers wav2vec2 CTC": partial(
        sound, "Wav2Vec2", "ForCTC", (2, 800), do_stable_layer_norm=True, feat_extract_norm="layer", **_WAVE
    ),
    "transformers AST": partial(
        sound, "AST", "Model", (2, 64, 32), **{**_VIT, "patch_size": 8}, max_length=64, num_mel_bins=32
    ),
}  # fmt: skip
