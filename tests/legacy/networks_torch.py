"""The same networks in PyTorch: `NETWORKS`, by name, each a module and what it is called with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Built = tuple[nn.Module, tuple[Tensor, ...]]


class LeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return F.softmax(self.fc3(F.relu(self.fc2(F.relu(self.fc1(torch.flatten(x, 1)))))), dim=1)


def _block(given: int, channels: int) -> nn.Sequential:
    norm = nn.BatchNorm2d
    return nn.Sequential(
        nn.Conv2d(given, channels, 3, padding=1, bias=False), norm(channels), nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1, bias=False), norm(channels), nn.ReLU(),
    )  # fmt: skip


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.bottom = _block(3, 8), _block(8, 16), _block(16, 32)
        self.up2, self.up1 = nn.Conv2d(32, 16, 1), nn.ConvTranspose2d(16, 8, 2, 2)
        self.join2, self.join1, self.head = _block(32, 16), _block(16, 8), nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.down1(x)
        second = self.down2(F.max_pool2d(first, 2))
        x = self.bottom(F.max_pool2d(second, 2))
        x = self.up2(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))
        x = self.up1(self.join2(torch.cat([second, x], 1)))
        return torch.sigmoid(self.head(self.join1(torch.cat([first, x], 1))))


class Bottleneck(nn.Module):
    """ResNet's block (He et al. 2015), its stride at the middle convolution."""

    def __init__(self, given: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(given, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        aside = nn.Sequential(nn.Conv2d(given, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width))
        self.downsample = nn.Identity() if given == 4 * width and stride == 1 else aside

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet50(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        blocks, given = [], 64
        for stage, count in enumerate((3, 4, 6, 3)):
            for number in range(count):
                width = 64 * 2**stage
                blocks.append(Bottleneck(given, width, 2 if stage and not number else 1))
                given = 4 * width
        self.blocks, self.fc = nn.Sequential(*blocks), nn.Linear(given, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(self.blocks(x), 1), 1))


class Inverted(nn.Module):
    """MobileNetV2's block (Sandler et al. 2018): wider, apart for each channel, narrow again."""

    def __init__(self, given: int, channels: int, stride: int, factor: int) -> None:
        super().__init__()
        wide = given * factor
        parts: list[nn.Module] = []
        if factor != 1:
            parts += [nn.Conv2d(given, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()]
        parts += [nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()]
        self.body = nn.Sequential(*parts, nn.Conv2d(wide, channels, 1, bias=False), nn.BatchNorm2d(channels))
        self.added = stride == 1 and given == channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.added else self.body(x)


_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class MobileNetV2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        parts: list[nn.Module] = [nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU6()]
        given = 32
        for factor, channels, count, stride in _STAGES:
            for number in range(count):
                parts.append(Inverted(given, channels, 1 if number else stride, factor))
                given = channels
        parts += [nn.Conv2d(given, 1280, 1, bias=False), nn.BatchNorm2d(1280), nn.ReLU6()]
        self.features, self.classifier = nn.Sequential(*parts), nn.Linear(1280, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.both = nn.LSTM(7, 9, batch_first=True, bidirectional=True)
        self.last, self.fc = nn.LSTM(18, 8, batch_first=True), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.last(self.both(x)[0])
        return F.softmax(self.fc(y[:, -1]), dim=1)


class Bert(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.places, self.norm = nn.Embedding(97, 24), nn.Embedding(13, 24), nn.LayerNorm(24, 1e-12)
        blocks = [nn.TransformerEncoderLayer(24, 3, 40, activation="gelu", batch_first=True) for _ in range(2)]
        self.blocks = nn.ModuleList(blocks)
        self.pooler, self.head = nn.Linear(24, 24), nn.Linear(24, 2)

    def forward(self, words: Tensor, places: Tensor) -> Tensor:
        x = self.norm(self.words(words) + self.places(places))
        for block in self.blocks:
            x = block(x)
        return self.head(torch.tanh(self.pooler(x[:, 0])))


def _on(module: Callable[[], nn.Module], *shape: int) -> Callable[[], Built]:
    return lambda: (module(), (torch.randn(2, *shape),))


def _bert() -> Built:
    return Bert(), (torch.randint(0, 97, (2, 13)), torch.arange(13).repeat(2, 1))


NETWORKS: Mapping[str, Callable[[], Built]] = {
    "LeNet": _on(LeNet, 1, 28, 28),
    "UNet": _on(UNet, 3, 48, 40),
    "ResNet50": _on(ResNet50, 3, 64, 64),
    "MobileNetV2": _on(MobileNetV2, 3, 64, 64),
    "LSTM": _on(Recurrent, 11, 7),
    "BERT": _bert,
}


def randomised(module: nn.Module) -> nn.Module:
    """In eval mode, its norms with statistics of their own."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean = 0.1 * torch.randn(part.num_features)
            part.running_var = torch.rand(part.num_features) + 0.5
            nn.init.uniform_(part.weight, 0.7, 1.3)
            nn.init.normal_(part.bias, std=0.1)
    return module.eval()


def saved(name: str, path: Any) -> tuple[list[Any], list[Any]]:
    """Export the network to a ``.pt2``; its inputs, and what PyTorch makes of them."""
    torch.manual_seed(3)
    module, given = NETWORKS[name]()
    module = randomised(module)
    with torch.no_grad():
        wanted = module(*given)
        torch.export.save(torch.export.export(module, given), path)
    return [value.numpy() for value in given], [wanted.numpy()]
