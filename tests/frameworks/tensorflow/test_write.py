"""Checkpoints of variables, written as TensorFlow writes them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.containers import tensor_bundle, tensor_bundle_write
from irconv.containers.outputs import whole_output
from irconv.errors import Refused
from irconv.ir.tensors import LazyTensor
from tests.helpers import LENET_WEIGHTS, ROOT, rejection

FOLDER = ROOT / "fixtures" / "tensorflow"
ADAM = FOLDER / "training" / "adam.ckpt"


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """The checkpoint of a training without its graph."""
    (tmp_path / "in").mkdir()
    for suffix in ("index", "data-00000-of-00001"):
        shutil.copy(f"{ADAM}.{suffix}", tmp_path / "in")
    return tmp_path / "in" / "adam.ckpt"


def test_through_a_bundle_and_back_it_is_tensorflows_own_file_byte_for_byte(alone: Path, tmp_path: Path) -> None:
    irconv.convert(alone, tmp_path / "m.irconv")
    written = irconv.convert(tmp_path / "m.irconv", tmp_path / "m.ckpt")
    assert [file.name for file in written.files] == ["m.ckpt.data-00000-of-00001", "m.ckpt.index", "checkpoint"]
    for suffix in ("index", "data-00000-of-00001"):
        assert Path(f"{tmp_path}/m.ckpt.{suffix}").read_bytes() == Path(f"{ADAM}.{suffix}").read_bytes()
    assert (tmp_path / "checkpoint").read_text().startswith('model_checkpoint_path: "m.ckpt"\n')
    assert irconv.read(tmp_path / "checkpoint").source_tensors().keys() == irconv.read(alone).source_tensors().keys()


def test_tensorflow_reads_every_tensor(tmp_path: Path) -> None:
    tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    source = tensor_bundle.read(FOLDER / "checkpoints" / "v2.ckpt")
    with whole_output(force=False) as output:
        tensor_bundle_write.write(output, tmp_path / "m.ckpt", source.tensors, source.strings)
    reader = tensorflow.train.load_checkpoint(str(tmp_path / "m.ckpt"))
    assert reader.get_variable_to_shape_map().keys() == source.tensors.keys() | source.strings.keys()
    for name, tensor in source.tensors.items():
        assert np.asarray(reader.get_tensor(name)).tobytes() == tensor.numpy().tobytes()
    assert reader.get_tensor("names").ravel().tolist() == list(source.strings["names"].values)
    assert tensorflow.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "m.ckpt")


def test_tensors_are_written_in_the_order_of_their_names_whatever_their_layout(tmp_path: Path) -> None:
    tensors = {"b": LazyTensor.of(np.arange(6, dtype="int64").reshape(2, 3)), "a": LazyTensor.of(np.float16([1, 2]))}
    with whole_output(force=False) as output:
        tensor_bundle_write.write(output, tmp_path / "m", tensors)
    raw = (tmp_path / "m.data-00000-of-00001").read_bytes()
    assert raw == np.float16([1, 2]).tobytes() + np.arange(6, dtype="int64").tobytes()


def test_weights_that_keras_saved_in_tensorflows_format_are_written_under_their_keys(tmp_path: Path) -> None:
    irconv.convert(FOLDER / "objects" / "ckpt", tmp_path / "m.ckpt")
    kept, own = (tensor_bundle.read(path).tensors for path in (tmp_path / "m.ckpt", FOLDER / "objects" / "ckpt"))
    assert kept
    assert all(kept[name].numpy().tobytes() == own[name].numpy().tobytes() for name in kept)


def test_other_frameworks_weights_are_refused_by_name(tmp_path: Path) -> None:
    source = next(case for case in LENET_WEIGHTS if case.model.suffix == ".h5")
    text = rejection(lambda: irconv.convert(source.model, tmp_path / "m.ckpt"), Refused)
    assert "holds weights without a graph, so that their axes are not known" in text


def test_what_is_noted_of_the_source_stands_in_the_file_that_names_the_checkpoint(tmp_path: Path, alone: Path) -> None:
    irconv.convert(alone, tmp_path / "m.irconv")
    irconv.convert(tmp_path / "m.irconv", tmp_path / "m.ckpt", irconv.ReadOptions(digests=False))
    assert (tmp_path / "checkpoint").read_text().endswith("\n# source_verified: no\n")
    assert irconv.read(tmp_path / "checkpoint").source_tensors().keys() == irconv.read(alone).source_tensors().keys()
