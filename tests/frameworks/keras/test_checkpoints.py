"""Weights of Keras in TensorFlow's format: by layer, and with the model's JSON as the model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import irconv
from irconv.containers import tensor_bundle
from irconv.errors import Refused
from irconv.options import ReadOptions
from tests.helpers import GOLDEN_ERROR, ROOT, rejection

FOLDER = ROOT / "fixtures" / "tensorflow" / "objects"
ARCH = ReadOptions(arch=FOLDER / "model.json")


def test_weights_are_grouped_by_layer_and_the_optimizer_is_left_out() -> None:
    bundle = irconv.read(FOLDER / "ckpt")
    assert bundle.source.framework == "keras"
    assert [group.name for group in bundle.groups] == ["first", "norm", "last"]
    assert bundle.groups[1].type == "BatchNorm"
    reasons = {left.name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"): left.reason for left in bundle.omitted}
    assert reasons["step"] == "no weight of the model"
    assert reasons["optimizer/_variables/1"] == "optimizer state"
    assert len(reasons) + len(bundle.tensors) == len(tensor_bundle.read(FOLDER / "ckpt").tensors)


def test_with_its_json_it_is_the_model_and_predicts_what_keras_did() -> None:
    bundle = irconv.read(FOLDER / "ckpt", ARCH)
    assert [node.layer for node in bundle.graph.nodes][:1] == ["first"] if bundle.graph else False
    with np.load(FOLDER / "values.npz") as values:
        (found,) = irconv.run(bundle, [values["x"]]).values()
        assert np.abs(found - values["y"]).max() / np.abs(values["y"]).max() < GOLDEN_ERROR
    trainable = {key: tensor.record.trainable for key, tensor in bundle.tensors.items()}
    assert [key for key, trained in trainable.items() if not trained] == ["norm.mean", "norm.variance"]


def test_a_model_of_other_layers_is_refused(tmp_path: Path) -> None:
    config = json.loads((FOLDER / "model.json").read_text())
    del config["config"]["layers"][-1]
    (tmp_path / "other.json").write_text(json.dumps(config))
    text = rejection(lambda: irconv.read(FOLDER / "ckpt", ReadOptions(arch=tmp_path / "other.json")), Refused)
    what = "expected 2 layers with weights (first, norm), but the checkpoint has 3"
    assert text == f"{FOLDER / 'ckpt'}: net: {what}. Give the model of these weights with --arch."


def test_a_layer_without_its_variable_is_refused_by_name(tmp_path: Path) -> None:
    config = json.loads((FOLDER / "model.json").read_text())
    config["config"]["layers"][1]["class_name"] = "DepthwiseConv2D"
    (tmp_path / "other.json").write_text(json.dumps(config))
    text = rejection(lambda: irconv.read(FOLDER / "ckpt", ReadOptions(arch=tmp_path / "other.json")), Refused)
    assert "layer first (DepthwiseConv2D): expected the variable depthwise_kernel, which the checkpoint" in text
