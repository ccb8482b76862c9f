"""Layers of third-party packages, in files that the packages' own layers wrote, with what these predicted."""

from __future__ import annotations

import base64
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import irconv
from irconv.errors import Refused
from irconv.frameworks.keras.own import named_apart, own_name
from irconv.frameworks.keras.packages.names import package_name
from irconv.ir.validate import validate
from irconv.options import WriteOptions
from tests.helpers import GOLDEN_ERROR, ROOT, error, import_file, turned

FOLDER = ROOT / "fixtures" / "packages"
STANDARDISED = FOLDER / "kecamlayer-standardised"
"""Its own predictions are 5e-6 away from its formula in float64."""

CASES = sorted(path for path in FOLDER.iterdir() if path.is_dir() and path != STANDARDISED)

WRITTEN = [case for case in CASES if case.name.startswith(("kecamlayer", "tfa", "selfatt", "multihead", "hublayer"))]
"""Single layers, which go on to other frameworks."""


def file_of(folder: Path) -> Path:
    return next(folder.glob("model.*"))


def arrays(folder: Path, kind: str) -> list[np.ndarray]:
    case = np.load(folder / "case.npz")
    return [case[name] for name in sorted(case.files, key=lambda n: (n[0], int(n[1:]))) if name[0] == kind]


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_a_layer_of_a_package_computes_what_the_package_computed(folder: Path) -> None:
    bundle = irconv.read(file_of(folder))
    assert not list(validate(bundle).all())
    got = irconv.run(bundle, arrays(folder, "x"))
    assert error(list(got.values()), arrays(folder, "y")) < GOLDEN_ERROR


@pytest.mark.parametrize("folder", WRITTEN, ids=lambda folder: folder.name)
def test_pytorch_computes_the_same_of_what_is_written_for_it(folder: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="judged by the real PyTorch")
    written = irconv.convert(file_of(folder), tmp_path / "m.py")
    inputs = turned(arrays(folder, "x"), written.inputs, "native")
    with torch.no_grad():
        made = import_file(tmp_path / "m.py").load()(*map(torch.from_numpy, inputs))
    got = [part.numpy() for part in (made if isinstance(made, tuple) else (made,))]
    assert error(turned(got, written.outputs, "source"), arrays(folder, "y")) < GOLDEN_ERROR


