"""Exported programs of PyTorch, read without it and run against the outputs that it recorded."""

from __future__ import annotations

import pytest

import irconv
from irconv.errors import Refused
from tests.helpers import rejection
from tests.helpers_cases import FIXTURES, GoldenFile, golden_files

FILES = golden_files("torch-programs", "*.pt2")
#: Writes through views of memory that is read again, refused by name.
REFUSED = {
    "torch213-bug-mask-put-1": "irconv has no rule for torch.ops.aten.index_put_.default",
    "torch213-bug-select-copy": "irconv has no rule for torch.ops.aten.copy_.default",
    "torch213-bug-slice-write-1": "irconv has no rule for torch.ops.aten.fill_.Tensor",
    "torch213-bug-slice-write-2": "irconv has no rule for torch.ops.aten.copy_.default",
}


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_program_gives_the_recorded_outputs_or_is_refused_by_name(file: GoldenFile) -> None:
    case = file.path.parent.name
    if file.expected == "refuse":
        assert rejection(lambda: irconv.read(file.path), Refused)
    elif case in REFUSED:
        assert REFUSED[case] in rejection(lambda: irconv.read(file.path), Refused)
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
