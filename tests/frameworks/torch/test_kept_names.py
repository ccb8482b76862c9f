"""A network of PyTorch's that went through ONNX or Keras comes back with its state dict, key for key, bit for bit."""

from __future__ import annotations

import json
import zipfile
from collections import OrderedDict
from pathlib import Path

import h5py
import onnx
import pytest
import torch
from torch import Tensor, nn

import irconv
from irconv.ir.kept import KEY, Kept, parsed
from irconv.options import WriteOptions
from tests.frameworks.torch.networks import filled
from tests.helpers import import_file


class Block(nn.Module):
    """A layer of GPT-2's kind, whose matrix lies as (in, out), beside one that has no bias."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.into = nn.LayerNorm(5, bias=False), nn.Linear(5, 7, bias=False)
        self.weight, self.bias = nn.Parameter(torch.ones(7, 5)), nn.Parameter(torch.ones(5))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.into(self.norm(x)))
        return x + torch.addmm(self.bias, y.reshape(-1, 7), self.weight).reshape(x.shape)


class Offset(nn.Module):
    """Gemma's norm, whose factor is one more than its parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(5))

    def forward(self, x: Tensor) -> Tensor:
        y = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
        return y * (1.0 + self.weight)


class Norms(nn.Module):
    """One of them, and a parameter in the middle of arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.into, self.place = Offset(), nn.Linear(5, 4), nn.Parameter(torch.zeros(3, 5))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.into(self.norm(x + self.place)))


class Net(nn.Module):
    """A convolution, blocks, and buffers of which one is not in the state dict."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU())
        self.blocks = nn.ModuleList([Block(), Block()])
        self.register_buffer("scale", torch.ones(9, 5))
        self.register_buffer("shift", torch.arange(100.0).reshape(20, 5), persistent=False)
        self.head = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x).mean(3).transpose(1, 2)
        for block in self.blocks:
            y = block(y * self.scale)
        return self.head(y + self.shift[:9])


class Moved(nn.Module):
    """A Linear over the channels of images, as in ConvNeXt, which targets take as a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.into, self.out = nn.Conv2d(3, 5, 3), nn.Linear(5, 7), nn.Linear(7, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return y + self.out(torch.sigmoid(self.into(y.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)


class Scaled(nn.Module):
    """Blocks that scale channels by a parameter of their own, as ConvNeXt's and PoolFormer's do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gamma = nn.Conv2d(5, 5, 3, padding=1), nn.Parameter(torch.ones(5))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) * self.gamma.reshape(1, -1, 1, 1)


