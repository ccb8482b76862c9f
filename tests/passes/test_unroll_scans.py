"""Loops of known length, written out, compute what they computed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.errors import Refused
from irconv.execute import execute
from irconv.ir.bundle import Bundle
from irconv.ir.layers.control import Scan
from irconv.passes import decompose, unroll_scans
from tests.helpers import rejection
from tests.helpers_cases import FIXTURES
from tests.layers.harness import Case, bundle_of, difference
from tests.layers.test_layers import CASES
from tests.layers.wanted import Arrays

RECURRENT = [replace(case, shapes={}) for case in CASES if case.layer.type in ("Scan", "LSTM", "GRU", "RNN")]


def unrolled(bundle: Bundle) -> Bundle:
    assert bundle.graph is not None
    simple = {layer.type for layer in bundle.layers.values()} - {"LSTM", "GRU", "RNN"}
    return unroll_scans.run(
        decompose.run(bundle, lambda layer, given: layer.decompose(given) is None or layer.type in simple)
    )


@pytest.mark.parametrize("case", RECURRENT, ids=lambda case: f"{case.layer.type}: {case.name}")
def test_a_loop_written_out_gives_what_the_framework_gave(case: Case) -> None:
    bundle = unrolled(bundle_of(case))
    assert not any(isinstance(layer, Scan) for layer in bundle.layers.values())
    got = execute(bundle, _named(bundle, case), None)
    for slot, wanted in case.results().items():
        assert difference(got[slot], wanted) <= case.tolerance


def _named(bundle: Bundle, case: Case) -> Arrays:
    assert bundle.graph is not None
    return dict(zip((port.name for port in bundle.graph.inputs), case.inputs.values(), strict=True))


def test_a_loop_over_a_size_that_is_not_known_is_refused() -> None:
    case = next(case for case in RECURRENT if case.layer.type == "LSTM")
    free = replace(case, shapes={"x": ("N", "T", case.inputs["x"].shape[2])}, operands=case.operands)
    only_x = replace(free, inputs={"x": case.inputs["x"]})
    text = rejection(lambda: unrolled(bundle_of(only_x)), Refused)
    assert "is a loop over T steps, and only a known number of them can be written out. --input-shape gives" in text


def test_a_loop_that_would_be_thousands_of_layers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unroll_scans, "MOST", 3)
    case = next(case for case in RECURRENT if case.layer.type == "LSTM")
    text = rejection(lambda: unrolled(bundle_of(case)), Refused)
    assert "layers written out, at most 3 are" in text


def test_a_scan_of_an_onnx_file_is_written_for_keras(tmp_path: Path) -> None:
    import keras

    folder = FIXTURES / "onnx" / "onnx-scan-1"
    irconv.convert(folder / "model.onnx", tmp_path / "m.keras")
    model = keras.saving.load_model(tmp_path / "m.keras", compile=False)
    case = json.loads((folder / "case.json").read_text())
    inputs = [np.load(folder / one["file"]) for one in case["inputs"]]
    got = model(inputs if len(inputs) > 1 else inputs[0])
    got = got if isinstance(got, list | tuple) else [got]
    for one, wanted in zip(got, case["outputs"], strict=True):
        want = np.load(folder / wanted["file"])
        assert float(np.abs(np.asarray(one) - want).max() / np.abs(want).max()) < 1e-5
