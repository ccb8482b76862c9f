"""--keep-optimizer and --keep-opaque: what irconv cannot use is kept for whoever can, and told where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import irconv
from irconv import api
from irconv.containers import hdf5, tensor_bundle
from irconv.errors import MissingFact, Refused, UnusedOption
from irconv.ir.layers.control import Opaque
from irconv.ir.optimizer import state_of
from irconv.report.inspect import print_bundle
from tests.helpers import ROOT, rejection

KERAS = ROOT / "fixtures" / "keras_files"
ADAM = ROOT / "fixtures" / "torch-checkpoints" / "training" / "adam.pt"
TRAINED = ROOT / "fixtures" / "tensorflow" / "trained" / "adam.ckpt"
OPAQUE = ROOT / "fixtures" / "keras_opaque"


def through_a_bundle(source: Path, target: Path, **facts: Any) -> api.Written:
    """Source to bundle, which must be sound, to target."""
    bundle = target.parent / "m.irconv"
    irconv.convert(source, bundle, keep_optimizer=True, **facts)
    assert api.check(bundle) == []
    return irconv.convert(bundle, target)


def lost(written: api.Written) -> list[str]:
    return [f"{fact.value}: {fact.evidence}" for fact in written.told if fact.name == "optimizer"]


# Keras ---------------------------------------------------------------------------------------------------------------

TAKEN_BACK = ["keras3.15-compiled-keras/model.keras", "tf2.15-compiled-h5/model.h5", "tf1.15-compiled-h5/model.h5"]


def keras_state(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of the optimizer as they lie in a file, in the order in which Keras takes them."""
    return {name: data.numpy() for name, data in state_of(irconv.read(path, keep_optimizer=True)).items()}


@pytest.mark.parametrize("name", TAKEN_BACK)
def test_keras_gets_the_state_of_its_optimizer_back(name: str, tmp_path: Path) -> None:
    source, target = KERAS / name, tmp_path / f"m{Path(name).suffix}"
    written = through_a_bundle(source, target)
    assert lost(written) == []
    before, after = keras_state(source), keras_state(target)
    assert list(before) == list(after)
    assert any(np.abs(array).max() > 0 for array in before.values() if array.dtype == np.float32)
    for key, array in before.items():
        np.testing.assert_array_equal(after[key], array)


