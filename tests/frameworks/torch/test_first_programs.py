"""Exported programs in the layout of PyTorch 2.2 to 2.7, which today's PyTorch still makes the parts of."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._export.serde.serialize import serialize

import irconv
from irconv.errors import DamagedFile, Refused
from tests.frameworks.torch.networks import Reader, ResNet18, filled
from tests.helpers import rejection


class Constants(nn.Module):
    """A buffer, a tensor that is no part of the state, and a number."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.arange(6.0).reshape(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.table + torch.tensor([0.5, 1.5, -2.0])


def save(module: nn.Module, given: Tensor, path: Path) -> None:
    """As ``torch.export.save`` of PyTorch 2.7 does."""
    parts = serialize(torch.export.export(module, (given,)))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("serialized_exported_program.json", parts.exported_program)
        archive.writestr("serialized_state_dict.pt", parts.state_dict)
        archive.writestr("serialized_constants.pt", parts.constants)
        archive.writestr("serialized_example_inputs.pt", parts.example_inputs)
        archive.writestr("version", "8.5")


CASES: dict[str, tuple[nn.Module, Tensor]] = {
    "convolutions": (filled(ResNet18()), torch.randn(2, 3, 40, 48)),
    "words": (filled(Reader()), torch.arange(12).reshape(4, 3)),
    "constants": (Constants().eval(), torch.randn(2, 3)),
}


@pytest.mark.filterwarnings("ignore")  # PyTorch says that the layout is old
@pytest.mark.parametrize("name", CASES)
def test_a_program_of_the_first_layout_computes_what_its_module_does(name: str, tmp_path: Path) -> None:
    module, given = CASES[name]
    save(module, given, tmp_path / "m.pt2")
    again = torch.export.load(tmp_path / "m.pt2").module()  # it is PyTorch's own layout
    with torch.no_grad():
        wanted = again(given).numpy()
    (got,) = irconv.run(irconv.read(tmp_path / "m.pt2"), [given.numpy()]).values()
    assert np.abs(got - wanted).max() < 3e-6 * np.abs(wanted).max()


def test_parameters_are_trainable_and_buffers_are_not(tmp_path: Path) -> None:
    save(*CASES["convolutions"], tmp_path / "m.pt2")
    records = [tensor.record for tensor in irconv.read(tmp_path / "m.pt2").tensors.values()]
    found = {record.source.name: record.trainable for record in records if record.source}
    assert found["conv1.weight"] is True
    assert found["bn1.running_mean"] is False


def changed(path: Path, target: Path, name: str, content: bytes) -> Path:
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            new.writestr(member, content if member == name else old.read(member))
    return target


def test_the_signature_of_pytorch_2_1_and_damaged_programs_are_refused_by_name(tmp_path: Path) -> None:
    save(*CASES["constants"], tmp_path / "m.pt2")
    graph = "serialized_exported_program.json"
    old = json.dumps({"graph_module": {"graph": {}, "signature": {"inputs_to_parameters": {}}}}).encode()
    path = changed(tmp_path / "m.pt2", tmp_path / "old.pt2", graph, old)
    assert "is a program of PyTorch 2.1" in rejection(lambda: irconv.read(path), Refused)
    path = changed(tmp_path / "m.pt2", tmp_path / "damaged.pt2", graph, b"{}")
    assert "expected an exported program" in rejection(lambda: irconv.read(path), DamagedFile)
