"""Recurrent layers put together from loops and from steps that are written out, as TensorFlow 1.15 and 2 write them."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.ir.bundle import Bundle
from irconv.ir.layers.base import Layer
from irconv.options import ReadOptions
from irconv.passes import decompose, recompose
from tests.helpers import GOLDEN_ERROR, ROOT

FOLDER = ROOT / "fixtures" / "tensorflow" / "recurrent"
LOOPS = ROOT / "fixtures" / "tensorflow" / "loops"
RECURRENT = ("LSTM", "GRU", "RNN", "Scan")
WANTED = {
    "lstm": "LSTM",
    "gru": "GRU",
    "simple": "RNN",
    "mixed": "GRU RNN GRU",
    "residual": "LSTM LSTM",
    "projected": "LSTM",
    "both": "LSTM GRU",
    "keras_lstm": "LSTM",
    "keras_gru": "GRU",
    "unrolled": "LSTM LSTM",
    "unrolled_gru": "GRU",
    "block": "LSTM",
    "gru_block": "GRU",
    "other": "Scan",
}


@cache
def values() -> dict[str, np.ndarray]:
    with np.load(FOLDER / "values.npz") as file:
        return dict(file)


def results(name: str) -> list[np.ndarray]:
    found = values()
    return [found[f"{name}:y{i}"] for i in range(9) if f"{name}:y{i}" in found]


def read(name: str) -> Bundle:
    count = len(results(name))
    return irconv.read(FOLDER / f"{name}.pb", ReadOptions(outputs=tuple(f"y{i}" for i in range(count))))


def layers(bundle: Bundle) -> list[Layer]:
    assert bundle.graph is not None
    return [bundle.layers[node.layer] for node in bundle.graph.nodes]


def worst(bundle: Bundle, name: str) -> float:
    assert bundle.graph is not None
    given = {"x": values()["x"], "lengths": values()["lengths"]}
    found = irconv.run(bundle, [given[port.name] for port in bundle.graph.inputs]).values()
    wanted = results(name)
    assert [y.shape for y in found] == [y.shape for y in wanted]
    return max(float(np.abs(y - z).max() / np.abs(z).max()) for y, z in zip(found, wanted, strict=True))


@pytest.mark.parametrize("name", WANTED)
def test_cells_of_tensorflow_1_are_layers(name: str) -> None:
    bundle = read(name)
    assert " ".join(layer.type for layer in layers(bundle) if layer.type in RECURRENT) == WANTED[name]
    assert worst(bundle, name) < GOLDEN_ERROR


@pytest.mark.parametrize("name", ["lstm", "gru", "simple", "mixed", "both", "keras_gru", "block"])
def test_layers_taken_apart_into_loops_are_put_together_again(name: str) -> None:
    bundle = read(name)
    apart = decompose.run(bundle, lambda layer, given: layer.type not in ("LSTM", "GRU", "RNN"))
    again = recompose.run(apart)
    assert worst(again, name) < GOLDEN_ERROR


def test_every_array_keeps_its_name_and_bytes() -> None:
    kernel = read("lstm").source_tensors()["rnn/lstm_cell/kernel"]
    assert kernel.shape == (7, 20)
    assert set(read("gru").source_tensors()) >= {"rnn/gru_cell/gates/kernel", "rnn/gru_cell/candidate/bias"}


def test_what_a_cell_does_is_in_the_settings_of_its_layer() -> None:
    (lstm,) = (layer for layer in layers(read("lstm")) if layer.type == "LSTM")
    settings = lstm.settings()
    assert (settings["forget_bias"], settings["cell_clip"], settings["projection_clip"]) == (1.0, 0.5, 0.4)
    assert settings["masked_output"] == "zero"
    assert "projection" in lstm.operands
    assert {"peephole_input", "peephole_forget", "peephole_output"} <= lstm.operands.keys()
    (gru,) = (layer for layer in layers(read("keras_gru")) if layer.type == "GRU")
    settings = gru.settings()
    assert (settings["reset_after"], settings["reverse"], settings["order"]) == (True, True, "processing")
    assert settings["recurrent_activation"].settings() == {"slope": 0.2, "offset": 0.5}


def test_sequences_turned_around_are_read_backwards() -> None:
    kinds = Counter(layer.type for layer in layers(read("both")))
    assert (kinds["ReverseSequence"], kinds["Flip"]) == (0, 0)
    there, back = (layer for layer in layers(read("both")) if layer.type in RECURRENT)
    assert (there.settings()["reverse"], back.settings()["reverse"]) == (False, True)


@pytest.mark.parametrize("name", ["keras2", "keras3"])
def test_masked_layers_of_keras_are_layers_again(name: str) -> None:
    bundle = irconv.read(LOOPS / f"{name}.pb")
    found = [layer for layer in layers(bundle) if layer.type in RECURRENT]
    assert [layer.type for layer in found] == ["LSTM", "LSTM", "GRU"]
    assert [layer.settings()["masked_output"] for layer in found[:2]] == ["zero", "zero"]  # as Bidirectional wants it
    with np.load(LOOPS / f"{name}.npz") as file:
        (y,) = irconv.run(bundle, [file["masked"]]).values()
        assert float(np.abs(y - file["y"]).max() / np.abs(file["y"]).max()) < GOLDEN_ERROR


@pytest.mark.parametrize("name", ["simple", "gru"])
def test_lengths_are_masks_where_a_target_has_no_lengths(name: str, tmp_path: Path) -> None:
    irconv.write(read(name), tmp_path / "m.keras")
    bundle = irconv.read(tmp_path / "m.keras")
    assert WANTED[name] in [layer.type for layer in layers(bundle)]
    assert worst(bundle, name) < GOLDEN_ERROR


def test_the_pass_changes_nothing_twice() -> None:
    bundle = read("mixed")
    assert recompose.run(bundle).graph == bundle.graph
