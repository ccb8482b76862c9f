"""What Theano computed is computed again from its arrays and an architecture, without Theano."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import yaml

import irconv
from irconv.frameworks.theano import arrays
from irconv.frameworks.theano.kinds import KINDS
from irconv.options import ReadOptions
from tests.frameworks.theano.cases import CASES, case, name_of, read
from tests.helpers import GOLDEN_ERROR, Case, error


@pytest.mark.parametrize("runtime", ["onnxruntime", "numpy"])
@pytest.mark.parametrize("found", CASES, ids=name_of)
def test_the_bundle_predicts_what_theano_predicted(found: Case, runtime: Literal["onnxruntime", "numpy"]) -> None:
    results = irconv.run(read(found), found.inputs, runtime=runtime)
    names = [port["name"] for port in found.described["outputs"]]
    assert error([results[name] for name in names], found.outputs) < GOLDEN_ERROR


@pytest.mark.parametrize("found", CASES, ids=name_of)
def test_every_array_comes_back_bit_for_bit_under_its_own_name(found: Case) -> None:
    stored = {item.name: item.data.numpy() for item in arrays.read(found.model).found}
    bundle = read(found)
    back = {name: tensor.numpy() for name, tensor in bundle.source_tensors().items()}
    assert set(stored) == set(back) | {omitted.name for omitted in bundle.omitted} & set(stored)
    for name, array in back.items():
        assert array.dtype == stored[name].dtype
        assert array.shape == stored[name].shape
        assert array.tobytes() == stored[name].tobytes()


@pytest.mark.parametrize("found", CASES, ids=name_of)
def test_a_bundle_on_disk_is_sound_and_predicts_the_same(found: Case, tmp_path: Path) -> None:
    irconv.write(read(found), tmp_path / "m.irconv")
    assert irconv.check(tmp_path / "m.irconv") == []
    results = irconv.run(tmp_path / "m.irconv", found.inputs)
    assert error(list(results.values()), found.outputs) < GOLDEN_ERROR


def test_every_kind_has_a_golden_case() -> None:
    used = {
        layer["kind"] for found in CASES for layer in json.loads((found.folder / "arch.json").read_text())["layers"]
    }
    assert set(KINDS) == used, "kinds without a golden case: have the real Theano compute one in fixtures/theano"


def test_a_yaml_architecture_is_read_like_json(tmp_path: Path) -> None:
    found = case("conv-valid")
    (tmp_path / "arch.yaml").write_text(yaml.safe_dump(json.loads((found.folder / "arch.json").read_text())))
    bundle = irconv.read(found.model, ReadOptions(arch=tmp_path / "arch.yaml"))
    assert bundle.layers == read(found).layers


def test_the_same_arrays_predict_something_else_when_filters_are_not_turned(tmp_path: Path) -> None:
    found = case("conv-valid")
    data = json.loads((found.folder / "arch.json").read_text())
    data["layers"][0]["filter_flip"] = False
    (tmp_path / "arch.json").write_text(json.dumps(data))
    bundle = irconv.read(found.model, ReadOptions(arch=tmp_path / "arch.json"))
    (wrong,) = irconv.run(bundle, found.inputs).values()
    assert float(np.abs(wrong - found.outputs[0]).max()) > 0.5
