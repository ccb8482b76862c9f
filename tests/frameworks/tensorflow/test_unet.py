"""The four files of a training with Adam and moving averages, as docs/unet.md reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.options import ReadOptions, WriteOptions
from tests.helpers import GOLDEN_ERROR, ROOT, error, in_torch

FOLDER = ROOT / "fixtures" / "tensorflow" / "unet"


@pytest.mark.parametrize(("ema", "wanted"), [(False, "y"), (True, "averaged")])
def test_the_network_predicts_in_pytorch_what_it_did(ema: bool, wanted: str, tmp_path: Path) -> None:
    bundle = irconv.read(FOLDER / "checkpoint", ReadOptions(outputs=("mask",), ema=ema))
    irconv.write(bundle, tmp_path / "unet.py", WriteOptions(io="source"))
    found = in_torch(tmp_path / "unet.py", [np.load(FOLDER / "x.npy")])
    assert error(found, [np.load(FOLDER / f"{wanted}.npy")]) < GOLDEN_ERROR


def test_a_written_checkpoint_has_all_that_the_training_needs(tmp_path: Path) -> None:
    source = irconv.read(FOLDER / "checkpoint").source_tensors()
    bundle = irconv.read(FOLDER / "checkpoint", ReadOptions(outputs=("mask",), keep_optimizer=True))
    irconv.write(bundle, tmp_path / "m.ckpt", WriteOptions())
    written = irconv.read(tmp_path / "m.ckpt").source_tensors()
    state = irconv.read(tmp_path / "m.ckpt").omitted
    assert {name for name in source if "ExponentialMovingAverage" in name} <= {one.name for one in state}
    tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    reader = tensorflow.train.load_checkpoint(str(tmp_path / "m.ckpt"))
    assert set(reader.get_variable_to_shape_map()) == set(source)
    assert all(np.array_equal(reader.get_tensor(name), lazy.numpy()) for name, lazy in source.items())
    assert set(written) <= set(source)
