"""Bundles that are in order, but say of their model what none has, or have names that mean something else here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

import irconv
from irconv.errors import DamagedFile
from irconv.ir.layers.activations import Relu
from irconv.ir.layers.convolution import Linear
from tests.helpers import ROOT, Builder, numbers, rejection

X = numbers(2, 3)


def test_a_fact_of_keras_that_is_no_json_says_nothing(tmp_path: Path) -> None:
    bundle = irconv.read(ROOT / "fixtures" / "keras" / "tf2.15-residual" / "model.h5")
    facts = tuple(fact.model_copy(update={"value": "no json"}) for fact in bundle.source.facts)
    assert "model" in {fact.name for fact in facts}
    source = bundle.source.model_copy(update={"facts": facts})
    irconv.write(replace(bundle, source=source), tmp_path / "m.keras")
    assert irconv.diff(bundle, tmp_path / "m.keras").same


def test_a_model_without_outputs_is_refused(tmp_path: Path) -> None:
    bundle = Builder(x=("N", 3)).add("act", Relu(), "x").build()
    assert bundle.graph is not None
    graph = bundle.graph.model_copy(update={"outputs": ()})
    irconv.write(replace(bundle, graph=graph), tmp_path / "m.irconv")
    text = rejection(lambda: irconv.read(tmp_path / "m.irconv"), DamagedFile)
    assert text == f"{tmp_path / 'm.irconv'}: names no outputs, so that nothing is computed."


@pytest.mark.parametrize("name", ["one.W", "one.B", "one.kernel", "one.bias", "two.kernel", "two.W", "transpose_10"])
@pytest.mark.parametrize("target", ["m.onnx", "m.keras", "m.h5", "m.savedmodel"])
def test_a_value_may_be_called_like_a_weight_of_a_layer(name: str, target: str, tmp_path: Path) -> None:
    """An initializer, a slot of a layer and a value share a space of names, and none is taken for another."""
    builder = Builder(x=("N", 3)).add("one", Linear(), "x", kernel=numbers(3, 3), bias=numbers(3))
    builder.add(name, Relu(), "one").add("two", Linear(), name, kernel=numbers(3, 3) + 1, bias=numbers(3))
    bundle = builder.build(name, "two")
    wanted = list(irconv.run(bundle, [X], "numpy").values())
    irconv.write(bundle, tmp_path / target)
    found = irconv.run(irconv.read(tmp_path / target), [X], io="native")
    assert sorted(len(array.shape) for array in found.values()) == [2, 2]
    pairs = [min(np.abs(a - b).max() for b in found.values()) for a in wanted]
    assert max(pairs) < 1e-6
    if target == "m.onnx":
        onnx.checker.check_model(onnx.load(tmp_path / target))
