"""Two directions over one sequence are one module; other pairs stay two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import irconv
from tests.helpers import GOLDEN, Case, import_file, name_of, read_case

KEYS = [f"{name}_l0{end}" for end in ("", "_reverse") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
#: Layers with states, outputs of every step, and last outputs alone; older versions have other activations.
KINDS = ("bidirectional", "bidirectional_states")
CASES = [case for case in GOLDEN if case.kind in KINDS and case.name.startswith(("tf2.15", "keras3.15"))]


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_bidirectional_layer_is_one_module_with_both_weights(case: Case, tmp_path: Path) -> None:
    irconv.write(read_case(case), tmp_path / "m.py")
    (line, *_) = [line for line in (tmp_path / "m.py").read_text().splitlines() if "bidirectional=True" in line]
    name = line.split()[0].removeprefix("self.")
    assert line.strip() == f"self.{name} = nn.LSTM(4, 3, batch_first=True, bidirectional=True)"
    tensors = load_file(tmp_path / "m.safetensors")
    assert [key for key in KEYS if f"{name}.{key}" in tensors] == KEYS
    assert not np.array_equal(tensors[f"{name}.weight_ih_l0"], tensors[f"{name}.weight_ih_l0_reverse"])


def test_layers_that_are_added_stay_apart(tmp_path: Path) -> None:
    case = next(case for case in GOLDEN if case.name == "tf2.15-bidirectional")
    irconv.write(read_case(case), tmp_path / "m.py")
    text = (tmp_path / "m.py").read_text()
    assert "self.bidirectional_1_forward_layer = nn.LSTM(4, 3, batch_first=True)" in text
    assert "self.bidirectional_1_backward_layer = nn.LSTM(4, 3, batch_first=True)" in text


WORDS = np.array([[3, 1, 2, 4, 1], [0, 0, 0, 0, 0], [0, 0, 5, 1, 2], [0, 3, 0, 2, 0]], np.int32)
"""Whole, masked as a whole, padded in front, and with holes."""


def masked(kind: str, repeat: bool) -> Any:
    """A Keras model of a masked layer in both directions; where outputs repeat, its directions are written apart."""
    import keras

    def layer(**settings: Any) -> Any:
        return getattr(keras.layers, kind)(4, return_sequences=True, **settings)

    words = keras.Input((None,), dtype="int32", name="words")
    x = keras.layers.Embedding(6, 3, mask_zero=True, name="embedding")(words)
    if repeat:
        behind = keras.ops.flip(layer(go_backwards=True, name="both_b")(x), axis=1)
        y = keras.layers.Concatenate()([layer(name="both_a")(x), behind])
    else:
        y = keras.layers.Bidirectional(layer(), name="both")(x)
    model = keras.Model(words, y)
    numbers = np.random.default_rng(7)
    for variable in model.variables:
        variable.assign(numbers.normal(0, 0.5, variable.shape))
    return model


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
@pytest.mark.parametrize("repeat", [False, True])
def test_masked_directions_are_one_module_over_the_kept_steps(kind: str, repeat: bool, tmp_path: Path) -> None:
    import torch

    model = masked(kind, repeat)
    model.save(tmp_path / "m.keras")
    irconv.write(irconv.read(tmp_path / "m.keras"), tmp_path / "m.py")
    text = (tmp_path / "m.py").read_text()
    assert text.count("bidirectional=True") == 1
    assert ("run_masked(self.both" in text, "repeat=True)" in text, "flip" in text) == (True, repeat, False)
    with torch.no_grad():
        got = import_file(tmp_path / "m.py").load()(torch.from_numpy(WORDS)).numpy()
    np.testing.assert_allclose(got, np.asarray(model(WORDS)), atol=1e-6)
