"""A mask that Keras would send on with a recurrent layer's results ends where the model has none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import irconv
from tests.helpers import GOLDEN_ERROR, error

L = keras.layers
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

_ENDS: dict[str, Callable[[Any], Any]] = {
    "LSTM": L.LSTM(2),
    "GlobalAveragePooling1D": lambda y: L.GlobalAveragePooling1D()(L.Dense(3, activation="relu")(y)),
    "Bidirectional": lambda y: L.Bidirectional(L.GRU(2))(L.Dropout(0.3)(y)),
    "BatchNormalization": lambda y: L.BatchNormalization()(L.Concatenate()([y, y])),
    "Attention": lambda y: L.Attention()([y, y]),
}


@pytest.mark.parametrize("end", sorted(_ENDS))
def test_what_follows_an_operator_obeys_no_mask(end: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(5)
    random = np.random.default_rng(5)
    x, mask = random.standard_normal((3, 6, 4)).astype(np.float32), random.random((3, 6)) > 0.5
    inputs = keras.Input((6, 4)), keras.Input((6,), dtype="bool")
    steps = L.LSTM(3, return_sequences=True)(inputs[0], mask=inputs[1])
    model = keras.Model(inputs, _ENDS[end](keras.ops.transpose(steps, (0, 1, 2))))
    model.save(tmp_path / "source.keras")
    irconv.convert(tmp_path / "source.keras", tmp_path / "m.keras", io="native")
    made = keras.models.load_model(tmp_path / "m.keras", compile=False)
    assert error([np.asarray(made([x, mask]))], [np.asarray(model([x, mask]))]) < GOLDEN_ERROR


def test_states_alone_of_a_masked_layer_are_written(tmp_path: Path) -> None:
    keras.utils.set_random_seed(6)
    random = np.random.default_rng(6)
    x, mask = random.standard_normal((3, 6, 4)).astype(np.float32), random.random((3, 6)) > 0.5
    inputs = keras.Input((6, 4)), keras.Input((6,), dtype="bool")
    _, hidden, carried = L.LSTM(3, return_state=True)(inputs[0], mask=inputs[1])
    model = keras.Model(inputs, L.Dense(2)(L.Concatenate()([hidden * 2.0, carried])))
    model.save(tmp_path / "source.keras")
    irconv.convert(tmp_path / "source.keras", tmp_path / "m.keras", io="native")
    made = keras.models.load_model(tmp_path / "m.keras", compile=False)
    assert error([np.asarray(made([x, mask]))], [np.asarray(model([x, mask]))]) < GOLDEN_ERROR
