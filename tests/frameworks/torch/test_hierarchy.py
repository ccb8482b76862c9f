"""PyTorch's networks come back as the modules that they were: the same keys, one class for equal modules, loops."""

from __future__ import annotations

import ast
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
    irconv.write(bundle, folder / "model.py")
    made: nn.Module = import_file(folder / "model.py").load()
    wanted, got = module.state_dict(), made.state_dict()
    assert got.keys() == wanted.keys()
    assert all(torch.equal(got[key], value) for key, value in wanted.items() if "num_batches" not in key)
    with torch.no_grad():
        result, there = module(*given), made(*given)
    assert float((result - there).abs().max()) <= 1e-6 * float(result.abs().max())
    return (folder / "model.py").read_text()


def classes(text: str) -> list[str]:
    return [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_state_dict_has_the_keys_of_the_original(name: str, traced: bool, tmp_path: Path) -> None:
    network, given = NETWORKS[name]
    written(network(), (given,), tmp_path, traced)


class Step(nn.Module):
    """What some networks below repeat."""

    def __init__(self, width: int, inside: int) -> None:
        super().__init__()
        self.norm, self.into, self.out = nn.LayerNorm(width), nn.Linear(width, inside), nn.Linear(inside, width)

    def forward(self, x: Tensor, scale: Tensor) -> Tensor:
        return x + self.out(torch.relu(self.into(self.norm(x)))) * scale


class Steps(nn.Module):
    """A list of equal modules, all of which take one more value; and a vector of the network's own."""

    def __init__(self, count: int, widths: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(5))
        self.steps = nn.ModuleList([Step(5, width) for width in widths or (7,) * count])

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = step(x, self.scale)
        return x


ROWS = torch.randn(3, 5, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("count", [2, 4])
def test_a_list_that_is_gone_through_is_a_loop(count: int, tmp_path: Path) -> None:
    text = written(Steps(count), (ROWS,), tmp_path)
    assert "        for step in self.steps:\n            x = step(x, self.scale)\n        return x\n" in text
    assert classes(text) == ["StepBlock", "Model"]
    assert ("[StepBlock() for _ in range(4)]" in text) == (count == 4)


def test_what_differs_between_equal_modules_is_an_argument(tmp_path: Path) -> None:
    text = written(Steps(3, (7, 4, 9)), (ROWS,), tmp_path)
    assert classes(text) == ["StepBlock", "Model"]
    for line in ("def __init__(self, out_features: int) -> None:", "self.into = nn.Linear(5, out_features)",
                 "StepBlock(out_features=4),", "for step in self.steps:"):  # fmt: skip
        assert line in text


def test_modules_that_are_called_apart_hold_their_layers_alone(tmp_path: Path) -> None:
    class Apart(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = nn.ModuleDict({"first": nn.Linear(5, 6), "last": nn.Linear(4, 5)})
            self.between = nn.Linear(6, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.part["last"](self.between(self.part["first"](x)))

    text = written(Apart(), (ROWS,), tmp_path)
    assert classes(text) == ["Part", "Model"]
    assert "        x = self.between(self.part.first(x))\n        return self.part.last(x)\n" in text


def test_a_module_that_is_called_twice_keeps_its_one_place(tmp_path: Path) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part, self.last = Step(5, 7), nn.Linear(5, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = self.part(x, x)
            return self.last(self.part(x, x))

    written(Twice(), (ROWS,), tmp_path)


def test_chains_keep_their_numbers_whatever_does_nothing_in_them(tmp_path: Path) -> None:
    class Chain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(
                nn.Linear(5, 6), nn.Identity(), nn.Tanh(), nn.Dropout(0.3), nn.Linear(6, 4), nn.Softmax(-1)
            )
            self.gate = nn.Linear(5, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x) * self.gate(x)

    text = written(Chain(), (ROWS,), tmp_path)
    assert "self.net(x)" in text
    inner = text[text.index("nn.Sequential(") : text.index("self.gate")]
    assert [line.strip() for line in inner.splitlines()[1:-2]] == [
        "nn.Linear(5, 6),", "nn.Identity(),", "nn.Tanh(),", "nn.Dropout(0.3),", "nn.Linear(6, 4),", "nn.Softmax(dim=1),"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["self", "T", "F", "load", "torch", "x", "nn"])
def test_modules_of_any_name_keep_it(name: str, tmp_path: Path) -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.outer = nn.Module()
            setattr(self.outer, name, nn.Linear(5, 4))
            self.last = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(torch.tanh(getattr(self.outer, name)(x)))

    written(Named(), (ROWS,), tmp_path)


class Added(nn.Sequential):
    """Modules under names that no attribute can have, as RegNet's are."""

    def __init__(self) -> None:
        super().__init__()
        for place, (taken, given) in enumerate(((4, 5), (5, 3))):
            self.add_module(f"block1-{place}", nn.Sequential(nn.Linear(taken, given), nn.Tanh()))
        self.add_module("3x3", nn.Linear(3, 2))


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_modules_whose_names_are_no_words_are_added_under_them(traced: bool, tmp_path: Path) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = Added()

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.trunk(x))

    text = written(Net(), (torch.randn(2, 4),), tmp_path, traced)
    assert traced or 'return self.get_submodule("3x3")' in text
    assert traced or 'self.add_module("3x3", nn.Linear(3, 2))' in text


def test_free_sizes_are_read_where_they_are_used(tmp_path: Path) -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv, self.out = nn.Linear(6, 18), nn.Linear(6, 6)

        def forward(self, x: Tensor) -> Tensor:
            n, t, _ = x.shape
            q, k, v = self.qkv(x).view(n, t, 3, 2, 3).permute(2, 0, 3, 1, 4).unbind(0)
            return self.out(((q @ k.transpose(-2, -1)).softmax(-1) @ v).transpose(1, 2).reshape(n, t, 6))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList([Heads() for _ in range(3)])

        def forward(self, x: Tensor) -> Tensor:
            for block in self.blocks:
                x = x + block(x)
            return x

    module, given = filled(Net()), torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(1))
    free = {"x": {0: torch.export.Dim("N"), 1: torch.export.Dim("T")}}
    irconv.write(irconv.from_torch(module, (given,), dynamic_shapes=free), tmp_path / "model.py")
    made: nn.Module = import_file(tmp_path / "model.py").load()
    for x in (given, given[:1, :3]):
        with torch.no_grad():
            assert float((made(x) - module(x)).abs().max()) < 1e-5
    assert "for block in self.blocks:" in (tmp_path / "model.py").read_text()


class Padded(nn.Module):
    """Two stages with pads of nothing in front."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.ReLU()) for before, after in ((3, 5), (5, 7))
        )

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.down:
            x = stage(nn.functional.max_pool2d(nn.functional.pad(x, (0, 0, 0, 0)), 2))
        return x


def test_a_pad_of_nothing_is_not_written(tmp_path: Path) -> None:
    assert "pad(" not in written(Padded(), (torch.rand(2, 3, 16, 16),), tmp_path)
