"""A tensor of two layers is one parameter of the module."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import safe_open

import irconv
from irconv.execute import execute
from irconv.ir.bundle import Bundle
from irconv.ir.layers.activations import Tanh
from irconv.ir.layers.base import StoredOperand
from irconv.ir.layers.convolution import Linear
from tests.helpers import Builder, error, import_file, in_torch, numbers


def tied() -> Bundle:
    """Two layers with one kernel, each with a bias of its own."""
    builder = Builder(x=("N", 5)).add("first", Linear(), "x", kernel=numbers(5, 5, seed=1), bias=numbers(5, seed=2))
    builder.add("between", Tanh(), "first").add("second", Linear(), "between", kernel=numbers(5, 5), bias=numbers(5))
    layer = builder.layers["second"]
    operands = {**layer.operands, "kernel": StoredOperand(tensor="first.kernel")}
    builder.layers["second"] = layer.model_copy(update={"operands": operands})
    del builder.tensors["second.kernel"]
    return builder.build()


def test_the_module_has_one_parameter_under_two_names(tmp_path: Path) -> None:
    bundle, x = tied(), numbers(3, 5, seed=9)
    irconv.write(bundle, tmp_path / "m.py")
    assert "        self.second.weight = self.first.weight" in (tmp_path / "m.py").read_text().splitlines()
    model = import_file(tmp_path / "m.py").load()
    assert model.second.weight is model.first.weight
    assert model.second.bias is not model.first.bias
    wanted = execute(bundle, {"x": x}, "onnxruntime")
    assert error(in_torch(tmp_path / "m.py", [x]), list(wanted.values())) < 1e-6


def test_files_hold_copies_and_say_which(tmp_path: Path) -> None:
    irconv.write(tied(), tmp_path / "m.py")
    irconv.write(tied(), tmp_path / "alone.safetensors")
    for name in ("m.safetensors", "alone.safetensors"):
        with safe_open(tmp_path / name, "np") as file:
            assert file.metadata()["tied:second.weight"] == "first.weight"
            assert np.array_equal(file.get_tensor("second.weight"), file.get_tensor("first.weight"))


def test_a_pt_file_keeps_them_in_one_storage(tmp_path: Path) -> None:
    import torch

    irconv.write(tied(), tmp_path / "m.pt")
    state = torch.load(tmp_path / "m.pt", weights_only=True)
    assert state["second.weight"].data_ptr() == state["first.weight"].data_ptr()
