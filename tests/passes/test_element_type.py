"""Another element type for a whole model: PyTorch's own cast says what is right; what it costs is told."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import irconv
from irconv.errors import Refused
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.tensor_ops import Add, Constant
from irconv.passes import element_type
from tests.helpers import Builder, import_file, numbers, rejection, tensor

#: The type -> PyTorch's, and how far two ways of adding up may be apart.
TYPES = {"f16": (torch.float16, 4e-3), "bf16": (torch.bfloat16, 3e-2), "f64": (torch.float64, 1e-13)}


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, (3, 2), stride=(2, 1))
        self.norm = nn.BatchNorm2d(6)
        self.attend = nn.LayerNorm(6, eps=1e-3)
        self.head = nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = torch.softmax(self.norm(self.conv(x)).flatten(2).transpose(1, 2), 1)
        return self.head(self.attend(rows * 3.0 + 0.1).sum(1)) / 7


@pytest.mark.parametrize("dtype", TYPES)
def test_the_cast_model_predicts_as_pytorchs_own_cast(dtype: str, tmp_path: Path) -> None:
    kind, allowed = TYPES[dtype]
    torch.manual_seed(5)
    net, x = _Net().eval(), torch.randn(2, 3, 7, 9)
    bundle = irconv.from_torch(net, (x,))
    written = irconv.write(bundle, tmp_path / "m.py", dtype=dtype)  # type: ignore[arg-type]
    with torch.no_grad():
        wanted = net.to(kind)(x.to(kind)).double().numpy()
        module = import_file(tmp_path / "m.py").load()
        got = module(x.to(kind))
    assert got.dtype == kind
    np.testing.assert_allclose(got.double().numpy(), wanted, rtol=0, atol=allowed * float(np.abs(wanted).max()))
    (told,) = written.told
    assert re.fullmatch(
        r"made: weights are rounded by \d\.\de[-+]\d\d of their tensor's largest at most; "
        r"predictions move by \d\.\de[-+]\d\d of the largest, on random inputs",
        told.evidence,
    )


@pytest.mark.parametrize("suffix", [".onnx", ".keras", ".pb"])
def test_every_target_that_has_the_type_keeps_it(suffix: str, tmp_path: Path) -> None:
    bundle = Builder(x=("N", 3)).add("a", Linear(), "x", kernel=numbers(5, 3), bias=numbers(5)).build()
    irconv.write(bundle, tmp_path / f"m{suffix}", dtype="f16")
    again = irconv.read(tmp_path / f"m{suffix}")
    assert again.graph is not None
    assert {port.dtype for port in (*again.graph.inputs, *again.graph.outputs)} == {"float16"}
    assert {tensor.record.dtype for tensor in again.tensors.values()} == {"float16"}


def test_weights_without_a_graph_are_cast_under_their_names(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.randn(4, 3), "steps": torch.tensor(7)}, tmp_path / "m.pt")
    irconv.convert(tmp_path / "m.pt", tmp_path / "n.pt", dtype="bf16")
    made, given = torch.load(tmp_path / "n.pt"), torch.load(tmp_path / "m.pt")
    assert torch.equal(made["a.weight"], given["a.weight"].bfloat16())
    assert torch.equal(made["steps"], given["steps"])


def test_weights_beyond_the_type_are_refused_by_name() -> None:
    kernel = np.array([[1e6, 0.5], [-1.0, 2.0]], np.float32)
    bundle = Builder(x=("N", 2)).add("a", Linear(), "x", kernel=kernel).build()
    said = rejection(lambda: element_type.run(bundle, "float16"), Refused)
    assert said == "tensor a.kernel: holds 1e+06, which is beyond float16. Choose bf16, which has the range of f32."
    assert element_type.run(bundle, "bfloat16").rounding < 2**-8


def test_a_mask_beyond_the_type_becomes_its_lowest_number_which_is_told(tmp_path: Path) -> None:
    mask = np.array([[0.0, -1e9, -np.inf]], np.float32)
    built = Builder(x=("N", 3)).add("mask", Constant(), value=mask)
    built.tensors["mask.value"] = tensor(mask, role="constant")
    model = built.add("sum", Add(), "x", "mask").build()
    cast = element_type.run(model, "float16")
    assert cast.clipped == ("mask.value",)
    np.testing.assert_array_equal(cast.bundle.tensors["mask.value"], np.array([[0.0, -65504.0, -np.inf]], np.float16))
    told = irconv.write(model, tmp_path / "m.irconv", dtype="f16").told
    assert "numbers beyond the type became its largest in mask.value" in told[0].evidence
