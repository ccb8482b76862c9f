"""Graphs of TensorFlow as models: the variables they need, what is left over, and SavedModels of TensorFlow 2."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.containers import messages, tensor_bundle, tensor_bundle_write
from irconv.containers.outputs import whole_output
from irconv.errors import DamagedFile, MissingFact, Refused
from irconv.options import ReadOptions
from tests.helpers import GOLDEN_ERROR, ROOT, rejection

FOLDER = ROOT / "fixtures" / "tensorflow"
ADAM = FOLDER / "training" / "adam.ckpt"
EXPORTED = FOLDER / "exported"


def error(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def test_every_variable_of_a_training_is_used_or_left_out_with_its_reason() -> None:
    bundle = irconv.read(ADAM, ReadOptions(outputs=("net/y:0",), inputs=("x:0",)))
    used = set(bundle.source_tensors())
    assert {"net/conv/kernel", "net/conv/bias", "net/fc/weights", "net/fc/frozen"} <= used
    left = {omitted.name: omitted.reason for omitted in bundle.omitted}
    checkpoint = tensor_bundle.read(ADAM)
    assert (used | left.keys()) >= checkpoint.tensors.keys()
    assert not used & left.keys()
    assert left["net/conv/kernel/Adam_1"] == "optimizer state"
    assert left["global_step"] == "state of the training"
    assert left["net/conv/kernel/ExponentialMovingAverage"] == "a moving average, which --ema reads"
    with np.load(FOLDER / "training" / "values.npz") as values:
        (found,) = irconv.run(bundle, [values["adam:x"]]).values()
        assert error(found, values["adam:y"]) < GOLDEN_ERROR


def test_averages_take_the_place_of_variables() -> None:
    options = ReadOptions(outputs=("net/y:0",), inputs=("x:0",), ema=True)
    bundle = irconv.read(ADAM, options)
    assert "net/conv/kernel/ExponentialMovingAverage" in bundle.source_tensors()
    left = {omitted.name: omitted.reason for omitted in bundle.omitted}
    assert left["net/conv/kernel"] == "net/conv/kernel/ExponentialMovingAverage is read in its place"


def test_a_variable_that_the_checkpoint_lacks_is_named(tmp_path: Path) -> None:
    for file in FOLDER.glob("training/adam.ckpt.*"):
        shutil.copy(file, tmp_path)
    tensors = dict(tensor_bundle.read(ADAM).tensors)
    del tensors["net/conv/bias"]
    with whole_output(force=True) as output:
        tensor_bundle_write.write(output, tmp_path / "adam.ckpt", tensors)
    options = ReadOptions(outputs=("net/y:0",), inputs=("x:0",))
    text = rejection(lambda: irconv.read(tmp_path / "adam.ckpt", options), DamagedFile)
    what = "net/conv/bias (VariableV2): expected net/conv/bias in adam.ckpt, which does not have it"
    assert text == f"{tmp_path / 'adam.ckpt.meta'}: {what}."


def test_a_graph_that_does_not_tell_leaves_the_variables() -> None:
    bundle = irconv.read(ADAM)
    assert bundle.graph is None
    (fact,) = [fact for fact in bundle.source.facts if fact.name == "graph"]
    assert "Name them with --outputs; candidates are net/y" in fact.evidence
    text = rejection(lambda: irconv.write(bundle, "never.onnx"), Refused)
    assert "Name them with --outputs; candidates are net/y" in text


@pytest.mark.parametrize("given", ["", "saved_model.pb"])
def test_captured_handles_find_their_variables_by_objects(given: str) -> None:
    bundle = irconv.read(EXPORTED / given)
    with np.load(EXPORTED / "values.npz") as values:
        (found,) = irconv.run(bundle, [values["x"]]).values()
        assert error(found, values["y"]) < GOLDEN_ERROR
        options = ReadOptions(signature="second")
        (found,) = irconv.run(irconv.read(EXPORTED / given, options), [values["x"]]).values()
        assert error(found, values["second"]) < GOLDEN_ERROR


def test_objects_and_the_graph_that_restores_them_must_agree(tmp_path: Path) -> None:
    shutil.copytree(EXPORTED, tmp_path / "m")
    file = tmp_path / "m" / "saved_model.pb"
    message = messages.parse("tensorflow", "SavedModel", file.read_bytes(), "m")
    objects = message.meta_graphs[0].object_graph_def
    for name in list(objects.concrete_functions):
        function = objects.concrete_functions[name]
        function.bound_inputs[:] = list(reversed(function.bound_inputs))
    file.write_bytes(message.SerializeToString())
    text = rejection(lambda: irconv.read(tmp_path / "m"), Refused)
    assert "but its object is saved as" in text
    assert "which holds something else. Save the model again." in text


def test_a_model_without_signatures_is_refused_with_its_functions(tmp_path: Path) -> None:
    shutil.copytree(EXPORTED, tmp_path / "m")
    file = tmp_path / "m" / "saved_model.pb"
    message = messages.parse("tensorflow", "SavedModel", file.read_bytes(), "m")
    message.meta_graphs[0].signature_def.clear()
    file.write_bytes(message.SerializeToString())
    text = rejection(lambda: irconv.read(tmp_path / "m"), MissingFact)
    what = "has no signature, so that nothing says what is the model; functions: plain, second, step"
    remedy = "Name a function with --signature, or values with --inputs and --outputs."
    assert text == f"{file}: {what}. {remedy}"
    with np.load(EXPORTED / "values.npz") as values:
        for name, wanted in (("plain", "y"), ("second", "second")):
            bundle = irconv.read(tmp_path / "m", ReadOptions(signature=name))
            (found,) = irconv.run(bundle, [values["x"]]).values()
            assert error(found, values[wanted]) < GOLDEN_ERROR


def test_what_is_fixed_must_be_there() -> None:
    options = ReadOptions(outputs=("net/y:0",), inputs=("x:0",), fix=("nothing=1",))
    text = rejection(lambda: irconv.read(ADAM, options), MissingFact)
    assert text == f"{ADAM}.meta: --fix nothing=1: the graph has no such node."


def test_a_graph_of_several_tag_sets_is_chosen_by_tags() -> None:
    path = FOLDER / "graphs" / "saved"
    options = ReadOptions(tags=("gpu",))
    text = rejection(lambda: irconv.read(path, options), MissingFact)
    assert text == f"{path / 'saved_model.pb'}: --tags gpu: the graphs have the tags serve; serve,tpu."


def test_a_value_to_fix_must_be_one() -> None:
    options = ReadOptions(outputs=("net/y:0",), inputs=("x:0",), fix=("x=blue",))
    text = rejection(lambda: irconv.read(ADAM, options), MissingFact)
    assert text == "--fix x=blue: expected a number or true or false for x of type float32."
