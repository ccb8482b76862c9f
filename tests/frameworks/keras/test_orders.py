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
