"""What people try first in Python: it works, it is short, and errors are those that Python has for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import irconv
from tests.helpers import lenet

FOLDER = lenet("tf2.15-lenet5-h5").model.parent


def test_a_bundle_and_its_tensors_say_what_they_are_in_a_line() -> None:
    bundle = irconv.read(FOLDER / "model.h5")
    assert repr(bundle) == "<Bundle from keras 2.15.0: 13 layers, 10 tensors, 61,706 numbers>"
    assert repr(bundle.tensors["dense.kernel"]) == "<Tensor float32 (120, 400) OI>"
    weights = irconv.read(lenet("keras2.2.4-lenet4-weights-h5").model)
    assert repr(weights) == "<Bundle from keras 2.2.4: 4 groups, no graph, 8 tensors, 69,362 numbers>"


def test_a_tensor_is_an_array_where_numpy_asks_for_one() -> None:
    tensor = irconv.read(FOLDER / "model.h5").tensors["dense.kernel"]
    array = np.asarray(tensor)
    assert (array.shape, array.dtype) == ((120, 400), np.float32)
    assert np.asarray(tensor, np.float64).dtype == np.float64
    assert float(np.max(tensor)) == float(array.max())
    with pytest.raises(ValueError, match="has no array to share"):
        np.asarray(tensor, copy=False)


def test_a_model_with_one_input_runs_on_one_array() -> None:
    x = np.load(FOLDER / "x_0.npy")
    (got,) = irconv.run(irconv.read(FOLDER / "model.h5"), x, runtime="numpy").values()
    assert np.abs(got - np.load(FOLDER / "y_0.npy")).max() < 2e-6


def test_a_file_that_is_not_there_is_pythons_own_error_too() -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.h5: there is no such file or folder"):
        irconv.read("nowhere.h5")


def test_a_destination_that_exists_is_pythons_own_error_too(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_text("mine")
    with pytest.raises(FileExistsError, match=r"exists already\. Give force=True"):
        irconv.convert(FOLDER / "model.h5", tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_text() == "mine"


def test_suffixes_may_be_in_capitals(tmp_path: Path) -> None:
    irconv.convert(FOLDER / "model.h5", tmp_path / "M.ONNX")
    assert irconv.read(tmp_path / "M.ONNX").graph is not None


def test_the_command_is_a_module_too() -> None:
    done = subprocess.run([sys.executable, "-m", "irconv", "--version"], capture_output=True, text=True, check=True)
    assert irconv.__version__ in done.stdout
