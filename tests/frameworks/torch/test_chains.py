"""Chains of PyTorch's modules become the same chains, under the names that the file has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from irconv import api
from tests.frameworks.torch.test_normalise import CHAINS, _options
from tests.frameworks.torch.test_read import TORCH
from tests.helpers import GOLDEN_ERROR, error, import_file, in_torch

_COUNTER = "num_batches_tracked"


@pytest.mark.parametrize("name", CHAINS)
def test_the_module_has_the_keys_bytes_and_predictions_of_its_source(name: str, tmp_path: Path) -> None:
    arrays = dict(np.load(TORCH / f"{name}.npz"))
    x, y = arrays.pop("x"), arrays.pop("y")
    api.convert(TORCH / f"{name}.pt", tmp_path / "m.py", _options(name, x))
    beside = load_file(tmp_path / "m.safetensors")
    assert beside.keys() == arrays.keys()
    assert all(beside[key].tobytes() == array.tobytes() for key, array in arrays.items())
    state = import_file(tmp_path / "m.py").load().state_dict()
    plain = {key for key in arrays if not key.endswith(_COUNTER)}
    assert {key for key in state if not key.endswith(_COUNTER)} == plain
    assert all(np.array_equal(state[key].numpy(), arrays[key]) for key in plain)
    assert error(in_torch(tmp_path / "m.py", [x]), [y]) < GOLDEN_ERROR


def test_a_chain_in_a_chain_is_one_in_the_source(tmp_path: Path) -> None:
    x = np.load(TORCH / "torch213-module.npz")["x"]
    api.convert(TORCH / "torch213-module.pt", tmp_path / "m.py", _options("torch213-module", x))
    lines = (tmp_path / "m.py").read_text().splitlines()
    start = lines.index("        super().__init__(")
    assert lines[start + 4 : start + 10] == [
        "            nn.AvgPool2d(2),",
        "            nn.Sequential(",
        "                nn.Conv2d(3, 4, 3, bias=False),",
        "                nn.ReLU(),",
        "            ),",
        "            nn.Flatten(),",
    ]


def test_a_module_at_two_places_is_one_module(tmp_path: Path) -> None:
    x = np.load(TORCH / "chain-shared.npz")["x"]
    api.convert(TORCH / "chain-shared.pt", tmp_path / "m.py", _options("chain-shared", x))
    model = import_file(tmp_path / "m.py").load()
    assert model[0] is model[2]
