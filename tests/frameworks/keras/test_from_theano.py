"""What Theano computes in another form than Keras, written for Keras and run by it."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

import irconv
from tests.frameworks.theano.cases import case, read
from tests.helpers import GOLDEN_ERROR, error

_CASES = (
    "gru-before-new",
    "gru-hard-new",
    "gru-tanh-new",
    "gru-after-new",
    "lstm-first-state",
    "lstm-first-cell",
    "transposed-even-half",
)


@pytest.mark.parametrize("name", _CASES)
def test_keras_predicts_what_theano_predicted(name: str, tmp_path: Path) -> None:
    found = case(name)
    irconv.write(read(found), tmp_path / "m.keras")
    moved = name.startswith("transposed")
    x = np.moveaxis(found.inputs[0], 1, -1) if moved else found.inputs[0]
    made = np.asarray(keras.models.load_model(tmp_path / "m.keras", compile=False)(x, training=False))
    assert error([np.moveaxis(made, -1, 1) if moved else made], found.outputs) < GOLDEN_ERROR


@pytest.mark.parametrize(("name", "count"), [("gru-before-new", 1), ("gru-hard-new", 1), ("gru-tanh-new", 0)])
def test_a_gru_that_takes_by_its_update_gate_is_keras_own_where_the_gate_is_odd_about_a_half(
    name: str, count: int, tmp_path: Path
) -> None:
    irconv.write(read(case(name)), tmp_path / "m.keras")
    layers = keras.models.load_model(tmp_path / "m.keras", compile=False).layers
    assert sum(isinstance(layer, keras.layers.GRU) for layer in layers) == count


def test_the_steps_of_a_loop_that_is_written_out_share_their_weights(tmp_path: Path) -> None:
    found = case("gru-tanh-new")
    irconv.write(read(found), tmp_path / "m.keras")
    model = keras.models.load_model(tmp_path / "m.keras", compile=False)
    stored = sum(tensor.record.shape != () for tensor in read(found).tensors.values())
    assert stored <= len(model.weights) <= 2 * stored
