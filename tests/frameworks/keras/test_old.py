"""Keras before 1.0 and early Keras 1: weights, with the model's JSON beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import irconv
from irconv.errors import DamagedFile, MissingFact, Refused
from irconv.options import ReadOptions
from tests.helpers import GOLDEN_ERROR, ROOT, error, rejection

FOLDER = ROOT / "fixtures" / "keras_old"
CASES = sorted(path for path in FOLDER.iterdir() if path.is_dir())
NESTED = FOLDER / "keras0.3.3-nested"


def options(folder: Path, **more: Any) -> ReadOptions:
    return ReadOptions(arch=folder / "model.json", backend="theano", **more)


def told(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "case.json").read_text())
    return found


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_old_weights_with_their_json_predict_what_keras_predicted(folder: Path) -> None:
    bundle = irconv.read(folder / "weights.h5", options(folder))
    assert bundle.source.version == told(folder)["version"] or bundle.source.version == "0.3"
    got = irconv.run(bundle, [np.load(folder / f"x_{i}.npy") for i in range(told(folder)["inputs"])])
    assert error(list(got.values()), [np.load(folder / f"y_{i}.npy") for i in range(told(folder)["outputs"])]) < (
        GOLDEN_ERROR
    )


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_every_array_is_kept_bit_for_bit(folder: Path) -> None:
    bundle = irconv.read(folder / "weights.h5", options(folder))
    stored: dict[str, Any] = {}
    with h5py.File(folder / "weights.h5") as file:
        file.visititems(lambda name, item: stored.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    kept = {name: lazy.numpy() for name, lazy in bundle.source_tensors().items()}
    assert kept.keys() | {omitted.name for omitted in bundle.omitted} == stored.keys()
    assert all(np.array_equal(array, stored[name]) for name, array in kept.items())


def test_the_backend_of_keras_before_1_is_assumed_and_told() -> None:
    facts = irconv.read(NESTED / "weights.h5", ReadOptions(arch=NESTED / "model.json")).source.to_tell()
    assert [(fact.name, fact.value, fact.evidence) for fact in facts] == [
        ("backend", "theano", "assumed: what Keras before 1.0 ran on unless it was told otherwise")
    ]


def test_without_its_json_the_arrays_are_kept_under_their_numbers() -> None:
    bundle = irconv.read(NESTED / "weights.h5")
    assert {group.name: sorted(group.tensors) for group in bundle.groups} == {
        "layer_0": ["param_0", "param_1"],
        "layer_1": ["param_0", "param_1", "param_2", "param_3"],
        "layer_2": ["param_0", "param_1"],
    }
    graph = irconv.read(FOLDER / "keras0.3.3-graph" / "weights.h5")
    assert [group.name for group in graph.groups] == ["graph"]


def edited(folder: Path, target: Path, change: Any) -> Path:
    config = json.loads((folder / "model.json").read_text())
    change(config)
    target.write_text(json.dumps(config))
    return target


def test_a_json_of_another_number_of_layers_or_arrays_is_refused(tmp_path: Path) -> None:
    fewer = edited(NESTED, tmp_path / "fewer.json", lambda config: config["layers"].pop())
    path = NESTED / "weights.h5"
    text = rejection(lambda: irconv.read(path, ReadOptions(arch=fewer)), MissingFact)
    assert text == f"{path}: expected weights of 2 layers, as the model has, got 3."
    other = edited(NESTED, tmp_path / "other.json", lambda config: config["layers"][2].update(name="Embedding"))
    text = rejection(lambda: irconv.read(path, ReadOptions(arch=other)), MissingFact)
    assert text == f"{path}: weights of dense_4 (Embedding): expected 1 arrays, dense_4_W, got 2."


def test_weights_and_json_of_different_times_are_refused() -> None:
    new = ROOT / "fixtures" / "keras_files" / "keras1.2.2-theano-nested-weights-h5"
    for weights, arch in ((new / "weights.h5", NESTED / "model.json"), (NESTED / "weights.h5", new / "model.json")):
        text = rejection(lambda w=weights, a=arch: irconv.read(w, ReadOptions(arch=a, backend="theano")), MissingFact)
        assert text == (
            f"--arch {arch}: expected weights and a model of one kind, but one of them is of Keras before 1.0, "
            "the other is not."
        )


def test_an_embedding_that_shrinks_and_a_merge_by_axes_are_refused(tmp_path: Path) -> None:
    words = FOLDER / "keras0.3.3-words"
    shrunk = edited(words, tmp_path / "a.json", lambda config: config["layers"][0].update(dropout=0.5))
    text = rejection(lambda: irconv.read(words / "weights.h5", ReadOptions(arch=shrunk)), Refused)
    assert "layer embedding_1 (Embedding): has a dropout, by which Keras 0.3 shrinks the embedding" in text
    graph = FOLDER / "keras0.3.3-graph"
    dotted = edited(graph, tmp_path / "b.json", lambda config: config["node_config"][2].update(merge_mode="dot"))
    text = rejection(lambda: irconv.read(graph / "weights.h5", ReadOptions(arch=dotted)), Refused)
    assert "layer c: merges by 'dot' as only Keras 0.3 does" in text


def test_a_number_of_layers_that_is_none_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "old.h5"
    with h5py.File(path, "w") as file:
        file.attrs["nb_layers"] = -1
    assert "attribute nb_layers: expected a number, got -1" in rejection(lambda: irconv.read(path), DamagedFile)
