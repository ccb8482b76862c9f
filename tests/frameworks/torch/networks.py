"""Small networks as people write them, for what is emitted of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """Two convolutions beside a shortcut (ResNet)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample = None
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class ResNet18(nn.Module):
    """ResNet18 with few channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        sizes = ((8, 8, 1), (8, 12, 2), (12, 16, 2), (16, 20, 2))
        for i, (before, after, stride) in enumerate(sizes, 1):
            setattr(self, f"layer{i}", nn.Sequential(Block(before, after, stride), Block(after, after, 1)))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(20, 7)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class EncoderBlock(nn.Module):
    """Attention and a perceptron, each behind a norm and beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True, dropout=0.1)
        self.mlp = nn.Sequential(nn.Linear(width, 20), nn.GELU(), nn.Dropout(0.1), nn.Linear(20, width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.ln_1(x)
        y, _ = self.attention(y, y, y, need_weights=False)
        x = x + y
        return x + self.mlp(self.ln_2(x))


class ViT(nn.Module):
    """A vision transformer of two blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_proj = nn.Conv2d(3, 12, 4, 4)
        self.class_token = nn.Parameter(torch.zeros(1, 1, 12))
        self.pos_embedding = nn.Parameter(torch.empty(1, 13, 12).normal_(std=0.02))
        self.layers = nn.Sequential(EncoderBlock(12), EncoderBlock(12))
        self.ln, self.head = nn.LayerNorm(12), nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], 1) + self.pos_embedding
        return self.head(self.ln(self.layers(x))[:, 0])


class Reader(nn.Module):
    """Words through two layers of LSTM in both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(23, 6)
        self.lstm = nn.LSTM(6, 5, 2, batch_first=True, bidirectional=True, dropout=0.2)
        self.classifier = nn.Linear(10, 4)

    def forward(self, words: Tensor) -> Tensor:
        states, _ = self.lstm(self.embedding(words))
        return self.classifier(states.mean(1))


def filled(module: nn.Module) -> nn.Module:
    """With values that no default has, its statistics as well; in evaluation mode."""
    random = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if name.endswith("running_var") or (tensor.dim() == 1 and name.endswith("weight")):
                tensor.uniform_(0.5, 1.5, generator=random)
            elif tensor.is_floating_point():
                tensor.normal_(0, 0.2, generator=random)
    return module.eval()


class Inverted(nn.Module):
    """Expansion, depthwise convolution, excitation, projection (MobileNetV3, EfficientNet)."""

    def __init__(self, before: int, inside: int, after: int, stride: int, act: type[nn.Module]) -> None:
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(before, inside, 1, bias=False), nn.BatchNorm2d(inside), act())
        depthwise = nn.Conv2d(inside, inside, 5, stride, 2, groups=inside, bias=False)
        self.depthwise = nn.Sequential(depthwise, nn.BatchNorm2d(inside), act())
        self.fc1, self.fc2 = nn.Conv2d(inside, 4, 1), nn.Conv2d(4, inside, 1)
        self.project = nn.Sequential(nn.Conv2d(inside, after, 1, bias=False), nn.BatchNorm2d(after))
        self.shortcut = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        y = self.depthwise(self.expand(x))
        scale = functional.hardsigmoid(self.fc2(functional.relu(self.fc1(functional.adaptive_avg_pool2d(y, 1)))))
        y = self.project(scale * y)
        return x + y if self.shortcut else y


class Mobile(nn.Module):
    """MobileNetV3 with few blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.Hardswish())
        self.blocks = nn.Sequential(Inverted(8, 12, 8, 1, nn.ReLU), Inverted(8, 20, 10, 2, nn.Hardswish))
        self.classifier = nn.Sequential(
            nn.Linear(10, 14), nn.Hardswish(), nn.Dropout(0.2, inplace=True), nn.Linear(14, 5)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.blocks(self.stem(x)).mean((2, 3)))


class UNet(nn.Module):
    """Two levels down and up again, joined level by level."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.middle = self.double(3, 6), self.double(6, 10), self.double(10, 14)
        self.up2, self.up1 = nn.ConvTranspose2d(14, 10, 2, 2), nn.ConvTranspose2d(10, 6, 2, 2)
        self.join2, self.join1 = self.double(20, 10), self.double(12, 6)
        self.head = nn.Conv2d(6, 4, 1)

    @staticmethod
    def double(before: int, after: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        first = self.down1(x)
        second = self.down2(functional.max_pool2d(first, 2))
        x = self.up2(self.middle(functional.max_pool2d(second, 2)))
        x = self.up1(self.join2(torch.cat([x, second], 1)))
        return self.head(self.join1(torch.cat([x, first], 1)))


class Causal(nn.Module):
    """A language model of one block that sees no later word, its head tied to its table."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(19, 12), nn.Embedding(9, 12)
        self.norm, self.qkv, self.out = nn.LayerNorm(12), nn.Linear(12, 36), nn.Linear(12, 12)
        self.last, self.head = nn.LayerNorm(12), nn.Linear(12, 19, bias=False)
        self.head.weight = self.words.weight
        self.register_buffer("mask", torch.tril(torch.ones(9, 9, dtype=torch.bool)))

    def forward(self, ids: Tensor) -> Tensor:
        count, steps = ids.shape
        x = self.words(ids) + self.places(torch.arange(steps))
        q, k, v = self.qkv(self.norm(x)).view(count, steps, 3, 2, 6).permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q @ k.transpose(-2, -1)) / 6**0.5
        scores = scores.masked_fill(~self.mask[:steps, :steps], float("-inf")).softmax(-1)
        x = x + self.out((scores @ v).transpose(1, 2).reshape(count, steps, 12))
        return self.head(self.last(x))
