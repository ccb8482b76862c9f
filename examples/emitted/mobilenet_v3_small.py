"""A model (Torch 2.13.0+cpu) as a PyTorch module, written by irconv 0.1.0."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn


class Block(nn.Module):
    """What features.1.block.1, ... and features.11.block.2 are."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(in_channels, out_channels, 1)
        self.fc2 = nn.Conv2d(out_channels, in_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.fc1(torch.mean(x, dim=(2, 3), keepdim=True)))
        y = F.hardsigmoid(self.fc2(y))
        return x * y


class Feature(nn.Module):
    """What features.1 is."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Sequential(
                nn.Conv2d(16, 16, 3, stride=2, padding=1, groups=16, bias=False),
                nn.BatchNorm2d(16),
                nn.ReLU(),
            ),
            Block(in_channels=16, out_channels=8),
            nn.Sequential(
                nn.Conv2d(16, 16, 1, bias=False),
                nn.BatchNorm2d(16),
            ),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class Feature2(nn.Module):
    """What features.2 is."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Sequential(
                nn.Conv2d(16, 72, 1, bias=False),
                nn.BatchNorm2d(72),
                nn.ReLU(),
            ),
            nn.Sequential(
                nn.Conv2d(72, 72, 3, stride=2, padding=1, groups=72, bias=False),
                nn.BatchNorm2d(72),
                nn.ReLU(),
            ),
            nn.Sequential(
                nn.Conv2d(72, 24, 1, bias=False),
                nn.BatchNorm2d(24),
            ),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class Feature3(nn.Module):
    """What features.3 is."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Sequential(
                nn.Conv2d(24, 88, 1, bias=False),
                nn.BatchNorm2d(88),
                nn.ReLU(),
            ),
            nn.Sequential(
                nn.Conv2d(88, 88, 3, padding=1, groups=88, bias=False),
                nn.BatchNorm2d(88),
                nn.ReLU(),
            ),
            nn.Sequential(
                nn.Conv2d(88, 24, 1, bias=False),
                nn.BatchNorm2d(24),
            ),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.block(x)
        return x + y


class Feature4(nn.Module):
    """What features.4, features.7 and features.9 are."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        block_out_channels: int,
        out_channels_2: int,
        stride: int,
    ) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, bias=False),
                nn.BatchNorm2d(out_channels),
                nn.Hardswish(),
            ),
            nn.Sequential(
                nn.Conv2d(
                    out_channels,
                    out_channels,
                    5,
                    stride=stride,
                    padding=2,
                    groups=out_channels,
                    bias=False,
                ),
                nn.BatchNorm2d(out_channels),
                nn.Hardswish(),
            ),
            Block(in_channels=out_channels, out_channels=block_out_channels),
            nn.Sequential(
                nn.Conv2d(out_channels, out_channels_2, 1, bias=False),
                nn.BatchNorm2d(out_channels_2),
            ),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class Feature5(nn.Module):
    """What features.5, features.6, ... and features.11 are."""

    def __init__(self, in_channels: int, out_channels: int, block_out_channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, bias=False),
                nn.BatchNorm2d(out_channels),
                nn.Hardswish(),
            ),
            nn.Sequential(
                nn.Conv2d(out_channels, out_channels, 5, padding=2, groups=out_channels, bias=False),
                nn.BatchNorm2d(out_channels),
                nn.Hardswish(),
            ),
            Block(in_channels=out_channels, out_channels=block_out_channels),
            nn.Sequential(
                nn.Conv2d(out_channels, in_channels, 1, bias=False),
                nn.BatchNorm2d(in_channels),
            ),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.block(x)
        return x + y


class MobilenetV3Small(nn.Module):
    """Takes x: float32 (1, 3, 64, 64) NCHW; returns linear_1: float32 (1, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Sequential(
                nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(16),
                nn.Hardswish(),
            ),
            Feature(),
            Feature2(),
            Feature3(),
            Feature4(
                in_channels=24, out_channels=96, block_out_channels=24, out_channels_2=40, stride=2
            ),
            Feature5(in_channels=40, out_channels=240, block_out_channels=56),
            Feature5(in_channels=40, out_channels=240, block_out_channels=56),
            Feature4(
                in_channels=40, out_channels=120, block_out_channels=24, out_channels_2=48, stride=1
            ),
            Feature5(in_channels=48, out_channels=144, block_out_channels=32),
            Feature4(
                in_channels=48, out_channels=288, block_out_channels=72, out_channels_2=96, stride=2
            ),
            Feature5(in_channels=96, out_channels=576, block_out_channels=144),
            Feature5(in_channels=96, out_channels=576, block_out_channels=144),
            nn.Sequential(
                nn.Conv2d(96, 576, 1, bias=False),
                nn.BatchNorm2d(576),
                nn.Hardswish(),
            ),
        )
        self.classifier = nn.Sequential(
            nn.Linear(576, 1024),
            nn.Hardswish(),
            nn.Dropout(0.2),
            nn.Linear(1024, 1000),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = torch.flatten(torch.mean(self.features(x), dim=(2, 3), keepdim=True), 1)
        return self.classifier(x)


def load(weights: str | Path = Path(__file__).with_suffix(".safetensors")) -> MobilenetV3Small:
    """The model in eval mode, with its weights from mobilenet_v3_small.safetensors."""
    model = MobilenetV3Small()
    model.load_state_dict(load_file(weights))
    return model.eval()
