"""A folder for the Hugging Face hub: its card is YAML and words, its source predicts, its weights are the file's."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import irconv
from irconv.errors import OutputExists, Refused
from irconv.ir.manifest import Meta
from irconv.options import WriteOptions
from tests.helpers import LENET, ROOT, Case

CASE = Case(LENET / "keras2.2.4-lenet4-h5")
STATE = ROOT / "fixtures" / "torch" / "torch213-state.pt"


def head_of(card: Path) -> tuple[dict[str, Any], str]:
    """What stands between the two lines of a card, and the words after."""
    _, head, words = card.read_text().split("---\n", 2)
    found: dict[str, Any] = yaml.safe_load(head)
    return found, words


def test_the_folder_holds_a_model_that_predicts_what_the_source_did(tmp_path: Path) -> None:
    irconv.write(irconv.read(CASE.model), tmp_path / "m.hf", WriteOptions(io="source"))
    names = sorted(path.name for path in (tmp_path / "m.hf").iterdir())
    assert names == ["README.md", "config.json", "model.py", "model.safetensors"]
    spec = spec_from_file_location("hub_model", tmp_path / "m.hf" / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["hub_model"] = module
    spec.loader.exec_module(module)
    with torch.no_grad():
        predicted = module.load()(torch.from_numpy(CASE.inputs[0])).numpy()
    assert np.abs(predicted - CASE.outputs[0]).max() < 2e-6 * np.abs(CASE.outputs[0]).max()


def test_the_config_has_labels_as_transformers_has_them(tmp_path: Path) -> None:
    meta = WriteOptions(meta=("labels=cat,dog", "licence=apache-2.0", "title=Pets"))
    irconv.write(irconv.read(CASE.model), tmp_path / "m.hf", meta)
    config = json.loads((tmp_path / "m.hf" / "config.json").read_text())
    assert config["id2label"] == {"0": "cat", "1": "dog"}
    assert config["label2id"] == {"cat": 0, "dog": 1}
    assert config["inputs"] == [{"name": "input_1", "dtype": "float32", "shape": ["N", 1, 28, 28], "axes": "NCHW"}]
    assert (config["torch_dtype"], config["architectures"]) == ("float32", ["Model"])
    head, words = head_of(tmp_path / "m.hf" / "README.md")
    assert head == {"library_name": "pytorch", "tags": ["irconv", "keras"], "license": "apache-2.0"}
    assert words.startswith("\n# Pets\n")


def test_what_people_and_files_say_is_text_in_the_card_and_never_markup(tmp_path: Path) -> None:
    bundle = irconv.read(CASE.model)
    hostile = "<script>alert(1)</script> [x](javascript:1) | `a`\n---\nlicense: stolen"
    bundle = replace(bundle, meta=Meta(title=hostile, author=hostile, licence='mit"\n---\n# own'))
    files = tuple(file.model_copy(update={"name": hostile}) for file in bundle.source.files)
    bundle = replace(bundle, source=bundle.source.model_copy(update={"files": files}))
    irconv.write(bundle, tmp_path / "m.hf")
    head, words = head_of(tmp_path / "m.hf" / "README.md")
    assert head["license"] == 'mit"\n---\n# own'
    assert "<script" not in words.replace("`<script", "")
    assert "\n---" not in words
    assert "[x](" not in words.replace("`", "").split("**Author**")[0].split("Read from")[0]


def test_the_folder_is_read_back_with_the_same_weights(tmp_path: Path) -> None:
    irconv.write(irconv.read(STATE), tmp_path / "m.hf")
    assert sorted(path.name for path in (tmp_path / "m.hf").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    before, after = (irconv.read(path).source_tensors() for path in (STATE, tmp_path / "m.hf"))
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[key].numpy(), after[key].numpy()) for key in before)


def test_force_replaces_a_folder_of_its_own_and_no_other(tmp_path: Path) -> None:
    bundle = irconv.read(CASE.model)
    irconv.write(bundle, tmp_path / "m.hf")
    with pytest.raises(OutputExists, match="exists already"):
        irconv.write(bundle, tmp_path / "m.hf")
    irconv.write(bundle, tmp_path / "m.hf", WriteOptions(force=True))
    (tmp_path / "m.hf" / "notes.txt").write_text("mine")
    with pytest.raises(irconv.IrconvError, match=r"notes\.txt"):
        irconv.write(bundle, tmp_path / "m.hf", WriteOptions(force=True))
    assert (tmp_path / "m.hf" / "notes.txt").read_text() == "mine"
    other = tmp_path / "other.hf"
    other.mkdir()
    (other / "config.json").write_text('{"architectures": ["Bert"]}')
    with pytest.raises(irconv.IrconvError, match=r"config\.json|irconv"):
        irconv.write(bundle, other, WriteOptions(force=True))
    assert list(other.iterdir()) == [other / "config.json"]


def test_arrays_whose_axes_are_not_known_are_refused(tmp_path: Path) -> None:
    weights = LENET / "keras2.2.4-lenet4-weights-h5" / "weights.h5"
    with pytest.raises(Refused, match="axes are not known"):
        irconv.write(irconv.read(weights), tmp_path / "m.hf")
    assert not (tmp_path / "m.hf").exists()
