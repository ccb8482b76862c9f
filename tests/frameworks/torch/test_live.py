"""Live modules of PyTorch read and made, and weights whose own class the user has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import irconv
from irconv.errors import IrconvError, MissingFact, Refused, UnusedOption
from irconv.options import ReadOptions
from tests.helpers import lenet, rejection

NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=5):
        super().__init__()
        self.c, self.b, self.l = nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.Linear(width, 4)
        self.r = nn.GRU(4, 3, batch_first=True)

    def forward(self, x):
        y = torch.relu_(self.b(self.c(x))) * 2
        a = y[..., :3]
        a += y[..., 3:]
        z = self.l(a.mean(3).transpose(1, 2))
        return self.r(z)[0], z.amax(1)


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(11, 4)

    def forward(self, ids, scale):
        return self.e(ids) * scale.unsqueeze(-1)


class Chooses(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(3, 3)

    def forward(self, x):
        return self.l(x) if x.sum() > 0 else x


one = Net(6)
number = 7
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "own_net.py"
    path.write_text(NET, encoding="utf-8")
    return path


def made(net: Path, name: str = "Net") -> nn.Module:
    home: dict[str, type[nn.Module]] = {}
    exec(compile(NET, str(net), "exec"), home)
    torch.manual_seed(3)
    module = home[name]()
    for buffer in module.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return module


def far(want: object, found: object) -> float:
    pairs = zip(want if isinstance(want, tuple) else (want,), found, strict=True)  # type: ignore[call-overload]
    return max(float(np.abs(w.detach().numpy() - np.asarray(f)).max()) for w, f in pairs)


def test_a_live_module_is_read_with_the_names_of_its_free_sizes(net: Path) -> None:
    module = made(net).train()
    batch = torch.export.Dim("N")
    bundle = irconv.from_torch(module, (torch.randn(2, 3, 7, 6),), dynamic_shapes={"x": {0: batch}})
    assert bundle.graph is not None
    assert bundle.graph.inputs[0].shape == ("N", 3, 7, 6)
    assert module.training
    assert [item.name for item in bundle.omitted] == ["b.num_batches_tracked"]
    module.eval()
    x = torch.randn(5, 3, 7, 6)
    assert far(module(x), irconv.run(bundle, [x.numpy()]).values()) < 1e-6


def test_the_weights_of_a_live_module_are_copied(net: Path) -> None:
    module = made(net).eval()
    x = torch.randn(2, 3, 7, 6)
    bundle, before = irconv.from_torch(module, (x,)), module(x)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert far(before, irconv.run(bundle, [x.numpy()]).values()) < 1e-6


def test_a_module_that_was_read_and_made_again_has_its_keys_its_bits_and_its_gradients(net: Path) -> None:
    module = made(net).eval()
    x = torch.randn(2, 3, 7, 6)
    again = irconv.to_torch(irconv.from_torch(module, (x,)))
    want, found = module.state_dict(), again.state_dict()
    assert list(want) == list(found)
    assert all(torch.equal(want[key], found[key]) for key in want if "num_batches" not in key)
    assert not again.training
    for made_of in (module, again):
        sum(y.square().mean() for y in made_of(x)).backward()
    pairs = zip(module.parameters(), again.parameters(), strict=True)
    assert max(float((a.grad - b.grad).abs().max()) for a, b in pairs if a.grad is not None) < 1e-6  # type: ignore[operator]


def test_a_model_of_another_framework_becomes_a_live_module() -> None:
    bundle = irconv.read(lenet("tf2.15-lenet5-h5").model)
    assert bundle.graph is not None
    shape = [2 if isinstance(size, str) else size for size in bundle.graph.inputs[0].shape]
    x = torch.randn(shape)
    module = irconv.to_torch(bundle)
    assert far(module(x), irconv.run(bundle, [x.numpy()], io="native").values()) < 1e-6


def test_weights_are_read_with_the_class_that_the_user_has(net: Path, tmp_path: Path) -> None:
    module = made(net).eval()
    torch.save({"state_dict": module.state_dict(), "epoch": 3}, tmp_path / "w.pt")
    bundle = irconv.read(tmp_path / "w.pt", ReadOptions(module=f"{net}:Net(width=5)", input_shape=("N,3,7,6",)))
    assert bundle.graph is not None
    assert bundle.graph.inputs[0].shape == ("N", 3, 7, 6)
    x = torch.randn(4, 3, 7, 6)
    assert far(module(x), irconv.run(bundle, [x.numpy()]).values()) < 1e-6
    assert [fact.value for fact in bundle.source.facts if fact.name == "module"] == [f"{net}:Net(width=5)"]
    assert [item.name for item in bundle.omitted] == ["epoch", "b.num_batches_tracked"]


def test_inputs_may_have_names_and_element_types(net: Path, tmp_path: Path) -> None:
    module = made(net, "Words").eval()
    torch.save(module.state_dict(), tmp_path / "w.pt")
    asked = ReadOptions(module=f"{net}:Words", input_shape=("N,T:int64", "scale=N,T"))
    bundle = irconv.read(tmp_path / "w.pt", asked)
    ids, scale = torch.arange(6).reshape(2, 3), torch.randn(2, 3)
    found = irconv.run(bundle, {"ids": ids.numpy(), "scale": scale.numpy()})
    assert far(module(ids, scale), found.values()) < 1e-6


def test_a_factory_of_an_installed_package_is_called(tmp_path: Path) -> None:
    module = nn.Linear(4, 3)
    torch.save(module.state_dict(), tmp_path / "w.pt")
    asked = ReadOptions(module="torch.nn:Linear(4, 3)", input_shape=("N,4",))
    x = torch.randn(2, 4)
    assert far(module(x), irconv.run(irconv.read(tmp_path / "w.pt", asked), [x.numpy()]).values()) < 1e-6


def test_weights_that_do_not_fit_the_class_are_named_all_at_once(net: Path, tmp_path: Path) -> None:
    state = made(net).state_dict()
    state["extra"], state["l.weight"] = torch.ones(2), torch.ones(4, 6)
    del state["c.bias"]
    torch.save(state, tmp_path / "w.pt")
    asked = ReadOptions(module=f"{net}:Net", input_shape=("N,3,7,6",))
    text = rejection(lambda: irconv.read(tmp_path / "w.pt", asked), Refused)
    assert "c.bias: is not in the file" in text
    assert "extra: is in the file, and not in the module" in text
    assert "l.weight: expected the module's shape (4, 5), got (4, 6)" in text


@pytest.mark.parametrize(
    ("module", "kind", "text"),
    [
        ("{net}:Nothing", MissingFact, "the file has nothing named Nothing. It has Net, Words, Chooses, one."),
        ("{net}:number", Refused, "expected a class, a function or a module, got int"),
        ("{net}:Net(1 + open)", Refused, "expected a name, or a name with literal arguments"),
        ("nosuch.place:Net", Refused, "importing nosuch.place raised ModuleNotFoundError"),
        ("Net", MissingFact, "expected FILE.py:Class or package.module:factory"),
        ("{net}:Chooses", Refused, "torch.export raised"),
    ],
)
def test_a_module_that_cannot_be_used_is_refused(
    net: Path, tmp_path: Path, module: str, kind: type[IrconvError], text: str
) -> None:
    weights = tmp_path / "w.pt"
    torch.save(made(net, "Chooses").state_dict(), weights)
    asked = ReadOptions(module=module.format(net=net), input_shape=("N,3",))
    assert text in rejection(lambda: irconv.read(weights, asked), kind)


def test_a_class_without_shapes_of_its_inputs_is_refused(net: Path, tmp_path: Path) -> None:
    torch.save(made(net).state_dict(), tmp_path / "w.pt")
    asked = ReadOptions(module=f"{net}:Net")
    text = rejection(lambda: irconv.read(tmp_path / "w.pt", asked), MissingFact)
    assert "the shapes of its inputs are not known. Give --input-shape" in text
    asked = ReadOptions(module=f"{net}:Net", input_shape=("N,3,7,6",), module_map=("A=Flatten",))
    assert "--module says what the weights are of" in rejection(
        lambda: irconv.read(tmp_path / "w.pt", asked), UnusedOption
    )


def test_what_cannot_be_exported_is_refused_with_the_reason(net: Path) -> None:
    assert "torch.export raised" in rejection(
        lambda: irconv.from_torch(made(net, "Chooses"), (torch.randn(2, 3),)), Refused
    )
    assert "expected a torch.nn.Module" in rejection(
        lambda: irconv.from_torch(torch.relu, (torch.randn(2, 3),)),
        Refused,  # type: ignore[arg-type]
    )


def test_a_module_in_half_precision_keeps_its_bits() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.ReLU()).to(torch.bfloat16)
    bundle = irconv.from_torch(module, (torch.zeros(1, 3, dtype=torch.bfloat16),))
    again = irconv.to_torch(bundle)
    found: dict[str, Tensor] = again.state_dict()
    assert all(torch.equal(tensor, found[key]) for key, tensor in module.state_dict().items())


class Computes(nn.Module):
    """Norms whose vectors are computed, and a kernel whose rows are normalised (NFNet)."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel, self.gain = nn.Parameter(torch.randn(6, 3, 3, 3)), nn.Parameter(torch.rand(6) + 0.5)

    def forward(self, x: Tensor, g: Tensor) -> tuple[Tensor, ...]:
        norm = nn.functional
        rows = norm.batch_norm(self.kernel.view(1, 6, -1), None, None, self.gain * 0.3, training=True)
        y = norm.conv2d(x, rows.view_as(self.kernel))
        batch = norm.batch_norm(y, y.mean((0, 2, 3)), g.square() + 1, g, -g)
        flat = y.mean(1)
        return (
            batch,
            norm.instance_norm(y, weight=g),
            norm.group_norm(y, 2, g, g * 2),
            norm.layer_norm(flat, (4,), g[:4]),
        )


def test_norms_whose_vectors_are_computed_come_back_as_arithmetic() -> None:
    torch.manual_seed(4)
    module, given = Computes().eval(), (torch.randn(2, 3, 6, 6), torch.randn(6))
    made = irconv.to_torch(irconv.from_torch(module, given))
    with torch.no_grad():
        assert far(module(*given), [value.numpy() for value in made(*given)]) < 2e-6
    trained = sum(parameter.numel() for parameter in module.parameters())
    assert sum(parameter.numel() for parameter in made.parameters() if parameter.requires_grad) == trained
