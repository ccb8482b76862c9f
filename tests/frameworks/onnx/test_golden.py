"""ONNX files made of what real frameworks wrote predict what those frameworks predicted."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

import irconv
from irconv.frameworks.onnx import noted
from tests.helpers import GOLDEN, ONE_OF_EACH, Case, error, in_onnxruntime, limit, name_of, read_case, turned


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_with_the_sources_axes_it_takes_and_gives_the_frameworks_own_arrays(case: Case, tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    irconv.write(read_case(case), file, irconv.WriteOptions(io="source"))
    onnx.checker.check_model(file, full_check=True)
    for optimised in (False, True):
        assert error(in_onnxruntime(file, case.inputs, optimised), case.outputs) < limit(case)


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_with_native_axes_it_takes_and_gives_channels_first_arrays(case: Case, tmp_path: Path) -> None:
    bundle, file = read_case(case), tmp_path / "m.onnx"
    assert bundle.graph is not None
    irconv.write(bundle, file)
    onnx.checker.check_model(file, full_check=True)
    inputs = turned(case.inputs, bundle.graph.inputs, "native")
    wanted = turned(case.outputs, bundle.graph.outputs, "native")
    for optimised in (False, True):
        assert error(in_onnxruntime(file, inputs, optimised), wanted) < limit(case)


@pytest.mark.parametrize("case", ONE_OF_EACH, ids=name_of)
def test_the_file_names_its_values_and_where_it_came_from(case: Case, tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    irconv.write(read_case(case), file)
    model = onnx.load(file)
    assert [port.name for port in model.graph.input] == [port["name"] for port in case.described["inputs"]]
    assert len({node.name for node in model.graph.node}) == len(model.graph.node)
    said = {entry.key: entry.value for entry in model.metadata_props if entry.key != noted.KEY}
    assert said == {
        "source_framework": "keras",
        "source_version": read_case(case).source.version,
        "source_files": "model.h5",
    }
    assert model.producer_name == "irconv"
