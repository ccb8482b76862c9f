"""Names that an emitted module may have: real PyTorch has attributes of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

import irconv
from irconv.errors import Refused
from irconv.frameworks.torch.names import WORDS, fits_sequential
from irconv.frameworks.torch.source import class_name
from irconv.ir.layers.activations import Relu
from irconv.ir.layers.convolution import Linear
from tests.helpers import Builder, in_torch, numbers, rejection


def test_no_layer_hides_an_attribute_that_every_module_has() -> None:
    from torch import nn

    own = {*dir(nn.Module), *vars(nn.Module()), *nn.Module.__annotations__}
    assert [name for name in sorted(own) if WORDS.identifier(name) == name] == []


def test_no_part_of_a_chain_hides_an_attribute_of_it() -> None:
    from torch import nn

    own = {*dir(nn.Sequential), *vars(nn.Sequential())} - {"0"}
    assert [name for name in sorted(own) if fits_sequential(name)] == []


@pytest.mark.parametrize("stem", ["None", "true", "f", "path", "tensor", "size", "customLSTM", "load", "3d", "", "-"])
def test_no_class_is_called_like_what_its_file_uses(stem: str) -> None:
    assert class_name(stem) == "Model" + stem[:1].upper().strip("-") + stem[1:] if stem != "load" else "Load"


def test_layers_that_are_called_like_parts_of_the_file_work(tmp_path: Path) -> None:
    builder, value = Builder(x=("N", 3)), "x"
    for name in ("F", "torch", "forward", "_modules", "__init__", "__x", "nn", "float", "None", "y", "self"):
        builder.add(f"{name}", Linear(), value, kernel=numbers(3, 3)).add(f"{name} relu", Relu(), name)
        value = f"{name} relu"
    bundle = builder.build()
    irconv.write(bundle, tmp_path / "m.py")
    feed = numbers(2, 3)
    (wanted,) = irconv.run(bundle, [feed]).values()
    (found,) = in_torch(tmp_path / "m.py", [feed])
    assert abs(found - wanted).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("model.v2.py", "expected a name that can be imported, got 'model.v2'"),
        ("class.py", "expected a name that can be imported, got 'class'"),
        ("a-b.py", "expected a name that can be imported, got 'a-b'"),
        ("torch.py", "a file of this name hides the module torch, which PyTorch needs"),
        ("numpy.py", "a file of this name hides the module numpy, which PyTorch needs"),
        ("random.py", "a file of this name hides the module random, which PyTorch needs"),
    ],
)
def test_a_file_that_cannot_be_imported_is_not_written(name: str, reason: str, tmp_path: Path) -> None:
    bundle = Builder(x=("N", 3)).add("r", Relu(), "x").build()
    message = rejection(lambda: irconv.write(bundle, tmp_path / name), Refused)
    assert message.startswith(f"{tmp_path / name}: {reason}. Give the destination ")
    assert list(tmp_path.iterdir()) == []


def test_test_py_hides_nothing_that_is_used(tmp_path: Path) -> None:
    irconv.write(Builder(x=("N", 3)).add("r", Relu(), "x").build(), tmp_path / "test.py")
    assert (tmp_path / "test.py").is_file()
