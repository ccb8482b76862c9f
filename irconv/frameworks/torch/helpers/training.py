"""Modules that act in training alone, where PyTorch has none: each is the identity in evaluation."""

TEXT = '''\
class SharedDropout(nn.Module):
    """Dropout in which all elements along some axes share their fate; with alpha as in nn.AlphaDropout."""

    def __init__(self, p: float, axes: Sequence[int], alpha: bool = False) -> None:
        super().__init__()
        self.p, self.axes, self.alpha = p, tuple(axes), alpha

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        shape = [1 if axis in self.axes else size for axis, size in enumerate(x.shape)]
        if not self.alpha:
            return x * F.dropout(x.new_ones(shape), self.p)
        if self.p == 1:
            return torch.zeros_like(x)
        low = -1.7580993408473766
        kept = torch.rand(shape, dtype=x.dtype, device=x.device) >= self.p
        a = ((1 - self.p) * (1 + self.p * low**2)) ** -0.5
        return a * torch.where(kept, x, low) - a * low * self.p


class GaussianDropout(nn.Module):
    """Multiplies each element by a normal number around 1."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        return x * (1 + torch.randn_like(x) * (self.p / (1 - self.p)) ** 0.5)


class GaussianNoise(nn.Module):
    """Adds normal numbers around 0."""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, x: Tensor) -> Tensor:
        return x + self.deviation * torch.randn_like(x) if self.training else x
'''
