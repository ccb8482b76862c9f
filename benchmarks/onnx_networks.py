"""Networks of PyTorch that `benchmarks.onnx_ways` exports: small ones of every kind, with random weights."""

from __future__ import annotations

import contextlib
import io
import warnings
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.torch_export import flat, randomised

_MISSING = ("nms", "qnms")
"""Operators that torchvision looks for where it was built for another PyTorch; no network here calls them."""


class BiLSTM(nn.Module):
    """Words, two layers in both directions, and their mean."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 12)
        self.lstm = nn.LSTM(12, 9, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(18, 5)

    def forward(self, x: Any) -> Any:
        y, _ = self.lstm(self.embed(x))
        return self.head(y.mean(1))


class Recurrent(nn.Module):
    """Steps first, and the last states as a result."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(7, 9, bidirectional=True)
        self.head = nn.Linear(18, 5)

    def forward(self, x: Any) -> Any:
        y, h = self.gru(x)
        return self.head(y), h


class Encoder(nn.Module):
    """A transformer's encoder with its norms in front."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(24, 3, 40, batch_first=True, norm_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        for value in self.encoder.parameters():  # its layers begin as copies, which exporters store once
            value.data.add_(torch.randn_like(value) * 0.1)
        self.head = nn.Linear(24, 7)

    def forward(self, x: Any) -> Any:
        return self.head(self.encoder(x)[:, 0])


class Shuffles(nn.Module):
    """Groups of channels, their shuffle, pixels from channels, and a size that is no whole multiple."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm, self.act = nn.Conv2d(6, 12, 3, padding=1, groups=3), nn.GroupNorm(4, 12), nn.SiLU()
        self.b, self.pixels = nn.Conv2d(12, 24, 1), nn.PixelShuffle(2)
        self.own = nn.InstanceNorm2d(6, affine=True)
        self.up = nn.ConvTranspose2d(6, 5, 3, stride=2, padding=1, output_padding=1)

    def forward(self, x: Any) -> Any:
        x = self.act(self.norm(self.a(x)))
        n, c, h, w = x.shape
        x = x.view(n, 3, c // 3, h, w).transpose(1, 2).reshape(n, c, h, w)
        x = self.own(self.pixels(self.b(x)))
        return nn.functional.interpolate(self.up(x), scale_factor=1.5, mode="bilinear", align_corners=False), x.amax(
            (2, 3)
        )


def _double(a: int, b: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(a, b, 3, padding=1),
        nn.BatchNorm2d(b),
        nn.ReLU(),
        nn.Conv2d(b, b, 3, padding=1),
        nn.BatchNorm2d(b),
        nn.LeakyReLU(0.1),
    )


class UNet(nn.Module):
    """One level down and up again."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.deep, self.back, self.pool = _double(3, 8), _double(8, 12), _double(16, 8), nn.MaxPool2d(2)
        self.up, self.out = nn.ConvTranspose2d(12, 8, 2, 2), nn.Conv2d(8, 2, 1)

    def forward(self, x: Any) -> Any:
        a = self.down(x)
        return self.out(self.back(torch.cat([a, self.up(self.deep(self.pool(a)))], 1))).softmax(1)


class Causal(nn.Module):
    """Words of a language model: a causal mask, tied weights of words, and a norm behind each sum."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(40, 24), nn.Parameter(torch.zeros(1, 16, 24))
        self.norm, self.qkv, self.out = nn.LayerNorm(24), nn.Linear(24, 72), nn.Linear(24, 24)
        self.wide, self.narrow, self.last = nn.Linear(24, 48), nn.Linear(48, 24), nn.LayerNorm(24)

    def forward(self, ids: Any) -> Any:
        x = self.words(ids) + self.places[:, : ids.shape[1]]
        n, t, c = x.shape
        q, k, v = (part.view(n, t, 3, c // 3).transpose(1, 2) for part in self.qkv(self.norm(x)).chunk(3, -1))
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(n, t, c))
        x = x + self.narrow(nn.functional.gelu(self.wide(x), approximate="tanh"))
        return nn.functional.linear(self.last(x), self.words.weight)


class Waves(nn.Module):
    """Sound: strided and dilated convolutions along time, gated, and a GRU behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.front = nn.Conv1d(1, 8, 9, stride=4, padding=4)
        self.gates = nn.ModuleList(nn.Conv1d(8, 16, 3, padding=2**i, dilation=2**i) for i in range(3))
        self.norm, self.gru, self.head = nn.BatchNorm1d(8), nn.GRU(8, 6, batch_first=True), nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        x = nn.functional.elu(self.norm(self.front(x)))
        for gate in self.gates:
            x = x + nn.functional.glu(gate(x), 1)
        y, _ = self.gru(x.transpose(1, 2))
        return self.head(y[:, -1]).log_softmax(-1)


class Pyramid(nn.Module):
    """Maps of several sizes added from the deepest on, as detectors have them."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(i, o, 3, stride=2, padding=1) for i, o in ((3, 8), (8, 12), (12, 16)))
        self.sides = nn.ModuleList(nn.Conv2d(i, 8, 1) for i in (8, 12, 16))
        self.act, self.head = nn.Hardswish(), nn.Conv2d(8, 6, 3, padding=1)

    def forward(self, x: Any) -> Any:
        a = self.act(self.a(x))
        b = self.act(self.b(a))
        c = self.sides[2](self.act(self.c(b)))
        b = self.sides[1](b) + nn.functional.interpolate(c, scale_factor=2.0)
        a = self.sides[0](a) + nn.functional.interpolate(b, scale_factor=2.0)
        return [self.head(y).flatten(2).sigmoid() for y in (a, b, c)]


class Bert(nn.Module):
    """BERT of transformers, small, with a mask."""

    def __init__(self) -> None:
        from transformers import BertConfig, BertModel

        super().__init__()
        sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40}
        self.bert = BertModel(BertConfig(vocab_size=60, max_position_embeddings=32, **sizes))

    def forward(self, ids: Any, mask: Any) -> Any:
        found = self.bert(input_ids=ids, attention_mask=mask)
        return found.last_hidden_state, found.pooler_output


def _vision() -> Any:
    """torchvision, also where its operators are those of another PyTorch."""
    try:
        import torchvision
    except RuntimeError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in _MISSING:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision
    return torchvision.models


def _resnet() -> Any:
    vision = _vision()
    return vision.resnet.ResNet(vision.resnet.Bottleneck, [2, 1, 1, 2], num_classes=10), (torch.randn(2, 3, 64, 64),)


def _vit() -> Any:
    made = _vision().vision_transformer.VisionTransformer(32, 8, 2, 4, 32, 64, num_classes=10)
    return made, (torch.randn(2, 3, 32, 32),)


def _convnext() -> Any:
    found = _vision().convnext
    blocks = [found.CNBlockConfig(12, 20, 2), found.CNBlockConfig(20, None, 1)]
    return found.ConvNeXt(blocks, num_classes=7), (torch.randn(2, 3, 32, 32),)


def _swin() -> Any:
    found = _vision().swin_transformer
    made = found.SwinTransformer([2, 2], 12, [1, 1], [2, 2], [4, 4], num_classes=5)
    return made, (torch.randn(2, 3, 32, 32),)


def _small(name: str, size: int = 64) -> Any:
    return getattr(_vision(), name)(num_classes=10), (torch.randn(2, 3, size, size),)


def _densenet() -> Any:
    return _vision().densenet.DenseNet(8, (2, 2), 12, num_classes=5), (torch.randn(2, 3, 64, 64),)


def _bert() -> Any:
    mask = torch.ones(2, 7, dtype=torch.int64)
    mask[1, 5:] = 0
    return Bert(), (torch.randint(1, 60, (2, 7)), mask)


NETWORKS: Mapping[str, Callable[[], tuple[nn.Module, tuple[Any, ...]]]] = {
    "ViT": _vit,
    "BERT": _bert,
    "BiLSTM": lambda: (BiLSTM(), (torch.randint(0, 50, (2, 7)),)),
    "GRU": lambda: (Recurrent(), (torch.randn(6, 2, 7),)),
    "transformer encoder": lambda: (Encoder(), (torch.randn(2, 6, 24),)),
    "shuffles": lambda: (Shuffles(), (torch.randn(2, 6, 8, 10),)),
    "MobileNetV3": lambda: (_vision().mobilenet_v3_small(num_classes=10), (torch.randn(2, 3, 64, 64),)),
    "ConvNeXt": _convnext,
    "ResNet50": lambda: (_vision().resnet50(), (torch.randn(1, 3, 224, 224),)),
    "ResNet with bottlenecks": _resnet,
    "UNet": lambda: (UNet(), (torch.randn(2, 3, 20, 28),)),
    "language model": lambda: (Causal(), (torch.randint(0, 40, (2, 9)),)),
    "sound": lambda: (Waves(), (torch.randn(2, 1, 96),)),
    "pyramid": lambda: (Pyramid(), (torch.randn(2, 3, 32, 48),)),
    "Swin": _swin,
    "DenseNet": _densenet,
    "SqueezeNet": lambda: _small("squeezenet1_1"),
    "ShuffleNetV2": lambda: _small("shufflenet_v2_x0_5"),
    "MNASNet": lambda: _small("mnasnet0_5"),
    "RegNet": lambda: _small("regnet_y_400mf"),
    "EfficientNet": lambda: _small("efficientnet_b0"),
}
"""Name -> the network with what it is given."""


def export(name: str, folder: Path) -> None:
    """The network as a program and by both exporters, with what it gives."""
    torch.set_num_threads(1)
    torch.manual_seed(zlib.crc32(name.encode()))
    module, given = NETWORKS[name]()
    randomised(module)
    module.eval()
    with torch.no_grad():
        wanted = flat(module(*given))
    arrays = {f"x{i}": value.numpy() for i, value in enumerate(given)}
    np.savez(folder / f"{name}.npz", **arrays, **{f"y{i}": value.numpy() for i, value in enumerate(wanted)})
    program = torch.export.export(module, given)
    program.example_inputs = None
    torch.export.save(program, folder / f"{name}.pt2")
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with quiet[0], quiet[1], warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, given, str(folder / f"{name}.script.onnx"), dynamo=False, opset_version=17)
        torch.onnx.export(module, given, str(folder / f"{name}.dynamo.onnx"), dynamo=True, external_data=False)
