"""Exported programs of PyTorch, read without it and run against the outputs that it recorded."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest
import torch

import irconv
from irconv.errors import Refused
from irconv.frameworks.torch.aten.expressions import expression
from tests.helpers import import_file, rejection
from tests.helpers_cases import FIXTURES, GoldenFile, golden_files

FILES = golden_files("torch-programs", "*.pt2")


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_program_gives_the_recorded_outputs_or_is_refused_by_name(file: GoldenFile) -> None:
    if file.expected == "refuse":
        assert rejection(lambda: irconv.read(file.path), Refused)
    else:
        assert file.error() < 2e-6


def test_layers_have_the_names_of_the_modules_that_hold_their_weights() -> None:
    bundle = irconv.read(FIXTURES / "torch-programs" / "torch213-deconvs" / "model.pt2")
    names = {tensor.record.source.name for tensor in bundle.tensors.values() if tensor.record.source}
    assert {name.rpartition(".")[0] for name in names if "." in name} <= set(bundle.layers)


def test_a_tied_weight_is_one_tensor() -> None:
    bundle = irconv.read(FIXTURES / "torch-programs" / "torch213-tied" / "tied.pt2")
    sources = [tensor.record.source.name for tensor in bundle.tensors.values() if tensor.record.source]
    assert len(sources) == len(set(sources))


def test_an_input_that_is_written_to_is_a_fact_of_the_bundle() -> None:
    folder = FIXTURES / "torch-programs" / "torch213-writes-given"
    for file in ("model.pt2", "decomposed.pt2"):
        (fact,) = irconv.read(folder / file).source.facts
        assert (fact.name, fact.value) == ("written input", "x")


def test_what_a_program_may_not_write_to_is_refused_by_name() -> None:
    folder = FIXTURES / "torch-programs"
    kept = rejection(lambda: irconv.read(folder / "torch213-writes-kept" / "model.pt2"), Refused)
    assert "add_ (add_.Tensor): writes into the buffer seen, which the module keeps for its next call" in kept
    strided = rejection(lambda: irconv.read(folder / "torch213-writes-strided" / "model.pt2"), Refused)
    assert "reshape may share or have copied: reshape depends on strides" in strided
    assert "Export the module with .clone() there" in strided


def test_what_works_as_in_training_is_refused_with_its_module() -> None:
    file = FIXTURES / "torch-programs" / "torch213-bug-bn-train" / "model.pt2"
    assert "(batch_norm.default in b): normalises by the statistics of the batch" in rejection(
        lambda: irconv.read(file), Refused
    )


class Folded(torch.nn.Module):
    """Sizes that are sums, products and quotients of an open one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        halves = x.reshape(x.shape[0], x.shape[1] // 2, -1)
        return torch.cat([halves, halves.flip(1)], 1).reshape(x.shape[0] * 2, -1)


def test_open_sizes_of_a_program_are_those_that_it_calculates_with(tmp_path: Path) -> None:
    x = torch.arange(24.0).reshape(2, 6, 2)
    sizes = {"x": {0: torch.export.Dim("batch"), 1: 2 * torch.export.Dim("half", min=2)}}
    torch.export.save(torch.export.export(Folded(), (x,), dynamic_shapes=sizes), tmp_path / "m.pt2")
    bundle = irconv.read(tmp_path / "m.pt2")
    assert bundle.graph is not None
    batch, double, features = bundle.graph.inputs[0].shape
    assert isinstance(batch, str)
    assert (str(double)[:2], features) == ("2*", 2)
    assert bundle.graph.outputs[0].shape[0] == f"2*{batch}"
    irconv.write(bundle, tmp_path / "m.py")
    other = torch.randn(3, 8, 2)
    assert torch.equal(import_file(tmp_path / "m.py").load()(other), Folded()(other))


def test_sizes_are_read_as_sympy_spells_them() -> None:
    n = "Symbol('s7', positive=True, integer=True)"
    assert expression(f"Mul(Integer(2), {n})") == "2*s7"
    assert expression(f"Add(FloorDiv({n}, Integer(2)), Integer(-1))") == "(s7)//2 - 1"
    assert expression(f"Pow({n}, Integer(2))") == "s7*s7"
    assert expression(f"Mul(Rational(1, 2), {n})") == "(s7)//2"
    assert expression("Mod(Integer(7), Integer(4))") == 3
    assert expression("s7//2") == "(s7)//2"
    with pytest.raises(ValueError, match=r"Max\(Integer\(1\), .* is no size that irconv calculates with"):
        expression(f"Max(Integer(1), {n})")
    with pytest.raises(ValueError, match="is no size that irconv calculates with"):
        expression("__import__('os').system('true')")


class Rooted(torch.nn.Module):
    """Roots of whole numbers: one that the program knows, one of an input; the buffer has the name of a call."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("index", torch.tensor([2, 0, 1]))
        self.table = torch.nn.Parameter(torch.randn(4, 5, generator=torch.Generator().manual_seed(3)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.table[self.index] / torch.sqrt(torch.tensor(128)) + torch.deg2rad(torch.exp(x))
        return found


@pytest.mark.parametrize("target", ["m.py", "m.onnx"])
def test_functions_of_whole_numbers_give_floats_beside_a_buffer_with_the_name_of_a_call(
    target: str, tmp_path: Path
) -> None:
    module, x = Rooted(), torch.tensor([[3, 1, 2, 5, 4]])
    torch.export.save(torch.export.export(module, (x,)), tmp_path / "program.pt2")
    irconv.write(irconv.read(tmp_path / "program.pt2"), tmp_path / target)
    if target == "m.py":
        got = import_file(tmp_path / target).load()(x)
    else:
        session = onnxruntime.InferenceSession(str(tmp_path / target))
        (array,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        got = torch.from_numpy(array)
    torch.testing.assert_close(got, module(x))
