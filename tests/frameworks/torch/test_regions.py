"""Graphs within programs: regions, branches, loops and scans, from files and from live modules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._higher_order_ops import scan, while_loop

import irconv
from irconv.errors import Refused
from irconv.ir.bundle import Bundle
from tests.frameworks.torch.aten_cases import numbers
from tests.helpers import rejection, used_types


class Region(nn.Module):
    """Part of it without gradients, and that in another such part."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            scale = x.abs().amax(1, keepdim=True)
            with torch.autocast("cpu", enabled=False):
                scale = scale * 2
        return x / scale


class Branch(nn.Module):
    """What it does depends on what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        scaled = x * 3
        return torch.cond(x.sum() > 0, lambda a, b: self.up(a) + b, lambda a, b: (a - b).relu(), (x, scaled))


class Loop(nn.Module):
    """Goes round four times."""

    def forward(self, x: Tensor) -> Tensor:
        start = torch.tensor(1)
        return while_loop(lambda i, _: i < 5, lambda i, a: (i + 1, a * 1.5 + i), (start, x))[1]


class Data(nn.Module):
    """Goes round as often as its input says."""

    def forward(self, x: Tensor) -> Tensor:
        return while_loop(lambda a: a.sum() < 100, lambda a: (a * 2 + 1,), (x,))[0]


class Scanned(nn.Module):
    """A cell of its own along the first axis, with a weight that its body takes from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.Linear(5, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        def step(state: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
            made = torch.tanh(self.cell(state) + given)
            return made, made.clone() * 2

        last, every = scan(step, torch.zeros(6, 5), x)
        return last, every


pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's own, of what it compiles


def from_file(module: nn.Module, given: Tensor, folder: Path) -> Bundle:
    torch.export.save(torch.export.export(module, (given,)), folder / "model.pt2")
    return irconv.read(folder / "model.pt2")


def live(module: nn.Module, given: Tensor, _: Path) -> Bundle:
    return irconv.from_torch(module, (given,))


WAYS = pytest.mark.parametrize("way", [from_file, live])
Way = Callable[[nn.Module, Tensor, Path], Bundle]


def compared(bundle: Bundle, module: nn.Module, given: Tensor) -> None:
    with torch.no_grad():
        wanted: Any = module(given)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    for got, want in zip(irconv.run(bundle, [given.numpy()]).values(), wanted, strict=True):
        assert got.shape == tuple(want.shape)
        assert np.abs(got - want.numpy()).max() < 2e-6 * max(1, float(want.abs().max()))


@WAYS
def test_a_region_without_gradients_stands_where_it_is_called(way: Way, tmp_path: Path) -> None:
    compared(way(Region(), numbers(3, 5), tmp_path), Region(), numbers(3, 5))


@WAYS
@pytest.mark.parametrize("offset", [2.0, -2.0])
def test_both_sides_of_a_branch_are_computed_and_one_is_chosen(way: Way, offset: float, tmp_path: Path) -> None:
    module = Branch()
    bundle = way(module, numbers(3, 5), tmp_path)
    compared(bundle, module, numbers(3, 5) + offset)
    assert "Where" in used_types(bundle)


@WAYS
def test_a_loop_of_known_count_is_written_out(way: Way, tmp_path: Path) -> None:
    compared(way(Loop(), numbers(3, 5), tmp_path), Loop(), numbers(3, 5))


@WAYS
def test_a_loop_that_data_ends_is_refused_by_name(way: Way, tmp_path: Path) -> None:
    said = rejection(lambda: way(Data(), numbers(3, 5), tmp_path), Refused)
    assert "higher_order.while_loop): runs as often as values of tensors say" in said


@WAYS
def test_a_scan_is_a_scan(way: Way, tmp_path: Path) -> None:
    module = Scanned()
    bundle = way(module, numbers(4, 6, 5), tmp_path)
    compared(bundle, module, numbers(4, 6, 5))
    assert "Scan" in used_types(bundle) or "RNN" in used_types(bundle)
