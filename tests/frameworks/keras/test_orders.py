"""Elements in order, and bits, as Keras 3 computes what PyTorch's functions are written as."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import irconv
from tests.helpers import in_torch

CASES: dict[str, tuple[Callable[[torch.Tensor], Any], str]] = {
    "places in rising order": (lambda x: torch.argsort(x, -1), "float32"),
    "elements and places": (lambda x: tuple(torch.sort(x, 1)), "float32"),
    "elements and places, falling": (lambda x: tuple(torch.sort(x, 1, descending=True)), "float32"),
    "elements alone": (lambda x: torch.sort(x, 1)[0], "float32"),
    "the smallest": (lambda x: tuple(torch.topk(x, 2, 1, largest=False)), "float32"),
    "the smallest integers": (lambda x: torch.topk(x, 2, largest=False)[0], "int64"),
    "bits and numbers": (lambda x: (x & 5) | (x ^ 3), "int64"),
}


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


@pytest.mark.parametrize("name", CASES)
def test_keras_computes_it(name: str, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    function, dtype = CASES[name]
    x = np.random.default_rng(4).permutation(np.arange(-17.0, 18.0)).reshape(5, 7).astype(dtype)
    bundle = irconv.from_torch(Function(function), (torch.from_numpy(x),))
    irconv.write(bundle, tmp_path / "m.keras")
    made = keras.saving.load_model(tmp_path / "m.keras", compile=False)(x)
    wanted = function(torch.from_numpy(x))
    pairs = zip(
        made if isinstance(made, list | tuple) else [made],
        wanted if isinstance(wanted, tuple) else [wanted],
        strict=True,
    )
    for got, want in pairs:
        np.testing.assert_array_equal(np.asarray(got), want.numpy())


class Named(nn.Module):
    """Modules that are called as the inputs are."""

    def __init__(self) -> None:
        super().__init__()
        self.c, self.h = nn.LSTMCell(5, 7), nn.Linear(7, 3)

    def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        state, cell = self.c(x, (h, c))
        return self.h(state), cell


@pytest.mark.parametrize("suffix", [".keras", ".py", ".onnx"])
def test_a_layer_may_have_the_name_of_an_input(suffix: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    module, given = Named().eval(), (torch.randn(2, 5), torch.randn(2, 7), torch.randn(2, 7))
    irconv.write(irconv.from_torch(module, given), tmp_path / f"m{suffix}")
    again = irconv.read(tmp_path / f"m{suffix}") if suffix != ".py" else None
    feeds = [value.numpy() for value in given]
    found = in_torch(tmp_path / "m.py", feeds) if again is None else [*irconv.run(again, feeds).values()]
    with torch.no_grad():
        wanted = module(*given)
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want.numpy(), rtol=0, atol=2e-6)
    if suffix == ".keras":
        keras = pytest.importorskip("keras")
        for got, want in zip(keras.saving.load_model(tmp_path / "m.keras")(feeds), wanted, strict=True):
            np.testing.assert_allclose(np.asarray(got), want.numpy(), rtol=0, atol=2e-6)
