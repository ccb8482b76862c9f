"""A model (Torch 2.13.0+cpu) as a PyTorch module, written by irconv 0.1.0."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn


class Block(nn.Module):
    """What stem, down.0, down.1, down.2, down.3, up.0.conv, ... and up.3.conv are."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.convs(x)


class Up(nn.Module):
    """What up.0, up.1, up.2 and up.3 are."""

    def __init__(self, out_channels: int, in_channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
        self.conv = Block(in_channels=in_channels, out_channels=out_channels)

    def forward(self, x: Tensor, down: Tensor) -> Tensor:
        x = self.up(x)
        x = torch.cat([down, x], dim=1)
        return self.conv(x)


class Unet(nn.Module):
    """Takes x: float32 (1, 3, 32, 32) NCHW; returns conv2d_18: float32 (1, 2, 32, 32) NCHW."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Block(in_channels=3, out_channels=64)
        self.down = nn.ModuleList(
            [
                Block(in_channels=64, out_channels=128),
                Block(in_channels=128, out_channels=256),
                Block(in_channels=256, out_channels=512),
                Block(in_channels=512, out_channels=1024),
            ],
        )
        self.up = nn.ModuleList(
            [
                Up(out_channels=512, in_channels=1024),
                Up(out_channels=256, in_channels=512),
                Up(out_channels=128, in_channels=256),
                Up(out_channels=64, in_channels=128),
            ],
        )
        self.head = nn.Conv2d(64, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = F.max_pool2d(x, 2)
        y = self.down[0](y)
        max_pool2d = F.max_pool2d(y, 2)
        down_1 = self.down[1](max_pool2d)
        max_pool2d = F.max_pool2d(down_1, 2)
        down_2 = self.down[2](max_pool2d)
        max_pool2d = F.max_pool2d(down_2, 2)
        down_3 = self.down[3](max_pool2d)
        up_0 = self.up[0](down_3, down_2)
        up_1 = self.up[1](up_0, down_1)
        y = self.up[2](up_1, y)
        x = self.up[3](y, x)
        return self.head(x)


def load(weights: str | Path = Path(__file__).with_suffix(".safetensors")) -> Unet:
    """The model in eval mode, with its weights from unet.safetensors."""
    model = Unet()
    model.load_state_dict(load_file(weights))
    return model.eval()
