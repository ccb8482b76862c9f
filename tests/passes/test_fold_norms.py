"""A BatchNorm goes into the layer before it where nothing else sees what is between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import irconv
from irconv.errors import Refused
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.normalisation import BatchNorm
from irconv.passes import fold_norms
from tests.helpers import Builder, numbers, rejection


class _Net(nn.Module):
    """A norm after every kind of kernel, with and without a bias, and norms that have to stay."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, (3, 2), bias=False)
        self.norm = nn.BatchNorm2d(6, eps=0.01)
        self.up = nn.ConvTranspose2d(6, 8, 3, stride=2, groups=2)
        self.norm2 = nn.BatchNorm2d(8, affine=False)
        self.late = nn.BatchNorm2d(8)
        self.thin = nn.Conv2d(8, 8, 1, groups=8)
        self.norm3 = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 5)
        self.norm4 = nn.BatchNorm1d(5)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.norm2(self.up(torch.relu(self.norm(self.conv(x)))))
        seen = self.thin(self.late(torch.relu(x)))
        return self.norm4(self.head(self.norm3(seen).mean((2, 3)))), seen


def _net() -> tuple[_Net, torch.Tensor]:
    torch.manual_seed(3)
    net = _Net().eval()
    with torch.no_grad():
        for name, value in [*net.named_parameters(), *net.named_buffers()]:
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.4 if "var" in name else torch.randn_like(value))
    return net, torch.randn(2, 3, 7, 9)


@pytest.mark.parametrize("suffix", [".irconv", ".onnx"])
def test_what_is_merged_predicts_as_pytorch_does_and_what_stays_is_named(suffix: str, tmp_path: Path) -> None:
    net, x = _net()
    wanted = [value.detach().numpy() for value in net(x)]
    bundle = irconv.from_torch(net, (x,))
    written = irconv.write(bundle, tmp_path / f"m{suffix}", fold_bn=True)
    told = next(fact for fact in written.told if fact.name == "norms")
    assert told.value == "3 of 5 norms are merged into the layers before them"
    assert "late, as no convolution or matrix is before it; norm3, as thin gives to others, too" in told.evidence
    again = irconv.read(tmp_path / f"m{suffix}")
    assert sum(isinstance(layer, BatchNorm) for layer in again.layers.values()) == 2
    for got, want in zip(irconv.run(again, [x.numpy()]).values(), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=2e-6 * float(np.abs(want).max()))


def test_weights_that_another_layer_has_too_are_left_to_it() -> None:
    kernel, norm = numbers(4, 3), {role: numbers(4, seed=seed) for seed, role in enumerate(("gamma", "beta", "mean"))}
    built = Builder(x=("N", 3), y=("N", 3)).add("a", Linear(), "x", kernel=kernel, bias=numbers(4))
    built.layers["b"] = built.layers["a"]
    built.add("norm", BatchNorm(epsilon=1e-3, momentum=None), "a", variance=np.abs(numbers(4)) + 1, **norm)
    bundle = built.use("b", "y", result="b").build("norm", "b")
    feeds = {"x": numbers(2, 3), "y": numbers(2, 3, seed=1)}
    folded = fold_norms.run(bundle)
    np.testing.assert_array_equal(folded.tensors["a.kernel"], kernel)
    assert not any(isinstance(layer, BatchNorm) for layer in folded.layers.values())
    for name, want in irconv.run(bundle, feeds).items():
        np.testing.assert_allclose(irconv.run(folded, feeds)[name], want, rtol=0, atol=1e-5)


def test_across_a_matrix_of_three_axes_a_norm_stays() -> None:
    built = Builder(x=("N", 4, 3)).add("a", Linear(), "x", kernel=numbers(5, 3))
    bundle = built.add(
        "norm", BatchNorm(epsilon=1e-3, momentum=None), "a", variance=np.ones(4, np.float32), mean=numbers(4)
    ).build()
    (fact,) = fold_norms.run(bundle).source.to_tell()
    assert fact.evidence == "made: left are norm, as it stands across the outputs of a matrix"


def test_a_model_without_norms_or_graph_is_refused() -> None:
    bundle = Builder(x=("N", 3)).add("a", Linear(), "x", kernel=numbers(5, 3)).build()
    said = rejection(lambda: fold_norms.run(bundle), Refused)
    assert said == "--fold-bn: has no effect: the model has no BatchNorm. Leave it out."
    alone = irconv.Bundle(bundle.source, tensors=bundle.tensors)
    said = rejection(lambda: fold_norms.run(alone), Refused)
    assert said == "--fold-bn: the weights have no graph, which says what stands before a norm. Leave it out."
