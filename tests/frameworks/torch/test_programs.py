"""Exported programs of PyTorch, read without it and run against the outputs that it recorded."""

from __future__ import annotations

import pytest

import irconv
from irconv.errors import Refused
from tests.helpers import rejection
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
