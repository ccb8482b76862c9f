"""PyTorch source made of what real frameworks wrote, run by PyTorch, predicts what those frameworks predicted."""

from __future__ import annotations

from pathlib import Path

import pytest

import irconv
from tests.helpers import (
    GOLDEN,
    ONE_OF_EACH,
    Case,
    error,
    import_file,
    in_torch,
    limit,
    name_of,
    read_case,
    turned,
)


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_the_emitted_module_takes_and_gives_channels_first_arrays(case: Case, tmp_path: Path) -> None:
    bundle, file = read_case(case), tmp_path / "m.py"
    assert bundle.graph is not None
    irconv.write(bundle, file)
    got = in_torch(file, turned(case.inputs, bundle.graph.inputs, "native"))
    assert error(got, turned(case.outputs, bundle.graph.outputs, "native")) < limit(case)


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_with_the_sources_axes_it_takes_and_gives_the_frameworks_own_arrays(case: Case, tmp_path: Path) -> None:
    file = tmp_path / "m.py"
    irconv.write(read_case(case), file, irconv.WriteOptions(io="source"))
    assert error(in_torch(file, case.inputs), case.outputs) < limit(case)


@pytest.mark.parametrize("case", ONE_OF_EACH, ids=name_of)
def test_the_state_dict_alone_fits_the_emitted_module(case: Case, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    irconv.write(read_case(case), tmp_path / "m.py")
    irconv.write(read_case(case), tmp_path / "alone.safetensors")
    state, wanted = load_file(tmp_path / "alone.safetensors"), import_file(tmp_path / "m.py").load().state_dict()
    assert sorted(state) == sorted(wanted)
    assert all(state[key].dtype == value.dtype and state[key].equal(value) for key, value in wanted.items())