def test_keras_itself_loads_the_state(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="needs Keras")
    source = KERAS / TAKEN_BACK[0]
    through_a_bundle(source, tmp_path / "m.keras")
    wanted, got = (keras.models.load_model(path).optimizer.variables for path in (source, tmp_path / "m.keras"))
    assert len(wanted) == len(got) == 10
    for a, b in zip(wanted, got, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_a_state_that_another_version_would_not_understand_is_told(tmp_path: Path) -> None:
    written = through_a_bundle(KERAS / "keras3.15-compiled-h5" / "model.h5", tmp_path / "m.h5")
    assert lost(written) == ["10 tensors of its state: acts in training alone, and keras-h5 does not say it"]
    assert "optimizer_weights" not in hdf5.read(tmp_path / "m.h5").folders


def test_a_model_that_was_changed_does_not_get_the_state_back(tmp_path: Path) -> None:
    source = KERAS / TAKEN_BACK[0]
    written = irconv.convert(source, tmp_path / "m.keras", keep_optimizer=True, until="hidden")
    assert lost(written) == ["10 tensors of its state: acts in training alone, and keras does not say it"]


# PyTorch -------------------------------------------------------------------------------------------------------------


def same(a: Any, b: Any) -> bool:
    """Whether two values are the same, types and order of keys included."""
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    if isinstance(a, torch.Tensor):
        return bool(a.dtype == b.dtype and torch.equal(a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b)


def test_pytorch_loads_a_checkpoint_with_the_state_of_its_optimizer(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    assert lost(through_a_bundle(ADAM, tmp_path / "m.pt")) == []
    wanted, got = (torch.load(path, weights_only=True) for path in (ADAM, tmp_path / "m.pt"))
    assert same(wanted["optimizer"], got["optimizer"])
    assert same(wanted["net"], got["net"])
    assert wanted["optimizer"]["state"][0]["exp_avg_sq"].abs().max() > 0


def test_inspect_lists_each_tensor_of_the_state_once(capsys: pytest.CaptureFixture[str]) -> None:
    print_bundle(irconv.read(ADAM, keep_optimizer=True))
    kept = capsys.readouterr().out
    assert "kept: optimizer.state.0.exp_avg 5x3x3x2 float32 (optimizer state)\n" in kept
    assert "left out: optimizer" not in kept
    print_bundle(irconv.read(ADAM))
    left = capsys.readouterr().out
    assert "left out: optimizer.state.0.exp_avg (optimizer state)\n" in left
    assert kept.count("(optimizer state)") == left.count("(optimizer state)") == 20


def test_safetensors_have_no_place_for_a_state(tmp_path: Path) -> None:
    written = through_a_bundle(ADAM, tmp_path / "m.safetensors")
    assert lost(written) == ["20 tensors of its state: acts in training alone, and torch does not say it"]


# TensorFlow ----------------------------------------------------------------------------------------------------------


def test_a_checkpoint_of_tensorflow_gets_its_slots_back(tmp_path: Path) -> None:
    assert lost(through_a_bundle(Path(f"{TRAINED}.meta"), tmp_path / "m.ckpt", outputs="z")) == []
    before, after = (tensor_bundle.read(path).tensors for path in (TRAINED, tmp_path / "m.ckpt"))
    assert before.keys() == after.keys()
    assert {"conv/kernel/Adam", "beta1_power", "global_step"} <= before.keys()
    for name, data in before.items():
        np.testing.assert_array_equal(after[name].numpy(), data.numpy())


# refusals ------------------------------------------------------------------------------------------------------------


def test_the_option_is_refused_where_it_does_nothing(tmp_path: Path) -> None:
    text = rejection(lambda: irconv.convert(ADAM, tmp_path / "m.onnx", keep_optimizer=True), UnusedOption)
    assert "onnx has no place for the state of an optimizer. Write a bundle, or the source's own format." in text
    plain = KERAS / "keras3.15-counters-keras" / "model.keras"
    text = rejection(lambda: irconv.read(plain, keep_optimizer=True), UnusedOption)
    assert "the file has no state of an optimizer beside its weights" in text


# opaque layers -------------------------------------------------------------------------------------------------------


def test_a_layer_without_a_rule_is_kept_with_its_settings_and_weights(tmp_path: Path) -> None:
    irconv.convert(OPAQUE / "swirl.keras", tmp_path / "m.irconv", keep_opaque=True)
    assert api.check(tmp_path / "m.irconv") == []
    back = irconv.read(tmp_path / "m.irconv")
    layer = back.layers["swirl"]
    assert isinstance(layer, Opaque)
    assert layer.native_type == "own>Swirl"
    assert layer.native_config["turns"] == 4
    assert layer.results == {"y": ("float32", ("N", 5))}
    with_names = hdf5.read(OPAQUE / "swirl.h5").folders["model_weights"].folders["swirl"].folders["swirl"].datasets
    assert [tensor.shape for tensor in with_names.values()] == [(6, 5), (5,)]
    np.testing.assert_array_equal(back.tensors["swirl.0"], with_names["angle"].numpy())
    np.testing.assert_array_equal(back.tensors["swirl.1"], with_names["shift"].numpy())
    (fact,) = [fact for fact in back.source.facts if fact.name == "opaque"]
    assert fact.value == "swirl: own>Swirl, gives float32 (N, 5)"


def test_the_code_of_a_lambda_is_text(tmp_path: Path) -> None:
    irconv.convert(OPAQUE / "lambda.keras", tmp_path / "m.irconv", keep_opaque=True)
    layer = irconv.read(tmp_path / "m.irconv").layers["odd"]
    assert isinstance(layer, Opaque)
    assert layer.native_config["function"]["class_name"] == "__lambda__"


def test_a_shape_that_no_file_says_is_asked_for() -> None:
    text = rejection(lambda: irconv.read(OPAQUE / "swirl.h5", keep_opaque=True), MissingFact)
    assert "the file does not say the shape of what it gives" in text
    bundle = irconv.read(OPAQUE / "swirl.h5", keep_opaque=True, opaque_shape="swirl=N,5")
    other = irconv.read(OPAQUE / "swirl.keras", keep_opaque=True)
    assert bundle.graph == other.graph


@pytest.mark.parametrize("suffix", [".onnx", ".py", ".keras", ".h5", ".ckpt", ".theano"])
def test_nothing_but_a_bundle_takes_an_opaque_layer(suffix: str, tmp_path: Path) -> None:
    source = OPAQUE / "swirl.keras"
    text = rejection(lambda: irconv.convert(source, tmp_path / f"m{suffix}", keep_opaque=True), Refused)
    assert "layer swirl (Opaque): " in text
    assert "kept as it is, for a bundle alone: read the source again, and " in text
    assert list(tmp_path.iterdir()) == []


def test_the_options_are_refused_where_every_layer_has_a_rule() -> None:
    plain = KERAS / "keras3.15-counters-keras" / "model.keras"
    text = rejection(lambda: irconv.read(plain, keep_opaque=True), UnusedOption)
    assert "irconv has a rule for every layer" in text
    text = rejection(lambda: irconv.read(plain, opaque_shape="a=N,3"), UnusedOption)
    assert "only layers that are kept with" in text