def test_a_standardised_kernel_is_what_its_formula_says_in_float64() -> None:
    (images,) = arrays(STANDARDISED, "x")
    with h5py.File(file_of(STANDARDISED)) as opened:
        group = next(iter(opened["model_weights/scaled_standardized_conv2d"].values()))
        kernel, bias, gain = (np.asarray(group[f"{name}:0"], np.float64) for name in ("kernel", "bias", "gain"))
    centred, variance = kernel - kernel.mean(axis=(0, 1, 2)), kernel.var(axis=(0, 1, 2))
    kernel = centred / np.sqrt(np.maximum(72 * variance, 1e-5)) * gain * 1.7
    padded = np.pad(images.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    want = np.zeros((2, 6, 5, 4)) + bias
    for row, column in np.ndindex(6, 5):
        want[:, row, column] += np.einsum("nhwc,hwco->no", padded[:, row : row + 3, column : column + 3], kernel)
    got = irconv.run(irconv.read(file_of(STANDARDISED)), [images])
    assert error(list(got.values()), [want.astype(np.float32)]) < GOLDEN_ERROR
    assert 1e-6 < error([want.astype(np.float32)], arrays(STANDARDISED, "y")) < 1e-5


def entry(name: str, module: str | None = None, registered: str | None = None, **config: Any) -> dict[str, Any]:
    said = {"class_name": name, "config": {"name": "a", "trainable": True, "dtype": "float32", **config}}
    return said | ({"module": module, "registered_name": registered} if module else {})


SNAKE = {"beta": 0.5}


def test_a_class_is_of_a_package_by_its_name_and_the_names_of_all_its_settings() -> None:
    assert package_name(entry("Snake", **SNAKE)) == "keras_unet_collection>Snake"
    assert package_name(entry("Snake", **SNAKE, alpha=1)) == ""
    assert package_name(entry("Snake")) == ""


def test_a_class_whose_module_is_not_of_the_package_is_not_taken_for_its() -> None:
    assert package_name(entry("Snake", "keras_unet_collection.activations", "Snake", **SNAKE))
    mine = entry("Snake", "mylayers", "Snake", **SNAKE)
    assert package_name(mine) == ""
    assert own_name(mine, set()) == "Snake"


def test_a_class_of_keras_with_settings_of_its_own_stays_keras() -> None:
    config = {"axis": [-1], "center": True, "scale": True, "epsilon": 1e-3}
    assert package_name(entry("LayerNormalization", **config)) == ""
    del config["axis"]
    assert package_name(entry("LayerNormalization", **config)) == "keras_layer_normalization>LayerNormalization"


def test_what_was_keras_nlp_is_keras_hub() -> None:
    assert package_name(entry("keras_nlp>FNetEncoder")) == "keras_hub>FNetEncoder"


def test_the_gelu_of_a_model_of_keras_bert_is_the_approximation() -> None:
    dense = entry("Dense", activation="gelu")
    named_apart({"class_name": "Functional", "config": {"layers": [dense]}}, {"Dense"})
    assert dense["config"]["activation"] == "gelu"
    layers = [entry("Extract", index=0), dense]
    named_apart({"class_name": "Functional", "config": {"layers": layers}}, {"Dense"})
    assert dense["config"]["activation"] == "keras_hub>gelu_approximate"


def test_a_lambda_of_the_same_name_from_another_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "m.h5"
    shutil.copy(file_of(FOLDER / "ic-lambda-expand"), file)
    with h5py.File(file, "a") as opened:
        model = json.loads(opened.attrs["model_config"])
        config = model["config"]["layers"][1]["config"]
        code = base64.b64decode(config["function"][0]).replace(b"classification_models", b"classification_nodels")
        config["function"][0] = base64.b64encode(code).decode()
        opened.attrs["model_config"] = json.dumps(model)
    with pytest.raises(Refused, match="irconv has no rule for Keras's Lambda"):
        irconv.read(file)


def test_a_model_without_a_graph_is_refused_by_its_class(tmp_path: Path) -> None:
    file = tmp_path / "m.keras"
    with zipfile.ZipFile(file_of(FOLDER / "hub-albert")) as source, zipfile.ZipFile(file, "w") as made:
        for name in source.namelist():
            data = source.read(name)
            if name == "config.json":
                config = {"vocabulary_size": 23}
                made_config = {
                    "module": "keras_hub.src.models.albert",
                    "class_name": "AlbertBackbone",
                    "config": config,
                }
                data = json.dumps({**made_config, "registered_name": "keras_hub>AlbertBackbone"}).encode()
            made.writestr(name, data)
    with pytest.raises(Refused) as refused:
        irconv.read(file)
    said = "expected a graph of layers (Functional, Model, Sequential), but the file names the model's class alone: "
    assert str(refused.value).startswith(f"{file}: {said}keras_hub>AlbertBackbone.")
    assert "In Keras, save keras.Model(m.inputs, m.outputs) in the place of the model m." in str(refused.value)


def test_settings_that_irconv_does_not_read_are_named(tmp_path: Path) -> None:
    file = tmp_path / "m.h5"
    shutil.copy(file_of(FOLDER / "tfa-weightnormalization-conv2d"), file)
    with h5py.File(file, "a") as opened:
        model = json.loads(opened.attrs["model_config"])
        wrapped = next(one for one in model["config"]["layers"] if "Weight" in one["class_name"])
        wrapped["config"]["layer"]["class_name"] = "Conv2DTranspose"
        opened.attrs["model_config"] = json.dumps(model)
    with pytest.raises(Refused, match="is around a Conv2DTranspose, and irconv reads it around Dense, Conv1D"):
        irconv.convert(file, tmp_path / "m.onnx", None, WriteOptions())
