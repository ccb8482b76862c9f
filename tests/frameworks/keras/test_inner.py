"""Weights of an outer model with the JSON of a model inside it, and layers whose names have slashes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.errors import MissingFact, UnusedOption
from irconv.options import ReadOptions
from tests.helpers import GOLDEN_ERROR, ROOT, error, golden, rejection

FOLDER = ROOT / "fixtures" / "keras_outer"
TWINS = FOLDER / "tf2.15-twins"


def reading(folder: Path, submodel: str | None = None) -> irconv.Bundle:
    return irconv.read(folder / "weights.h5", ReadOptions(arch=folder / "model.json", submodel=submodel))


def difference(bundle: irconv.Bundle, folder: Path) -> float:
    got = irconv.run(bundle, [np.load(folder / "x_0.npy")])
    return error(list(got.values()), [np.load(folder / "y_0.npy")])


@pytest.mark.parametrize("name", ["chain", "twins", "slashes"])
def test_the_group_that_fits_the_model_is_read(name: str) -> None:
    assert difference(reading(FOLDER / f"tf2.15-{name}"), FOLDER / f"tf2.15-{name}") < GOLDEN_ERROR


def test_which_group_it_is_is_kept_and_the_others_are_listed() -> None:
    bundle = reading(FOLDER / "tf2.15-chain")
    assert [(f.value, f.evidence) for f in bundle.source.facts if f.name == "submodel"] == [
        ("base", "its weights fit the model by their names")
    ]
    assert [(o.name, o.reason) for o in bundle.omitted] == [
        ("head/head/kernel:0", "of another part of the outer model than base"),
        ("head/head/bias:0", "of another part of the outer model than base"),
    ]


def test_of_twins_the_one_asked_for_is_read() -> None:
    asked = reading(TWINS, "right")
    assert [f.evidence for f in asked.source.facts if f.name == "submodel"] == ["given by the user"]
    assert difference(asked, TWINS) > 0.01
    assert difference(reading(TWINS, "left"), TWINS) < GOLDEN_ERROR


def test_of_twins_none_is_guessed(tmp_path: Path) -> None:
    config = json.loads((TWINS / "model.json").read_text())
    config["config"]["name"] = "other"
    (tmp_path / "model.json").write_text(json.dumps(config))
    path = TWINS / "weights.h5"
    text = rejection(lambda: irconv.read(path, ReadOptions(arch=tmp_path / "model.json")), MissingFact)
    assert text == (
        f"{path}: holds weights of several models that fit: left, right. "
        "Give --submodel with one of them, such as --submodel left."
    )
    text = rejection(lambda: reading(TWINS, "middle"), MissingFact)
    assert text == "--submodel middle: expected a group whose weights fit the model, got left, right."


def test_a_submodel_is_asked_for_only_beside_an_architecture() -> None:
    model = golden("tf2.15-flatten_dense").model
    text = rejection(lambda: irconv.read(model, ReadOptions(submodel="a")), UnusedOption)
    assert text == (
        "--submodel a: has no effect: weights are told apart by their groups in HDF5 of Keras 2 beside an --arch "
        "alone. Leave it out."
    )


@pytest.mark.parametrize("suffix", [".h5", ".keras", ".py", ".onnx"])
def test_names_with_slashes_are_written(suffix: str, tmp_path: Path) -> None:
    bundle = reading(FOLDER / "tf2.15-slashes")
    irconv.write(bundle, tmp_path / f"m{suffix}")
    if suffix in (".h5", ".keras"):
        assert difference(irconv.read(tmp_path / f"m{suffix}"), FOLDER / "tf2.15-slashes") < GOLDEN_ERROR
