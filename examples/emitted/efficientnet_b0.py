"""A model (Torch 2.13.0+cpu) as a PyTorch module, written by irconv 0.1.0."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn


class Block(nn.Module):
    """What features.1.0.block.1, ... and features.7.0.block.2 are."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(in_channels, out_channels, 1)
        self.fc2 = nn.Conv2d(out_channels, in_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.silu(self.fc1(torch.mean(x, dim=(2, 3), keepdim=True)))
        y = torch.sigmoid(self.fc2(y))
        return x * y


class Feature(nn.Module):
    """What features.1.0 is."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Sequential(
                nn.Conv2d(32, 32, 3, padding=1, groups=32, bias=False),
                nn.BatchNorm2d(32),
                nn.SiLU(),
            ),
            Block(in_channels=32, out_channels=8),
            nn.Sequential(
                nn.Conv2d(32, 16, 1, bias=False),
                nn.BatchNorm2d(16),
            ),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class Feature2(nn.Module):
    """What features.2.0, features.3.0, ... and features.7.0 are."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        block_out_channels: int,
        out_channels_2: int,
        stride: int,
        padding: int,
        kernel_size: int,
    ) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, bias=False),
                nn.BatchNorm2d(out_channels),
                nn.SiLU(),
            ),
            nn.Sequential(
                nn.Conv2d(
                    out_channels,
                    out_channels,
                    kernel_size,
                    stride=stride,
                    padding=padding,
                    groups=out_channels,
                    bias=False,
                ),
                nn.BatchNorm2d(out_channels),
                nn.SiLU(),
            ),
            Block(in_channels=out_channels, out_channels=block_out_channels),
            nn.Sequential(
                nn.Conv2d(out_channels, out_channels_2, 1, bias=False),
                nn.BatchNorm2d(out_channels_2),
            ),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class Feature3(nn.Module):
    """What features.2.1, features.3.1, ... and features.6.3 are."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        block_out_channels: int,
        padding: int,
        kernel_size: int,
    ) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, bias=False),
                nn.BatchNorm2d(out_channels),
                nn.SiLU(),
            ),
            nn.Sequential(
                nn.Conv2d(
                    out_channels,
                    out_channels,
                    kernel_size,
                    padding=padding,
                    groups=out_channels,
                    bias=False,
                ),
                nn.BatchNorm2d(out_channels),
                nn.SiLU(),
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


class EfficientnetB0(nn.Module):
    """Takes x: float32 (1, 3, 64, 64) NCHW; returns linear: float32 (1, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Sequential(
                nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(32),
                nn.SiLU(),
            ),
            nn.Sequential(Feature()),
            nn.Sequential(
                Feature2(
                    in_channels=16,
                    out_channels=96,
                    block_out_channels=4,
                    out_channels_2=24,
                    stride=2,
                    padding=1,
                    kernel_size=3,
                ),
                Feature3(
                    in_channels=24, out_channels=144, block_out_channels=6, padding=1, kernel_size=3
                ),
            ),
            nn.Sequential(
                Feature2(
                    in_channels=24,
                    out_channels=144,
                    block_out_channels=6,
                    out_channels_2=40,
                    stride=2,
                    padding=2,
                    kernel_size=5,
                ),
                Feature3(
                    in_channels=40,
                    out_channels=240,
                    block_out_channels=10,
                    padding=2,
                    kernel_size=5,
                ),
            ),
            nn.Sequential(
                Feature2(
                    in_channels=40,
                    out_channels=240,
                    block_out_channels=10,
                    out_channels_2=80,
                    stride=2,
                    padding=1,
                    kernel_size=3,
                ),
                Feature3(
                    in_channels=80,
                    out_channels=480,
                    block_out_channels=20,
                    padding=1,
                    kernel_size=3,
                ),
                Feature3(
                    in_channels=80,
                    out_channels=480,
                    block_out_channels=20,
                    padding=1,
                    kernel_size=3,
                ),
            ),
            nn.Sequential(
                Feature2(
                    in_channels=80,
                    out_channels=480,
                    block_out_channels=20,
                    out_channels_2=112,
                    stride=1,
                    padding=2,
                    kernel_size=5,
                ),
                Feature3(
                    in_channels=112,
                    out_channels=672,
                    block_out_channels=28,
                    padding=2,
                    kernel_size=5,
                ),
                Feature3(
                    in_channels=112,
                    out_channels=672,
                    block_out_channels=28,
                    padding=2,
                    kernel_size=5,
                ),
            ),
            nn.Sequential(
                Feature2(
                    in_channels=112,
                    out_channels=672,
                    block_out_channels=28,
                    out_channels_2=192,
                    stride=2,
                    padding=2,
                    kernel_size=5,
                ),
                *[
                    Feature3(
                        in_channels=192,
                        out_channels=1152,
                        block_out_channels=48,
                        padding=2,
                        kernel_size=5,
                    )
                    for _ in range(3)
                ],
            ),
            nn.Sequential(
                Feature2(
                    in_channels=192,
                    out_channels=1152,
                    block_out_channels=48,
                    out_channels_2=320,
                    stride=1,
                    padding=1,
                    kernel_size=3,
                ),
            ),
            nn.Sequential(
                nn.Conv2d(320, 1280, 1, bias=False),
                nn.BatchNorm2d(1280),
                nn.SiLU(),
            ),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(0.2),
            nn.Linear(1280, 1000),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = torch.flatten(torch.mean(self.features(x), dim=(2, 3), keepdim=True), 1)
        return self.classifier(x)


def load(weights: str | Path = Path(__file__).with_suffix(".safetensors")) -> EfficientnetB0:
    """The model in eval mode, with its weights from efficientnet_b0.safetensors."""
    model = EfficientnetB0()
    model.load_state_dict(load_file(weights))
    return model.eval()
