"""Writes the source in this folder: what irconv makes of five networks, for people to judge.

    python examples/emitted/make.py

The networks are built here with random weights, exported by PyTorch, or saved by Keras, read, and written; the weights
are not kept. ``tests/test_emitted.py`` says when a file is stale.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import irconv
from irconv.ir.bundle import Bundle

FOLDER = Path(__file__).parent


class Bottleneck(nn.Module):
    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        after = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, after, 1, bias=False), nn.BatchNorm2d(after)
        self.downsample = None
        if before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(y)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet50(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        before = 64
        for number, (width, count) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
            stage = []
            for block in range(count):
                stage.append(Bottleneck(before, width, 2 if number > 1 and block == 0 else 1))
                before = 4 * width
            setattr(self, f"layer{number}", nn.Sequential(*stage))
        self.fc = nn.Linear(2048, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class Excitation(nn.Module):
    def __init__(
        self, width: int, inside: int, gate: Callable[[Tensor], Tensor], act: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(width, inside, 1), nn.Conv2d(inside, width, 1)
        self.gate, self.act = gate, act

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.fc2(self.act(self.fc1(F.adaptive_avg_pool2d(x, 1)))))


def convolution(
    before: int, after: int, size: int, stride: int, act: type[nn.Module] | None, groups: int = 1
) -> nn.Sequential:
    parts = [nn.Conv2d(before, after, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(after)]
    return nn.Sequential(*parts, *([act(inplace=True)] if act else []))


class Inverted(nn.Module):
    def __init__(
        self,
        before: int,
        inside: int,
        after: int,
        size: int,
        stride: int,
        act: type[nn.Module],
        squeeze: nn.Module | None,
    ) -> None:
        super().__init__()
        parts: list[nn.Module] = [] if inside == before else [convolution(before, inside, 1, 1, act)]
        parts.append(convolution(inside, inside, size, stride, act, inside))
        parts += [squeeze] if squeeze is not None else []
        self.block = nn.Sequential(*parts, convolution(inside, after, 1, 1, None))
        self.shortcut = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if self.shortcut else self.block(x)


class Classifier(nn.Module):
    def __init__(self, features: list[nn.Module], head: nn.Sequential) -> None:
        super().__init__()
        self.features, self.classifier = nn.Sequential(*features), head

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(self.features(x), 1), 1))


def mobilenet_v3() -> nn.Module:
    """MobileNetV3, small."""
    rows = (
        (16, 16, 16, 3, 2, True, nn.ReLU), (16, 72, 24, 3, 2, False, nn.ReLU), (24, 88, 24, 3, 1, False, nn.ReLU),
        (24, 96, 40, 5, 2, True, nn.Hardswish), (40, 240, 40, 5, 1, True, nn.Hardswish),
        (40, 240, 40, 5, 1, True, nn.Hardswish), (40, 120, 48, 5, 1, True, nn.Hardswish),
        (48, 144, 48, 5, 1, True, nn.Hardswish), (48, 288, 96, 5, 2, True, nn.Hardswish),
        (96, 576, 96, 5, 1, True, nn.Hardswish), (96, 576, 96, 5, 1, True, nn.Hardswish),
    )  # fmt: skip
    features: list[nn.Module] = [convolution(3, 16, 3, 2, nn.Hardswish)]
    for before, inside, after, size, stride, squeezed, act in rows:
        squeeze = Excitation(inside, max(8, inside // 32 * 8), F.hardsigmoid, F.relu) if squeezed else None
        features.append(Inverted(before, inside, after, size, stride, act, squeeze))
    features.append(convolution(96, 576, 1, 1, nn.Hardswish))
    return Classifier(
        features, nn.Sequential(nn.Linear(576, 1024), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(1024, 1000))
    )


def efficientnet_b0() -> nn.Module:
    rows = ((1, 16, 3, 1, 1), (6, 24, 3, 2, 2), (6, 40, 5, 2, 2), (6, 80, 3, 2, 3), (6, 112, 5, 1, 3),
            (6, 192, 5, 2, 4), (6, 320, 3, 1, 1))  # fmt: skip
    features: list[nn.Module] = [convolution(3, 32, 3, 2, nn.SiLU)]
    before = 32
    for ratio, after, size, stride, count in rows:
        stage = []
        for index in range(count):
            inside = ratio * before
            squeeze = Excitation(inside, before // 4, torch.sigmoid, F.silu)
            stage.append(Inverted(before, inside, after, size, 1 if index else stride, nn.SiLU, squeeze))
            before = after
        features.append(nn.Sequential(*stage))
    features.append(convolution(320, 1280, 1, 1, nn.SiLU))
    return Classifier(features, nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000)))


class Double(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        parts = [convolution(before, after, 3, 1, nn.ReLU), convolution(after, after, 3, 1, nn.ReLU)]
        self.convs = nn.Sequential(*parts[0], *parts[1])

    def forward(self, x: Tensor) -> Tensor:
        return self.convs(x)


class Up(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.up, self.conv = nn.ConvTranspose2d(before, after, 2, 2), Double(before, after)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.conv(torch.cat([skip, self.up(x)], dim=1))


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths = (64, 128, 256, 512, 1024)
        self.stem = Double(3, 64)
        self.down = nn.ModuleList([Double(a, b) for a, b in pairwise(widths)])
        self.up = nn.ModuleList([Up(b, a) for a, b in reversed(list(pairwise(widths)))])
        self.head = nn.Conv2d(64, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        levels = [self.stem(x)]
        for down in self.down:
            levels.append(down(F.max_pool2d(levels[-1], 2)))
        x = levels.pop()
        for up in self.up:
            x = up(x, levels.pop())
        return self.head(x)


def masked_bilstm() -> Bundle:
    """Words of any number, padded with zeros, through two layers of LSTM in both directions, by Keras."""
    import keras

    words = keras.Input((None,), dtype="int32", name="words")
    x = keras.layers.Embedding(5000, 128, mask_zero=True, name="embedding")(words)
    x = keras.layers.Bidirectional(keras.layers.LSTM(64, return_sequences=True), name="first")(x)
    x = keras.layers.Bidirectional(keras.layers.LSTM(64), name="second")(x)
    x = keras.layers.Dense(5, activation="softmax", name="head")(x)
    with tempfile.TemporaryDirectory() as folder:
        keras.Model(words, x).save(file := Path(folder) / "masked_bilstm.keras")
        return irconv.read(file)


def exported(build: Callable[[], nn.Module], size: int) -> Callable[[], Bundle]:
    """What `irconv.from_torch` reads of a network for pictures."""
    return lambda: irconv.from_torch(build().eval(), (torch.zeros(1, 3, size, size),))


NETWORKS: dict[str, Callable[[], Bundle]] = {
    "resnet50": exported(ResNet50, 64),
    "mobilenet_v3_small": exported(mobilenet_v3, 64),
    "efficientnet_b0": exported(efficientnet_b0, 64),
    "unet": exported(UNet, 32),
    "masked_bilstm": masked_bilstm,
}


def text(name: str) -> str:
    """The source of one network."""
    from irconv.frameworks.torch.write import emitted

    return emitted(NETWORKS[name](), name).text


if __name__ == "__main__":
    for network in NETWORKS:
        (FOLDER / f"{network}.py").write_text(text(network))
