"""Thirty pairs of real files, each run in its own framework: what is right passes, and every fault is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.options import ReadOptions
from irconv.pipeline.judging import side as side_of
from irconv.verification.check import Request, check
from irconv.verification.compare import difference
from irconv.verification.process import Processes
from irconv.verification.sides import opened
from tests.helpers import ROOT, golden
from tests.verification.pairs import CNN, FAULTS, PAIRS, RIGHT, Pair, renamed


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with Processes() as found:
        yield found


def test_there_are_thirty_pairs_of_which_twenty_have_a_fault() -> None:
    assert (len(PAIRS), len(FAULTS), len({pair.name for pair in PAIRS})) == (30, 20, 30)
    assert all(pair.first for pair in FAULTS)
    assert not any(pair.first for pair in RIGHT)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_right_pairs_agree_and_faults_are_found_with_their_numbers_and_their_layer(
    pair: Pair, processes: Processes, tmp_path: Path
) -> None:
    sides = [side_of(path, ReadOptions()) for path in pair.made(tmp_path)]
    report = check(*sides, Request(layers=True), processes)
    worst = report.worst
    assert worst is not None
    assert report.agree == (pair.first == "")
    assert report.layers is not None
    parting = report.layers.parting
    assert (parting.layer if parting else "") == pair.first
    if report.agree:
        assert worst.difference.relative < 2e-6
    else:
        assert worst.difference.relative > 2 * worst.tolerance
        assert worst.difference.max_abs == pytest.approx(abs(worst.difference.pair[0] - worst.difference.pair[1]))
        assert "instead of" in str(report.problems()[0])


def test_where_irconv_reads_another_function_the_layers_of_the_framework_itself_are_compared(
    processes: Processes, tmp_path: Path
) -> None:
    given, other = (side_of(path, ReadOptions()) for path in FAULTS[0].made(tmp_path))
    assert given.bundle is not None
    norm = given.bundle.layers["bn1"].model_copy(update={"epsilon": 0.7})
    misread = replace(given, bundle=given.bundle.with_layer("bn1", norm))
    report = check(misread, other, Request(layers=True), processes)
    assert report.layers is not None
    assert report.layers.parting is not None
    assert report.layers.parting.layer == FAULTS[0].first
    assert f"{CNN}: irconv reads another function than keras" in report.warnings[-1]
    assert [row.layer for row in report.layers.rows if row.agrees] == ["conv1", "bn1", "act1", "pool1"]


def test_a_fault_in_a_file_whose_names_are_all_others_is_measured_in_its_place(
    processes: Processes, tmp_path: Path
) -> None:
    fault = next(pair for pair in FAULTS if pair.name == "epsilon")
    a, b = fault.made(tmp_path)
    renamed(b)
    report = check(side_of(a, ReadOptions()), side_of(b, ReadOptions()), Request(seeds=1, layers=True), processes)
    assert report.layers is not None
    assert report.layers.parting is not None
    row = report.layers.parting.row
    assert (report.layers.parting.layer, row.other != "bn1", row.difference is not None) == ("bn1", True, True)


def test_the_layers_of_models_inside_a_model_of_keras_are_named_with_what_they_take(processes: Processes) -> None:
    case = ROOT / "fixtures" / "keras_files" / "keras3.15-nested-keras"
    side = opened(side_of(case / "model.keras", ReadOptions()), processes, 0)
    feeds = [np.load(case / f"x_{number}.npy") for number in range(3)]
    names = dict(side.loaded.names(feeds))
    assert names["tower/bn"] == ["tower/c"]
    assert names["tower/bn #2"] == ["tower/c #2"]
    assert names["pair/deep/d"] == ["tower"]
    assert names["out"] == ["concatenate_1"]
    values = dict(side.loaded.values(feeds, ["tower/d #2", "out"]))
    predicted = side.loaded.run(feeds)
    assert list(values) == ["tower/d #2", "out"]
    assert any(difference(values["out"], array).relative < 1e-6 for array in predicted)


@pytest.mark.parametrize(("case", "own"), [("tf2.15-activations", False), ("tf2.15-batch_norm_4d", True)])
def test_what_another_keras_wrote_is_judged_by_todays_where_both_agree_and_else_as_it_is_read(
    case: str, own: bool, processes: Processes, tmp_path: Path
) -> None:
    model = golden(case).model
    irconv.convert(model, tmp_path / "m.onnx")
    sides = [side_of(path, ReadOptions()) for path in (model, tmp_path / "m.onnx")]
    report = check(*sides, Request(), processes)
    assert (report.agree, report.a.own) == (True, own)
    said = "runs it as another function than irconv reads; Keras 2.15.0 wrote it, and was not asked"
    assert any(said in warning for warning in report.warnings) == (not own)
