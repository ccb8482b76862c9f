"""Files of Keras 3 on PyTorch, which computes a few layers otherwise than TensorFlow does."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import irconv
from irconv.options import ReadOptions
from tests.helpers import GOLDEN_ERROR, ROOT, error

CASES = sorted(path for path in (ROOT / "fixtures" / "keras_backends").iterdir() if path.is_dir())
_CUBIC = ("up_sampling2d", "resizing", "resizing_1")
AVERAGES = ROOT / "fixtures" / "keras_backends" / "torch-average_same"


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_a_model_predicts_what_its_backend_predicted(folder: Path, suffix: str) -> None:
    options = ReadOptions(backend="torch") if suffix == ".keras" else ReadOptions()
    bundle = irconv.read(folder / f"model{suffix}", options)
    got = irconv.run(bundle, [np.load(folder / "x_0.npy")], "numpy")  # onnxruntime does not shrink by cubic weights
    count = json.loads((folder / "case.json").read_text())["outputs"]
    assert error(list(got.values()), [np.load(folder / f"y_{i}.npy") for i in range(count)]) < GOLDEN_ERROR


def test_an_archive_of_averages_says_that_its_backend_is_assumed() -> None:
    told = irconv.read(AVERAGES / "model.keras").source.to_tell()
    assert [(fact.name, fact.value) for fact in told] == [("backend", "tensorflow")]
    assert told[0].evidence == (
        "assumed: an archive does not say its backend, on which AveragePooling2D depends; --backend states it"
    )
    assert irconv.read(AVERAGES / "model.h5").source.to_tell() == ()


@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_weights_that_interpolate_as_pytorch_does_are_written_out_for_keras_on_tensorflow(tmp_path: Path) -> None:
    folder = ROOT / "fixtures" / "keras_backends" / "torch-bicubic"
    irconv.write(irconv.read(folder / "model.h5"), tmp_path / "m.keras", io="source")
    made = keras.models.load_model(tmp_path / "m.keras", compile=False)(np.load(folder / "x_0.npy"))
    assert error(list(map(np.asarray, made)), [np.load(folder / f"y_{i}.npy") for i in range(5)]) < GOLDEN_ERROR
