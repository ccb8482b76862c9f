"""Two directions over one sequence are one module; other pairs stay two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import irconv
from tests.helpers import GOLDEN, Case, name_of, read_case

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
