"""A probe says what the source predicted, and finds a bundle that predicts something else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import irconv
from irconv.cli import main
from irconv.errors import BundleInvalid, Disagreement, MissingFact, UnusedOption
from irconv.ir.tensors import LazyTensor
from irconv.options import ReadOptions, WriteOptions
from irconv.verification.probing import problems, recorded
from irconv.verification.sides import Given
from tests.helpers import lenet, rejection, sealed

OLD = ("keras2.2.4-lenet4-h5", "keras2.2.4th-lenet4-h5", "tf1.15-lenet4-h5")
NEW = lenet("tf2.15-lenet5-h5").model


def given(name: str) -> WriteOptions:
    folder = lenet(name).model.parent
    return WriteOptions(probe_input=(str(folder / "x_0.npy"),), probe_output=(str(folder / "y_0.npy"),))


@pytest.mark.parametrize("name", OLD)
def test_predictions_of_old_frameworks_are_kept_and_checked_with_numpy_alone(name: str, tmp_path: Path) -> None:
    irconv.convert(lenet(name).model, tmp_path / "m.irconv", write_options=given(name))
    assert irconv.check(tmp_path / "m.irconv", runtime="numpy") == []
    probe = irconv.read(tmp_path / "m.irconv").probe
    assert probe is not None
    assert probe.record.runtime == "given"
    (output,) = probe.outputs().values()
    assert np.array_equal(output, np.load(lenet(name).model.parent / "y_0.npy"))


def test_a_probe_is_recorded_in_the_sources_own_framework(tmp_path: Path) -> None:
    irconv.convert(NEW, tmp_path / "m.irconv.zip", write_options=WriteOptions(probe=True))
    bundle = irconv.read(tmp_path / "m.irconv.zip")
    assert bundle.probe is not None
    assert bundle.probe.record.runtime.startswith("keras 3")
    assert not bundle.probe.record.as_read
    assert irconv.check(tmp_path / "m.irconv.zip") == []
    (x,) = bundle.probe.inputs().values()
    assert x.shape[1:] == (1, 28, 28)


def test_a_changed_weight_is_found_by_the_probe_where_digests_were_made_anew(tmp_path: Path) -> None:
    irconv.convert(NEW, tmp_path / "m.irconv", write_options=given("tf2.15-lenet5-h5"))
    bundle = irconv.read(tmp_path / "m.irconv")
    tensor = bundle.tensors["dense.kernel"]
    array = tensor.data.numpy().copy()
    array[3, 7] += 1.0
    changed = replace(bundle, tensors={**bundle.tensors, "dense.kernel": replace(tensor, data=LazyTensor.of(array))})
    irconv.write(changed, tmp_path / "n.irconv")
    (problem,) = irconv.check(tmp_path / "n.irconv")
    assert problem.where == "probe: output dense_2"
    assert "of the largest value; 1e-5 is allowed, against the predictions that were given on" in problem.what
    assert irconv.check(tmp_path / "n.irconv", probe=False) == []
    result = CliRunner().invoke(main, ["check", str(tmp_path / "n.irconv")])
    assert (result.exit_code, "probe: output dense_2: differs by" in result.output) == (1, True)


def test_a_source_that_predicts_otherwise_than_irconv_reads_it_gets_no_probe() -> None:
    bundle = irconv.read(NEW)
    tensor = bundle.tensors["dense.kernel"]
    wrong = replace(tensor, data=LazyTensor.of(tensor.data.numpy() * 1.5))
    changed = replace(bundle, tensors={**bundle.tensors, "dense.kernel": wrong})
    text = rejection(lambda: recorded(Given(NEW, changed, reader="keras"), None), Disagreement)
    assert "predicts something else than irconv has read: output dense_2 differs by" in text


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_predictions_without_a_finite_number_are_no_probe(wrong: float, tmp_path: Path) -> None:
    folder = lenet(OLD[0]).model.parent
    np.save(tmp_path / "y.npy", np.full_like(np.load(folder / "y_0.npy"), wrong))
    options = WriteOptions(probe_input=(str(folder / "x_0.npy"),), probe_output=(str(tmp_path / "y.npy"),))
    text = rejection(
        lambda: irconv.convert(folder / "model.h5", tmp_path / "m.irconv", write_options=options), MissingFact
    )
    assert text == (
        "given: --probe: a probe of it proves nothing: every number that it predicts is NaN or infinite. "
        "Give --probe-input with inputs that it was made for, or no probe."
    )
    assert not (tmp_path / "m.irconv").exists()


def test_a_bundle_without_a_probe_has_nothing_to_run() -> None:
    assert problems(irconv.read(NEW)) == []


def test_a_bundle_that_is_cut_loses_its_probe(tmp_path: Path) -> None:
    irconv.convert(NEW, tmp_path / "m.irconv", write_options=given("tf2.15-lenet5-h5"))
    kept = irconv.read(tmp_path / "m.irconv")
    irconv.write(kept, tmp_path / "n.irconv")
    again = irconv.read(tmp_path / "n.irconv")
    assert again.probe is not None
    assert kept.probe is not None
    assert again.probe.record == kept.probe.record
    assert "has no effect" in rejection(
        lambda: irconv.read(tmp_path / "m.irconv", ReadOptions(until=("a",))), UnusedOption
    )
    assert irconv.read(NEW, ReadOptions(until=("dense",))).probe is None


@pytest.mark.parametrize("damage", ["missing", "extra", "names"])
def test_a_probe_and_its_file_have_to_agree(damage: str, tmp_path: Path) -> None:
    irconv.convert(NEW, tmp_path / "m.irconv", write_options=given("tf2.15-lenet5-h5"))
    folder = tmp_path / "m.irconv"
    manifest = json.loads((folder / "manifest.json").read_text())
    if damage == "missing":
        (folder / "probe.safetensors").unlink()
    elif damage == "extra":
        del manifest["probe"]
    else:
        manifest["probe"]["inputs"] = {"other": "input0"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    sealed(folder)
    text = rejection(lambda: irconv.read(folder), BundleInvalid)
    assert "expected this file where" in text or "expected an array for every input and output of the graph" in text


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            WriteOptions(probe_output=("y.npy",)),
            "--probe-output: expected the inputs, too. Give them with --probe-input.",
        ),
        (
            WriteOptions(meta=("authr=me",)),
            "--meta authr=me: expected KEY=VALUE with one of title, description, author",
        ),
        (WriteOptions(meta=("author",)), "--meta author: expected KEY=VALUE"),
        (WriteOptions(meta=("author=a", "author=b")), "--meta author=b: says author a second time."),
        (WriteOptions(meta=("labels=@nowhere.txt",)), "--meta labels=@nowhere.txt: expected a text file"),
    ],
)
def test_what_cannot_be_kept_is_refused(options: WriteOptions, reason: str, tmp_path: Path) -> None:
    text = rejection(lambda: irconv.convert(NEW, tmp_path / "m.irconv", write_options=options), MissingFact)
    assert text.startswith(reason)
    assert not (tmp_path / "m.irconv").exists()


def test_what_people_say_of_a_model_is_kept(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("zero\none\n\ntwo, too\n")
    options = WriteOptions(meta=("author=Yann", f"labels=@{tmp_path / 'labels.txt'}"))
    irconv.convert(NEW, tmp_path / "m.irconv", write_options=options)
    meta = irconv.read(tmp_path / "m.irconv").meta
    assert meta is not None
    assert (meta.author, meta.labels) == ("Yann", ("zero", "one", "two, too"))
    assert "* author: Yann\n* labels: zero, one, two, too\n" in (tmp_path / "m.irconv" / "README.md").read_text()
    irconv.convert(
        tmp_path / "m.irconv", tmp_path / "n.irconv", write_options=WriteOptions(meta=("licence=MIT", "labels=a,b"))
    )
    again = irconv.read(tmp_path / "n.irconv").meta
    assert again is not None
    assert (again.author, again.licence, again.labels) == ("Yann", "MIT", ("a", "b"))


def test_other_formats_have_no_use_for_a_probe(tmp_path: Path) -> None:
    text = rejection(
        lambda: irconv.convert(NEW, tmp_path / "m.onnx", write_options=WriteOptions(probe=True)), UnusedOption
    )
    assert text.startswith("--probe: has no effect: what is written as onnx has no use for it.")