class Norm(nn.LayerNorm):
    """Over the channels of images."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def scaled() -> nn.Module:
    stem, blocks = nn.Sequential(nn.Conv2d(3, 5, 3), Norm(5)), nn.Sequential(Scaled(), Scaled())
    return nn.Sequential(OrderedDict(stem=stem, blocks=blocks, norm=Norm(5)))


IMAGE = torch.randn(2, 3, 11, 6, generator=torch.Generator().manual_seed(2))
NETWORKS = {
    "net": (Net, IMAGE),
    "moved": (Moved, IMAGE),
}


def came_back(module: nn.Module, given: Tensor, folder: Path, suffix: str) -> nn.Module:
    """The module after a way through another format, whose state dict is that of the original."""
    module = filled(module)
    bundle = irconv.from_torch(module, (given,))
    irconv.write(bundle, folder / f"there{suffix}", WriteOptions(merge=suffix != ".onnx"))
    irconv.write(irconv.read(folder / f"there{suffix}"), folder / "back.py")
    made: nn.Module = import_file(folder / "back.py").load()
    wanted, got = module.state_dict(), made.state_dict()
    assert got.keys() == wanted.keys()
    assert all(torch.equal(got[key], value) for key, value in wanted.items() if "num_batches" not in key)
    return made


@pytest.mark.parametrize("name", NETWORKS)
def test_the_state_dict_comes_back_through_onnx(name: str, tmp_path: Path) -> None:
    network, given = NETWORKS[name]
    module = filled(network())
    made = came_back(network(), given, tmp_path, ".onnx")
    with torch.no_grad():
        wanted, got = module(given), made(given)
    assert float((wanted - got).abs().max()) <= 1e-6 * float(wanted.abs().max())


def test_scales_of_channels_come_back_through_keras_under_their_keys(tmp_path: Path) -> None:
    module = filled(scaled())
    irconv.write(irconv.from_torch(module, (IMAGE,)), tmp_path / "there.keras")
    irconv.write(irconv.read(tmp_path / "there.keras"), tmp_path / "back.py")
    made = import_file(tmp_path / "back.py").load()
    wanted, got = module.state_dict(), made.state_dict()
    assert got.keys() == wanted.keys()
    assert all(torch.equal(got[key], wanted[key]) for key in wanted)
    torch.testing.assert_close(made(IMAGE), module(IMAGE), rtol=1e-5, atol=1e-6)


def test_scales_that_were_merged_are_constants_beside_numbered_modules_that_keep_their_keys(tmp_path: Path) -> None:
    module = filled(scaled())
    irconv.write(irconv.from_torch(module, (IMAGE,)), tmp_path / "there.keras", WriteOptions(merge=True))
    irconv.write(irconv.read(tmp_path / "there.keras"), tmp_path / "back.py")
    made = import_file(tmp_path / "back.py").load()
    assert set(made.state_dict()) == {key for key in module.state_dict() if not key.endswith("gamma")}
    torch.testing.assert_close(made(IMAGE), module(IMAGE), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_the_state_dict_comes_back_through_keras(suffix: str, tmp_path: Path) -> None:
    came_back(Moved(), IMAGE, tmp_path, suffix)


def test_the_modules_come_back_through_onnx(tmp_path: Path) -> None:
    came_back(Net(), IMAGE, tmp_path, ".onnx")
    text = (tmp_path / "back.py").read_text()
    assert "for block in self.blocks:" in text
    assert 'self.register_buffer("shift"' not in text
    assert "nn.LayerNorm((5,), bias=False)" in text


def test_the_names_stand_in_the_metadata_of_onnx(tmp_path: Path) -> None:
    irconv.write(irconv.from_torch(filled(Net()), (IMAGE,)), tmp_path / "net.onnx")
    said = {entry.key: entry.value for entry in onnx.load(tmp_path / "net.onnx").metadata_props}
    kept = parsed(said[KEY])
    assert kept is not None
    assert ("blocks.1.weight",) in kept.tensors.values()
    assert "stem.1.num_batches_tracked" in kept.left


def test_keras_files_keep_the_names_beside_the_model(tmp_path: Path) -> None:
    bundle = irconv.from_torch(filled(Moved()), (IMAGE,))
    irconv.write(bundle, tmp_path / "net.keras", WriteOptions(merge=True))
    irconv.write(bundle, tmp_path / "net.h5", WriteOptions(merge=True))
    said = json.loads(zipfile.ZipFile(tmp_path / "net.keras").read("metadata.json"))
    assert parsed(said[KEY]) is not None
    with h5py.File(tmp_path / "net.h5") as file:
        assert parsed(bytes(file[KEY]["names"][()])) is not None


def test_keras_loads_the_files_without_custom_objects(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="Keras 3 judges its own files")
    bundle = irconv.from_torch(filled(Moved()), (IMAGE,))
    for suffix in (".keras", ".h5"):
        irconv.write(bundle, tmp_path / f"net{suffix}", WriteOptions(merge=True))
        assert keras.models.load_model(tmp_path / f"net{suffix}", compile=False).count_params() == 222


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"tensors": []}', '{"tensors": {"a": 1}}', '{"tensors": {"a": []}}', '{"scopes": {"a": 1}}',
     '{"turned": {"a": [0, 0]}}', '{"turned": {"a": [true, 0]}}', '{"left": "a"}', "[" * 100000],
)  # fmt: skip
def test_what_is_no_such_entry_says_nothing(text: str) -> None:
    assert parsed(text) is None


def test_the_same_names_give_the_same_text() -> None:
    kept = Kept({"a": ("b",), "c": ("d", "e")}, {"a": (1, 0)}, ("f",), {"g": "h/i"}, ("j",))
    assert parsed(kept.text()) == kept


def test_a_tied_tensor_is_named_as_one(tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(7, 5)
            self.head = nn.Linear(5, 7, bias=False)
            self.head.weight = self.table.weight

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.head(self.table(x))
            return found

    module = filled(Tied())
    torch.export.save(torch.export.export(module, (torch.tensor([[1, 3]]),)), tmp_path / "tied.pt2")
    bundle = irconv.read(tmp_path / "tied.pt2")
    irconv.write(bundle, tmp_path / "tied.onnx")
    irconv.write(irconv.read(tmp_path / "tied.onnx"), tmp_path / "back.py")
    made: nn.Module = import_file(tmp_path / "back.py").load()
    assert made.state_dict().keys() == module.state_dict().keys()


class Steps(nn.Module):
    """A recurrent layer of several parts, and what takes its steps."""

    def __init__(self, count: int, directions: int) -> None:
        super().__init__()
        self.rnn = nn.LSTM(5, 7, count, batch_first=True, bidirectional=directions == 2)
        self.head = nn.Linear(7 * directions, 3)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.rnn(x)[0])
        return found


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("directions", [1, 2])
def test_a_recurrent_layer_keeps_its_keys_through_onnx(count: int, directions: int, tmp_path: Path) -> None:
    torch.manual_seed(2)
    module, x = Steps(count, directions).eval(), torch.randn(2, 4, 5)
    irconv.write(irconv.from_torch(module, (x,)), tmp_path / "m.onnx")
    irconv.convert(tmp_path / "m.onnx", tmp_path / "m.py")
    again = import_file(tmp_path / "m.py").load()
    wanted, got = module.state_dict(), again.state_dict()
    assert list(got) == list(wanted)
    assert all(torch.equal(got[key], wanted[key]) for key in wanted)
    torch.testing.assert_close(again(x), module(x))


class Own(nn.Module):
    """Parameters of its own as transformers have them: a token before all, places, tables read at known places."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.places, self.head = nn.Linear(5, 7), nn.Embedding(9, 7), nn.Linear(7, 3)
        self.token, self.place = nn.Parameter(torch.ones(1, 1, 7)), nn.Parameter(torch.ones(1, 5, 7))
        self.table = nn.Parameter(torch.ones(11, 7))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.cat([self.token.expand(x.shape[0], -1, -1), self.stem(x)], 1) + self.place
        y = y + self.places(torch.arange(5)[None]) + self.table[torch.tensor([1, 3, 2, 8, 10])]
        found: Tensor = self.head(torch.relu(y))
        return found


