"""Classes of the user's own that have the name of one of Keras' own: never taken for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import irconv
from irconv.errors import Refused
from irconv.frameworks.keras.own import is_own, named_apart, own_name
from irconv.options import ReadOptions
from tests.helpers import ROOT, rejection

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


#: What each case is refused by.
NAMED = {
    "registered": "my>Dense",
    "of_main": "__main__>Dense",
    "like_keras": "keras_mine>BatchNormalization",
    "cell": "my>LSTMCell",
    "stacked_cell": "keras_mine>LSTMCell",
    "inner": "tensorflow_mine>Dense",
    "direction": "my>LSTM",
    "sequential": "my>Sequential",
    "nested": "my>Sequential",
    "activation": "my>relu",
}


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_a_foreign_class_named_like_one_of_keras_is_refused_by_its_own_name_and_nothing_else(folder: Path) -> None:
    (file,) = folder.glob("model.*")
    (line,) = rejection(lambda: irconv.read(file), Refused).splitlines()
    assert NAMED[folder.name.split("-")[1]] in line


@pytest.mark.parametrize("kind", ["h5", "keras"])
@pytest.mark.parametrize("flavour", ["keras3.15", "tf2.15"])
def test_a_plugin_teaches_a_registered_class_in_both_formats(flavour: str, kind: str, tmp_path: Path) -> None:
    """In an archive weights have no names, and are taken in the order of the plugin's rows."""
    plugin = tmp_path / "half.py"
    plugin.write_text(
        "from irconv.codec import Codec\n"
        "from irconv.ir.layers.convolution import Linear\n"
        "from irconv.rows import Ignored, Weight\n"
        "IGNORED = Ignored('name trainable dtype units activation use_bias kernel_initializer bias_initializer '\n"
        "    'kernel_regularizer bias_regularizer activity_regularizer kernel_constraint bias_constraint '\n"
        "    'quantization_config lora_rank lora_alpha')\n"
        "ROWS = [Weight('kernel', 'kernel', 'in out'), Weight('bias', 'bias', 'out')]\n"
        "CODECS = {'keras': [Codec('my>Dense', Linear, IGNORED, *ROWS)]}\n"
    )
    folder = FOLDER / f"{flavour}-registered-{kind}"
    bundle = irconv.read(folder / f"model.{kind}", ReadOptions(plugins=(plugin,)))
    (got,) = irconv.run(bundle, [np.load(folder / "x_0.npy")]).values()
    np.testing.assert_allclose(got, 2 * np.load(folder / "y_0.npy"), rtol=1e-6)  # the class halves what Dense gives


def test_layers_of_one_class_are_refused_once_with_weights_and_settings(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    path.write_bytes((FOLDER / "keras3.15-nested-h5" / "model.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for layer in config["config"]["layers"][1:]:
            layer["class_name"] = "Mine"
        file.attrs["model_config"] = json.dumps(config)
    (line,) = rejection(lambda: irconv.read(path), Refused).splitlines()
    assert line.startswith(
        f"{path}: layer sequential (Mine) and 1 more (dense): irconv has no rule for Keras's Mine. "
        "It has the weights kernel 5x3, bias 3 and the settings "
    )


def test_a_model_that_keeps_no_layers_is_refused_with_advice() -> None:
    path = FOLDER / "keras3.15-sequential-keras" / "model.keras"
    assert rejection(lambda: irconv.read(path), Refused) == (
        f"{path}: expected a graph of layers (Functional, Model, Sequential), but the file names the model's "
        "class alone: my>Sequential. "
        "In Keras, save keras.Model(m.inputs, m.outputs) in the place of the model m."
    )


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


def test_a_class_of_another_package_is_told_apart_by_its_settings() -> None:
    entry: dict[str, Any] = {"class_name": "MultiHeadAttention", "config": {"name": "mha", "head_num": 2}}
    assert own_name(entry, {"MultiHeadAttention"}) == "unregistered>MultiHeadAttention"
    entry["config"] = {"name": "mha", "num_heads": 2, "key_dim": 3}
    assert own_name(entry, {"MultiHeadAttention"}) == "MultiHeadAttention"


def test_a_layer_called_attention_that_takes_one_value_is_said_to_be_another_class(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    shutil.copy(ROOT / "fixtures" / "keras" / "tf2.15-attention_scores" / "model.h5", path)
    with h5py.File(path, "a") as file:
        config = json.loads(file.attrs["model_config"])
        attention = next(layer for layer in config["config"]["layers"] if layer["class_name"] == "Attention")
        del attention["inbound_nodes"][0][1:]
        file.attrs["model_config"] = json.dumps(config)
    text = rejection(lambda: irconv.read(path), Refused)
    assert "is called on 1 values, and Keras' own takes a query, a value and perhaps a key: it is another class" in text


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own
def test_a_class_that_nobody_knows_is_what_is_refused_where_others_take_its_second_result(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="saves the model")

    class Halves(keras.layers.Layer):  # type: ignore[name-defined,misc]
        def call(self, x: object) -> object:
            return keras.ops.split(x, 2, axis=-1)

    x = keras.Input((6,), name="x")
    first, second = Halves(name="halves")(x)
    keras.Model(x, keras.layers.Subtract()([second, first])).save(tmp_path / "m.keras")
    text = rejection(lambda: irconv.read(tmp_path / "m.keras"), Refused)
    assert "layer halves (" in text
    assert "irconv has no rule for Keras's " in text
    assert "is taken to have a result" not in text
