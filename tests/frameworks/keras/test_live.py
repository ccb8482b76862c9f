"""Live models of Keras: to a bundle and back, every weight bit for bit. Keras runs in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

import irconv
from irconv.errors import Refused
from tests.helpers import ROOT, rejection

_SCRIPT = """
import json, os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np, keras
from keras import layers
import irconv

rng = np.random.default_rng(3)
x = keras.Input((9, 7, 3), name="x")
h = layers.Conv2D(5, (3, 2), padding="same", activation="relu")(x)
h = layers.BatchNormalization()(h)
h = layers.LSTM(4, return_sequences=True)(layers.Reshape((9, 35))(h))
model = keras.Model(x, layers.Dense(6)(layers.Flatten()(h)), name="odd")
model.set_weights([rng.random(w.shape).astype("float32") + 0.1 for w in model.get_weights()])
given = rng.random((2, 9, 7, 3)).astype("float32")
wanted = model.predict(given, verbose=0)
bundle = irconv.from_keras(model)
(got,) = irconv.run(bundle, given, runtime="numpy").values()
back = irconv.to_keras(bundle)
again = back.predict(given, verbose=0)


def refused(model):
    try:
        irconv.from_keras(model)
    except ValueError as error:
        return str(error)


class Own(layers.Layer):
    def call(self, x):
        return x * 2


largest = np.abs(wanted).max()
print(json.dumps({
    "kept": [bool(np.array_equal(a, b)) for a, b in zip(model.get_weights(), back.get_weights(), strict=True)],
    "numpy": float(np.abs(got - wanted).max() / largest),
    "back": float(np.abs(again - wanted).max() / largest),
    "own": refused(keras.Sequential([keras.Input((3,)), Own(name="mine")], name="net")),
    "file": [file.name for file in bundle.source.files],
}))
"""


@cache
def told() -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], cwd=ROOT, capture_output=True, text=True, check=False)
    if "No module named 'keras'" in done.stderr:
        pytest.skip("Keras is not installed")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_weights_come_back_bit_for_bit() -> None:
    assert told()["kept"] == [True] * 11


def test_predictions_are_kerass_own() -> None:
    assert told()["numpy"] < 2e-6
    assert told()["back"] < 2e-6


def test_a_layer_without_a_rule_is_refused_by_the_models_name() -> None:
    assert told()["own"].startswith("net: layer mine (Own): irconv has no rule for Keras's Own.")
    assert "plugins= teaches it" in told()["own"]
    assert told()["file"] == ["model.keras"]


def test_what_is_no_model_is_refused_without_keras() -> None:
    text = rejection(lambda: irconv.from_keras(3), Refused)
    assert text == "int: expected a Keras model, got an object of builtins.int."