@pytest.mark.parametrize("batch", ["fixed", "open"])
def test_parameters_of_a_module_of_its_own_come_back_through_keras(batch: str, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="Keras 3 judges its own files")
    module = filled(Own())
    x = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(2))
    sizes = {"x": {0: torch.export.Dim("n", min=2, max=99)}} if batch == "open" else None
    torch.export.save(torch.export.export(module, (x,), dynamic_shapes=sizes), tmp_path / "own.pt2")
    irconv.write(irconv.read(tmp_path / "own.pt2"), tmp_path / "own.keras")
    model = keras.models.load_model(tmp_path / "own.keras", compile=False)
    with torch.no_grad():
        wanted = module(x)
    torch.testing.assert_close(torch.tensor(model(x.numpy()).numpy()), wanted, rtol=1e-5, atol=1e-6)
    assert sum(weight.shape.num_elements() for weight in model.trainable_variables) == 42 + 63 + 24 + 7 + 35 + 77
    irconv.write(irconv.read(tmp_path / "own.keras"), tmp_path / "back.py")
    made: nn.Module = import_file(tmp_path / "back.py").load()
    assert made.state_dict().keys() == module.state_dict().keys()
    assert all(torch.equal(made.state_dict()[key], value) for key, value in module.state_dict().items())
    torch.testing.assert_close(made(x), wanted)


def test_a_scale_that_keras_puts_beside_a_parameter_does_not_take_its_key(tmp_path: Path) -> None:
    """Keras' RMSNormalization has a scale of ones; the parameter of the norm is added to one beside it."""
    model, x = filled(Norms()), torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(3))
    torch.export.save(torch.export.export(model, (x,)), tmp_path / "m.pt2")
    irconv.write(irconv.read(tmp_path / "m.pt2"), tmp_path / "m.keras")
    irconv.convert(tmp_path / "m.keras", tmp_path / "m.py")
    back = import_file(tmp_path / "m.py").load()
    found = back.state_dict()
    assert all(torch.equal(found[key], tensor) for key, tensor in model.state_dict().items())
    assert set(found) - set(model.state_dict()) == {"norm_merged.weight"}
    with torch.no_grad():
        assert (back(x) - model(x)).abs().max() < 2e-6
