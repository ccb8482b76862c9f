"""PyTorch's networks come back as the modules that they were: the same keys, one class for equal modules, loops."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import irconv
from tests.frameworks.torch.networks import filled
from tests.frameworks.torch.test_networks import NETWORKS
from tests.helpers import import_file


def written(module: nn.Module, given: tuple[Tensor, ...], folder: Path, traced: bool = False) -> str:
    """The source of a module, whose predictions and state dict are those of the original, bit for bit."""
    module = filled(module)
    if traced:
        torch.jit.trace(module, given, check_trace=False).save(str(folder / "model.pt"))
        bundle = irconv.read(folder / "model.pt")
    else:
        bundle = irconv.from_torch(module, given)
    irconv.write(bundle, folder / "m.py")
    made: nn.Module = import_file(folder / "m.py").load()
    wanted, got = module.state_dict(), made.state_dict()
    assert got.keys() == wanted.keys()
    assert all(torch.equal(got[key], value) for key, value in wanted.items() if "num_batches" not in key)
    with torch.no_grad():
        result, there = module(*given), made(*given)
    assert float((result - there).abs().max()) <= 1e-6 * float(result.abs().max())
    return (folder / "m.py").read_text()


def classes(text: str) -> list[str]:
    return [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_state_dict_has_the_keys_of_the_original(name: str, traced: bool, tmp_path: Path) -> None:
    network, given = NETWORKS[name]
    written(network(), (given,), tmp_path, traced)
