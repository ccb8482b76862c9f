"""Operators of ATen as PyTorch and irconv compute them: in programs, in those of core ATen, and in traces."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import irconv
from irconv.ir.bundle import Bundle
from irconv.layout import Array
from tests.frameworks.torch.aten_cases import CASES, Case

CORE = (
    *("pool with indices", "group norm", "layer norm without weights", "batch norm by its own statistics"),
    *("attention without heads", "resize by cubes", "var and mean", "sum of columns", "reflection", "scatter reduce"),
    *("logaddexp", "norm of order infinity", "put at inner places", "unfold inside", "diagonal", "one hot", "top 2"),
    *("resize with antialias", "cdist", "hypot", "nan to num", "attention with shared keys", "grid sample"),
)
"""Those of which core ATen makes something else."""
UNTRACED = ("unpool",)
"""What PyTorch does not trace."""


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, *given: Tensor) -> Any:
        return self.function(*given)


def flat(found: Any) -> list[Array]:
    """The tensors of a result as arrays."""
    if isinstance(found, Tensor):
        return [found.detach().numpy()]
    return [array for part in found for array in flat(part)]


def compared(bundle: Bundle, case: Case) -> None:
    function, given = case
    with torch.no_grad():
        wanted = flat(function(*given))
    got = list(irconv.run(bundle, [tensor.numpy() for tensor in given]).values())
    assert [(a.shape, a.dtype) for a in got] == [(a.shape, a.dtype) for a in wanted]
    for a, b in zip(got, wanted, strict=True):
        assert np.abs(a.astype(np.float64) - b).max(initial=0) <= 4e-6 * max(1, np.abs(b).max(initial=0))


@pytest.mark.parametrize("name", CASES)
def test_an_operator_computes_what_it_does_in_pytorch(name: str) -> None:
    compared(irconv.from_torch(Function(CASES[name][0]), CASES[name][1]), CASES[name])


@pytest.mark.parametrize("name", CORE)
def test_an_operator_of_core_aten_computes_what_it_does_in_pytorch(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    program = torch.export.export(Function(CASES[name][0]), CASES[name][1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program.run_decompositions(), path)
    compared(irconv.read(path), CASES[name])


@pytest.mark.parametrize("name", [name for name in CASES if name not in UNTRACED])
def test_an_operator_of_a_trace_computes_what_it_does_in_pytorch(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(Function(CASES[name][0]), CASES[name][1], check_trace=False).save(str(path))
    compared(irconv.read(path), CASES[name])
