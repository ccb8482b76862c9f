"""Files of the kinds that users reported, as the real Keras wrote them, with what it predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.ir.validate import validate
from irconv.options import WriteOptions
from tests.helpers import GOLDEN_ERROR, ROOT, error, turned

FOLDER = ROOT / "fixtures" / "keras_reports"
CASES = sorted(path for path in FOLDER.iterdir() if path.is_dir() and not path.name.startswith("_"))


def file_of(folder: Path) -> Path:
    return next(folder.glob("model.*"))


def arrays(folder: Path, kind: str) -> list[np.ndarray]:
    return [np.load(path) for path in sorted(folder.glob(f"{kind}_*.npy"))]


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_what_users_reported_predicts_what_keras_predicted(folder: Path) -> None:
    bundle = irconv.read(file_of(folder))
    assert not list(validate(bundle).all())
    got = irconv.run(bundle, arrays(folder, "x"))
    assert error(list(got.values()), arrays(folder, "y")) < GOLDEN_ERROR


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_keras_3_predicts_the_same_of_what_is_written_for_it(folder: Path, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="judged by the real Keras 3")
    written = irconv.convert(file_of(folder), tmp_path / "m.keras", None, WriteOptions(merge=True))
    model = keras.models.load_model(tmp_path / "m.keras", compile=False)
    inputs = turned(arrays(folder, "x"), written.inputs, "native")
    outputs = model.predict_on_batch(inputs if len(inputs) > 1 else inputs[0])
    listed = outputs if isinstance(outputs, list | tuple) else [outputs]
    keras.backend.clear_session()
    got = turned([np.asarray(output) for output in listed], written.outputs, "source")
    assert error(got, arrays(folder, "y")) < GOLDEN_ERROR
