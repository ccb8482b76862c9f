"""A model (Torch 2.13.0+cpu) as a PyTorch module, written by irconv 0.1.0."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn


class LayerBlock(nn.Module):
    """What layer1.0, layer2.0, layer3.0 and layer4.0 are."""

    def __init__(
        self, in_channels: int, out_channels: int, conv3_out_channels: int, stride: int
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv3 = nn.Conv2d(out_channels, conv3_out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(conv3_out_channels)
        self.downsample = nn.Sequential(
            nn.Conv2d(in_channels, conv3_out_channels, 1, stride=stride, bias=False),
            nn.BatchNorm2d(conv3_out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        x = self.downsample(x)
        return F.relu(y + x)


class LayerBlock2(nn.Module):
    """What layer1.1, layer1.2, layer2.1, layer2.2, ... and layer4.2 are."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv3 = nn.Conv2d(out_channels, in_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(in_channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + x)


class Resnet50(nn.Module):
    """Takes x: float32 (1, 3, 64, 64) NCHW; returns linear: float32 (1, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(
            LayerBlock(in_channels=64, out_channels=64, conv3_out_channels=256, stride=1),
            LayerBlock2(in_channels=256, out_channels=64),
            LayerBlock2(in_channels=256, out_channels=64),
        )
        self.layer2 = nn.Sequential(
            LayerBlock(in_channels=256, out_channels=128, conv3_out_channels=512, stride=2),
            *[LayerBlock2(in_channels=512, out_channels=128) for _ in range(3)],
        )
        self.layer3 = nn.Sequential(
            LayerBlock(in_channels=512, out_channels=256, conv3_out_channels=1024, stride=2),
            *[LayerBlock2(in_channels=1024, out_channels=256) for _ in range(5)],
        )
        self.layer4 = nn.Sequential(
            LayerBlock(in_channels=1024, out_channels=512, conv3_out_channels=2048, stride=2),
            LayerBlock2(in_channels=2048, out_channels=512),
            LayerBlock2(in_channels=2048, out_channels=512),
        )
        self.fc = nn.Linear(2048, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer1(F.max_pool2d(x, 3, stride=2, padding=1))
        x = self.layer3(self.layer2(x))
        x = torch.flatten(torch.mean(self.layer4(x), dim=(2, 3), keepdim=True), 1)
        return self.fc(x)


def load(weights: str | Path = Path(__file__).with_suffix(".safetensors")) -> Resnet50:
    """The model in eval mode, with its weights from resnet50.safetensors."""
    model = Resnet50()
    model.load_state_dict(load_file(weights))
    return model.eval()
