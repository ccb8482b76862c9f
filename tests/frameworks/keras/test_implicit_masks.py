"""Masks that Keras 2.3 sends along with values: what a graph says becomes Masking again where nothing else changes.

Real Keras 3 makes the models and judges the files; Keras 2.3.1 itself gave the same for each (2e-7 at most).
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import irconv
from irconv.errors import Refused
from irconv.frameworks.keras import implicit_masks
from irconv.options import WriteOptions
from tests.helpers import GOLDEN_ERROR, error

keras = pytest.importorskip("keras", reason="makes and judges the models")
L = keras.layers
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")


def sequence() -> np.ndarray:
    x = np.random.default_rng(7).standard_normal((3, 7, 4)).astype(np.float32)
    x[0, -2:], x[1, :1], x[2, 2:4] = 0, 0, 0
    return x


def words() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 4, (3, 7)).astype(np.int32)


def saved(path: Path, x: np.ndarray, chain: Callable[[Any], Any]) -> np.ndarray:
    keras.utils.set_random_seed(3)
    inputs = keras.Input(x.shape[1:], dtype=x.dtype)
    model = keras.Model(inputs, chain(inputs))
    model.save(path)
    return np.asarray(model.predict_on_batch(x))


def both(x: Any, **settings: Any) -> Any:
    return L.Bidirectional(L.GRU(3, **settings))(x)


IMPLICIT: dict[str, tuple[np.ndarray, Callable[[Any], Any]]] = {
    "a layer": (sequence(), lambda i: L.Dense(2)(L.LSTM(3)(L.Masking()(i)))),
    "through layers that hand it on": (sequence(), lambda i: L.LSTM(3)(L.Dropout(0.2)(L.Dense(5)(L.Masking()(i))))),
    "a sequence": (sequence(), lambda i: L.Dense(3)(L.LSTM(3, return_sequences=True)(L.Masking()(i)))),
    "cells": (sequence(), lambda i: L.RNN([L.LSTMCell(3), L.LSTMCell(5)])(L.Masking()(i))),
    "an Embedding": (words(), lambda i: L.LSTM(3)(L.Dense(5)(L.Embedding(9, 4, mask_zero=True)(i)))),
}


@pytest.mark.parametrize("name", sorted(IMPLICIT))
def test_a_mask_travels_in_keras_2_3(name: str, tmp_path: Path) -> None:
    x, chain = IMPLICIT[name]
    wanted = saved(tmp_path / "source.keras", x, chain)
    written = irconv.convert(tmp_path / "source.keras", tmp_path / "m.h5")
    assert written.dialect == "Keras 2.3.1"
    model = keras.models.load_model(tmp_path / "m.h5", compile=False)
    assert error([np.asarray(model.predict_on_batch(x))], [wanted]) < GOLDEN_ERROR


def test_a_mask_travels_through_both_directions(tmp_path: Path) -> None:
    """Keras 3 cannot load a Bidirectional out of a file of Keras 2.3, not of one that Keras 2.3 wrote either."""
    saved(tmp_path / "a.keras", sequence(), lambda i: L.SimpleRNN(3)(both(L.Masking()(i), return_sequences=True)))
    written = irconv.convert(tmp_path / "a.keras", tmp_path / "m.json")
    kinds = [layer["class_name"] for layer in json.loads((tmp_path / "m.json").read_text())["config"]["layers"]]
    assert (written.dialect, kinds[1:]) == ("Keras 2.3.1", ["Masking", "Bidirectional", "SimpleRNN"])


EXPLICIT: dict[str, Callable[[Any], Any]] = {
    "an average of what is not masked": lambda i: L.GlobalAveragePooling1D()(L.Masking()(i)),
    "zeros of a Bidirectional that an output shows": lambda i: both(L.Masking()(i), return_sequences=True),
}


@pytest.mark.parametrize("name", sorted(EXPLICIT))
def test_a_mask_that_would_do_something_else_stays_arithmetic(name: str, tmp_path: Path) -> None:
    saved(tmp_path / "source.keras", sequence(), EXPLICIT[name])
    assert irconv.convert(tmp_path / "source.keras", tmp_path / "m.h5").dialect != "Keras 2.3.1"
    with pytest.raises(Refused):
        irconv.convert(tmp_path / "source.keras", tmp_path / "n.h5", None, WriteOptions(target_version="2.3"))


def test_a_layer_that_is_given_no_mask_is_sent_none(tmp_path: Path) -> None:
    """One LSTM obeys the mask and another does not: in Keras 2.3 both would."""
    saved(tmp_path / "source.keras", sequence(), lambda i: L.LSTM(3)(L.Masking()(i)))
    bundle = irconv.read(tmp_path / "source.keras")
    assert bundle.graph is not None
    nodes = []
    for node in bundle.graph.nodes:
        nodes.append(node)
        if "mask" in node.inputs:
            plain = {slot: value for slot, value in node.inputs.items() if slot != "mask"}
            nodes.append(node.model_copy(update={"inputs": plain, "outputs": {"h": "other"}}))
    changed = replace(bundle, graph=bundle.graph.model_copy(update={"nodes": tuple(nodes)}))
    assert implicit_masks.run(bundle).bundle is not bundle
    assert implicit_masks.run(changed).bundle is changed


def _third(x: Any) -> Any:
    return keras.ops.unstack(x, axis=1)[2] * 2.0


def test_the_count_of_an_unstack_is_that_of_its_axis(tmp_path: Path) -> None:
    wanted = saved(tmp_path / "source.keras", sequence(), _third)
    got = irconv.run(irconv.read(tmp_path / "source.keras"), [sequence()])
    assert error(list(got.values()), [wanted]) < GOLDEN_ERROR


def test_what_spectral_normalization_wraps_is_written_for_keras(tmp_path: Path) -> None:
    x = np.random.default_rng(7).standard_normal((2, 5, 4, 3)).astype(np.float32)
    wanted = saved(tmp_path / "source.keras", x, L.SpectralNormalization(L.Conv2D(4, 3)))
    irconv.convert(tmp_path / "source.keras", tmp_path / "m.keras")
    model = keras.models.load_model(tmp_path / "m.keras", compile=False)
    assert error([np.asarray(model.predict_on_batch(x))], [wanted]) < GOLDEN_ERROR


def test_an_embedding_of_which_spectral_normalization_leaves_nothing_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "source.keras", words(), L.SpectralNormalization(L.Embedding(9, 4)))
    with pytest.raises(
        Refused, match="Keras casts what that makes to the integers that it is given, and nothing is left"
    ):
        irconv.read(tmp_path / "source.keras")


def test_an_input_without_a_shape_is_refused_by_name(tmp_path: Path) -> None:
    saved(tmp_path / "source.keras", sequence(), L.Dense(2))
    with zipfile.ZipFile(tmp_path / "source.keras") as source, zipfile.ZipFile(tmp_path / "m.keras", "w") as changed:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                described = json.loads(content)
                del described["config"]["layers"][0]["config"]["batch_shape"]
                content = json.dumps(described).encode()
            changed.writestr(name, content)
    with pytest.raises(Refused, match="expected a shape of this input, of which the file says nothing"):
        irconv.read(tmp_path / "m.keras")
