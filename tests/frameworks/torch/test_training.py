"""What is emitted can be trained on: its gradients are those of the network that it was made from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import irconv
from tests.frameworks.torch.networks import Reader, ResNet18, ViT, filled
from tests.helpers import import_file

IMAGES, WORDS = (
    torch.randn(4, 3, 12, 16, generator=torch.Generator().manual_seed(3)),
    torch.arange(12).reshape(4, 3) * 7 % 23,
)
NETWORKS: dict[str, tuple[type[nn.Module], Tensor]] = {
    "ResNet18": (ResNet18, torch.randn(4, 3, 40, 48, generator=torch.Generator().manual_seed(2))),
    "ViT": (ViT, IMAGES),
    "LSTM": (Reader, WORDS),
}


def gradients(module: nn.Module, given: Tensor) -> dict[tuple[tuple[int, ...], bytes], Tensor]:
    """Of the loss of one step, by the parameters' shapes and bytes: names may differ."""
    module.zero_grad()
    result = module(given)
    wanted = torch.arange(len(given)) % result.shape[1]
    functional.cross_entropy(result, wanted).backward()
    found = {(tuple(p.shape), p.detach().numpy().tobytes()): p.grad for p in module.parameters()}
    return {key: gradient for key, gradient in found.items() if gradient is not None}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_of_one_step_are_those_of_the_source(name: str, traced: bool, tmp_path: Path) -> None:
    network, given = NETWORKS[name]
    module = filled(network())
    if traced:
        torch.jit.trace(module, given, check_trace=False).save(str(tmp_path / "model.pt"))
    bundle = irconv.read(tmp_path / "model.pt") if traced else irconv.from_torch(module, (given,))
    irconv.write(bundle, tmp_path / "m.py")
    made: nn.Module = import_file(tmp_path / "m.py").load()
    wanted, got = gradients(module, given), gradients(made, given)
    assert len(wanted) == len(list(module.parameters()))
    assert got.keys() == wanted.keys()
    for key, gradient in wanted.items():
        assert float((got[key] - gradient).abs().max()) <= 1e-4 * max(1e-3, float(gradient.abs().max()))
