"""Classes of the user's own that have the name of one of Keras' own: never taken for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import irconv
from irconv.errors import IrconvError
from irconv.frameworks.keras.own import is_own, named_apart, own_name

FOLDER = Path(__file__).parents[3] / "fixtures" / "keras_foreign"
CASES = sorted(path for path in FOLDER.iterdir() if path.is_dir() and "subclassed" not in path.name)
KNOWN = {"Dense", "LSTM", "Functional", "Sequential"}


def entry(kind: str, module: str | None = None, registered: str | None = None) -> dict[str, Any]:
    return {"class_name": kind, "config": {}, "module": module, "registered_name": registered}


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ({"class_name": "Dense", "config": {}}, "Dense"),
        (entry("Dense", "keras.layers"), "Dense"),
        (entry("Functional", "keras.src.models.functional", "Functional"), "Functional"),
        (entry("Functional", "keras.engine.functional", "Functional"), "Functional"),
        (entry("Functional", "tensorflow.python.keras.engine.functional", "Functional"), "Functional"),
        (entry("Functional", "tf_keras.src.engine.functional", "Functional"), "Functional"),
        (entry("Sequential", "keras", "Sequential"), "Sequential"),
        (entry("Dense", "mylayers", "my>Dense"), "my>Dense"),
        (entry("Dense", "mylayers", "Dense"), "mylayers>Dense"),
        (entry("Dense", "keras_mine", "Dense"), "keras_mine>Dense"),
        (entry("Dense", "tf_keras_mine", "Dense"), "tf_keras_mine>Dense"),
        (entry("Dense", "tensorflow.mine", "Dense"), "tensorflow.mine>Dense"),
        (entry("Dense", None, "Dense"), "__main__>Dense"),
        (entry("Dense", "__main__", "Dense"), "__main__>Dense"),
        (entry("Scale", "mylayers", "Scale"), "Scale"),
        (entry("Scale", "mylayers", "my>Scale"), "my>Scale"),
        ({"class_name": "my>Dense", "config": {}}, "my>Dense"),
    ],
)
def test_a_class_is_keras_own_by_where_it_is_from(said: dict[str, Any], name: str) -> None:
    assert own_name(said, KNOWN) == name
    assert is_own(said) == (">" not in name and name != "Scale")


def test_foreign_classes_are_named_apart_at_any_depth() -> None:
    deep: dict[str, Any] = entry("Dense", "mylayers", "Dense")
    for _ in range(2000):
        deep = {"class_name": "TimeDistributed", "config": {"layer": [deep]}}
    named_apart(deep, KNOWN)
    while deep["class_name"] == "TimeDistributed":
        deep = deep["config"]["layer"][0]
    assert deep["class_name"] == "mylayers>Dense"


def test_there_are_foreign_classes_of_every_place_in_both_formats() -> None:
    names = {path.name.split("-", 1)[1] for path in CASES}
    assert {f"{place}-{kind}" for place in ("cell", "direction", "inner", "nested") for kind in ("h5", "keras")} < names


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_a_foreign_class_named_like_one_of_keras_is_refused(folder: Path) -> None:
    (file,) = folder.glob("model.*")
    with pytest.raises(IrconvError):
        irconv.read(file)


def test_weights_of_a_subclassed_model_are_keras_and_keep_every_array() -> None:
    path = FOLDER / "keras3.15-subclassed-weights_h5" / "model.weights.h5"
    bundle = irconv.read(path)
    assert bundle.source.framework == "keras"
    assert {group.name for group in bundle.groups} == {"conv", "bn", "blocks/dense", "blocks/dense_1"}
    stored: dict[str, Any] = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: stored.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    kept = {name: lazy.numpy() for name, lazy in bundle.source_tensors().items()}
    assert kept.keys() == stored.keys()
    for name, array in kept.items():
        np.testing.assert_array_equal(array, stored[name])
    assert json.loads((path.parent / "case.json").read_text())["version"].startswith("3.")
