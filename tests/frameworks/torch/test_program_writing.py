"""Exported programs that irconv writes: what PyTorch computes with them, keys, free sizes, and what is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch

import irconv
from irconv.errors import Refused
from tests.frameworks.torch.networks import ResNet18
from tests.helpers import error, golden, read_case, rejection, turned


def test_a_program_has_the_keys_of_the_network_it_came_from_and_computes_the_same(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = ResNet18().eval()
    x = torch.randn(2, 3, 32, 32)
    free = {"x": {0: torch.export.Dim("N"), 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}}
    irconv.write(irconv.from_torch(network, (x,), dynamic_shapes=free), tmp_path / "m.pt2")
    program = torch.export.load(tmp_path / "m.pt2")
    wanted = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    found = {key: value for key, value in program.state_dict.items() if not key.endswith("num_batches_tracked")}
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)
    with torch.no_grad():
        for shape in ((2, 3, 32, 32), (5, 3, 40, 56)):
            x = torch.randn(*shape)
            assert (program.module()(x) - network(x)).abs().max() < 2e-6


def test_a_model_of_keras_becomes_a_program_of_any_batch(tmp_path: Path) -> None:
    case = golden("tf2.15-dense_2d")
    bundle = read_case(case)
    assert bundle.graph is not None
    irconv.write(bundle, tmp_path / "m.pt2")
    module = torch.export.load(tmp_path / "m.pt2").module()
    given = turned(case.inputs, bundle.graph.inputs, "native")
    with torch.no_grad():
        found = [module(torch.from_numpy(given[0])).numpy()]
        assert error(turned(found, bundle.graph.outputs, "source"), case.outputs) < 1e-6
        more = torch.from_numpy(given[0]).repeat(3, 1)
        assert np.array_equal(module(more).numpy()[: len(found[0])], found[0])


def test_the_same_model_is_the_same_file_without_sample_inputs(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        irconv.write(read_case(golden("tf2.15-dense_2d")), tmp_path / folder / "m.pt2")
    assert (tmp_path / "a" / "m.pt2").read_bytes() == (tmp_path / "b" / "m.pt2").read_bytes()
    with zipfile.ZipFile(tmp_path / "a" / "m.pt2") as archive:
        samples = [name for name in archive.namelist() if "sample_inputs" in name]
        assert [archive.read(name) for name in samples] == [b""]


def test_what_irconv_wrote_is_read_back_with_the_same_layers(tmp_path: Path) -> None:
    bundle = read_case(golden("tf2.15-dense_2d"))
    irconv.write(bundle, tmp_path / "m.pt2")
    back = irconv.read(tmp_path / "m.pt2")
    assert [layer.type for layer in back.layers.values()] == [layer.type for layer in bundle.layers.values()]


def test_what_torch_export_cannot_follow_is_refused_with_what_it_said(tmp_path: Path) -> None:
    text = rejection(lambda: irconv.write(read_case(golden("tf2.15-masked_recurrent")), tmp_path / "m.pt2"), Refused)
    assert text.startswith(f"{tmp_path / 'm.pt2'}: torch.export raised ")
    assert text.endswith("Write m.py, whose forward is Python, or give the sizes with --input-shape.")
    assert not list(tmp_path.iterdir())
