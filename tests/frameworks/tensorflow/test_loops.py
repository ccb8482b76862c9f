"""Loops and branches of TensorFlow 2, as TensorFlow 2.15 and 2.21 save them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import irconv
from irconv.containers import messages
from irconv.errors import DamagedFile, Refused
from irconv.options import ReadOptions
from tests.helpers import GOLDEN_ERROR, ROOT, rejection

LOOPS = ROOT / "fixtures" / "tensorflow" / "loops"
FUNCTIONS = LOOPS / "functions"
LOOP_OPS = ("While", "StatelessWhile")
FILE = FUNCTIONS / "saved_model.pb"


def error(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("name", ["keras2", "keras3"])
def test_recurrent_layers_of_keras_with_masks_and_two_directions_are_read(name: str) -> None:
    bundle = irconv.read(LOOPS / f"{name}.pb")
    with np.load(LOOPS / f"{name}.npz") as values:
        (found,) = irconv.run(bundle, [values["masked"]]).values()
        assert error(found, values["y"]) < GOLDEN_ERROR


@pytest.mark.parametrize("signature", ["mapped", "counted"])
def test_loops_over_rows_and_over_numbers_are_read(signature: str) -> None:
    bundle = irconv.read(FUNCTIONS, ReadOptions(signature=signature))
    with np.load(LOOPS / "keras3.npz") as values:
        (found,) = irconv.run(bundle, [values["x"]]).values()
        assert error(found, values[signature]) < GOLDEN_ERROR


@pytest.mark.parametrize("training", [True, False])
def test_a_branch_is_taken_by_a_condition_that_is_given(training: bool) -> None:
    options = ReadOptions(signature="branched", fix=(f"branched_training={training}",))
    bundle = irconv.read(FUNCTIONS, options)
    with np.load(LOOPS / "keras3.npz") as values:
        (found,) = irconv.run(bundle, [values["x"]]).values()
        assert error(found, values[f"branched_{training}"]) < GOLDEN_ERROR


def test_a_loop_that_ends_by_what_it_computes_is_refused() -> None:
    text = rejection(lambda: irconv.read(FUNCTIONS, ReadOptions(signature="until")), Refused)
    assert text == (
        f"{FILE}: while_1/Exit_2 (Exit): goes on for as long as while_1/cond/while/Greater (Greater) holds, and not up "
        "to a number of steps."
    )


def changed(tmp_path: Path, change: Callable[[Any], None]) -> Path:
    """The file of the functions with its library changed."""
    message = messages.parse("tensorflow", "SavedModel", FILE.read_bytes(), "m")
    change(message.meta_graphs[0].graph_def.library)
    file = tmp_path / "saved_model.pb"
    file.write_bytes(message.SerializeToString())
    return tmp_path


def test_a_loop_whose_condition_is_the_function_around_it_is_refused(tmp_path: Path) -> None:
    def recurse(library: Any) -> None:
        for function in library.function:
            for node in function.node_def:
                if node.op in LOOP_OPS:
                    node.attr["cond"].func.name = function.signature.name

    text = rejection(lambda: irconv.read(changed(tmp_path, recurse)), Refused)
    assert "calls itself, which irconv does not follow" in text


def test_a_loop_without_a_body_is_damaged(tmp_path: Path) -> None:
    def forget(library: Any) -> None:
        for function in library.function:
            for node in function.node_def:
                if node.op in LOOP_OPS:
                    del node.attr["body"]

    text = rejection(lambda: irconv.read(changed(tmp_path, forget)), DamagedFile)
    assert text.endswith("expected the functions cond and body.")
