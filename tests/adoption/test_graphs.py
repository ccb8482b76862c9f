"""Keras models into PyTorch classes whose names and order say nothing: graphs on both sides, checked by running."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import irconv
from irconv import AdoptOptions
from irconv.adoption.result import Adoption
from irconv.errors import Refused
from tests.helpers import ROOT

FOLDER = ROOT / "fixtures" / "adoption"
NETS = FOLDER / "user_nets.py"


def adopted(name: str, cls: str, folder: Path, nets: Path = NETS, **options: Any) -> tuple[Adoption, float]:
    """What was placed, and the largest difference to what Keras predicted."""
    import torch

    from irconv.frameworks.torch.live import build

    out = folder / "out.safetensors"
    found = irconv.adopt(FOLDER / f"{name}.keras", f"{nets}:{cls}", out, AdoptOptions(**options))
    net = build(nets, cls).eval()
    net.load_state_dict(
        {key: torch.from_numpy(data.numpy().copy()) for key, data in found.tensors.items()}, strict=False
    )
    x, y = np.load(FOLDER / f"{name}_x.npy"), np.load(FOLDER / f"{name}_y.npy")
    with torch.no_grad():
        got = net(torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)) if x.ndim == 4 else x)).numpy()
    return found, float(np.abs(got - y).max() / np.abs(y).max())


def test_a_bias_goes_into_the_norm_behind_and_an_absent_scale_is_one(tmp_path: Path) -> None:
    found, error = adopted("settings", "Settings", tmp_path)
    assert error < 2e-6
    assert found.differences == ()
    steps = {placed.name: placed.steps for placed in found.placed}
    assert steps["birch.running_mean"] == ("less stem_conv.bias, as the target's layer before it has no bias",)
    assert steps["zinc.weight"] == ("filled with 1, as the source has none",)


def test_norms_are_folded_into_a_target_that_has_none(tmp_path: Path) -> None:
    found, error = adopted("settings", "Folded", tmp_path)
    assert error < 2e-6
    steps = {placed.name: placed.steps for placed in found.placed}
    assert steps["stem.weight"] == ("stem_bn folded in, with its epsilon of 0.001",)


def test_the_settings_by_which_the_target_is_another_function_are_listed_and_it_is_seen_where(tmp_path: Path) -> None:
    cls = "Settings((1, 1, 1, 1), 1, True, 1e-5)"
    found, error = adopted("settings", cls, tmp_path, verify=True)
    assert error > 1e-3
    assert [str(difference) for difference in found.differences] == [
        "zinc: epsilon is 1e-05, but 0.001 in the source (body_bn)",
        "birch: epsilon is 1e-05, but 0.001 in the source (stem_bn)",
        "cedar: stride is (1, 1), but (2, 2) in the source (stem_conv)",
        "cedar: padding is ((1, 1), (1, 1)), but ((0, 1), (0, 1)) in the source (stem_conv)",
        "amber: averagepool before it: counts its padding is True, but False in the source (body_conv)",
    ]
    assert found.first is not None
    assert found.first.name == "birch"


def test_concatenated_twins_follow_the_ports(tmp_path: Path) -> None:
    found, error = adopted("joined", "Twins(True)", tmp_path)
    assert error < 2e-6
    assert not any(placed.exchangeable for placed in found.placed)


def test_added_twins_are_placed_as_whole_branches_and_said_to_be_interchangeable(tmp_path: Path) -> None:
    found, error = adopted("added", "Twins(False)", tmp_path)
    assert error < 2e-6
    exchangeable = {placed.name: placed.exchangeable for placed in found.placed if placed.exchangeable}
    assert exchangeable in (
        {"vale.weight": ("yarrow",), "vale.bias": ("yarrow",)},
        {"umber.weight": ("willow",), "umber.bias": ("willow",)},
    )


def test_sequences_and_attention_by_hand(tmp_path: Path) -> None:
    found, error = adopted("sequences", "Sequences", tmp_path)
    assert error < 5e-6
    sources = {placed.name: placed.sources for placed in found.placed}
    assert sources["attention.gorse.weight"] == ("attention.query_kernel",)
    assert sources["attention.wise.bias"] == ("attention.output_bias",)
    assert sources["first.bias_hh_l0"] == ()


def test_a_flattened_image_is_turned_by_the_graph(tmp_path: Path) -> None:
    found, error = adopted("flattened", "Flattened", tmp_path)
    assert error < 2e-6
    assert {placed.name: placed.sure for placed in found.placed}["kelp.weight"] == "strong"


def test_a_target_that_turns_its_image_before_it_is_flattened_gets_its_columns_in_that_order(tmp_path: Path) -> None:
    plain, turned = "F.max_pool2d(x, 2).flatten(1)", "F.max_pool2d(x, 2).permute(0, 2, 3, 1).flatten(1)"
    nets = tmp_path / "net.py"
    nets.write_text(NETS.read_text().replace(plain, turned))
    _, error = adopted("flattened", "Flattened", tmp_path, nets)
    assert error < 2e-6


def test_a_keras_target_keeps_everything_but_its_weights(tmp_path: Path) -> None:
    weights, back, told = tmp_path / "there.safetensors", tmp_path / "back.keras", tmp_path / "map.json"
    irconv.adopt(FOLDER / "sequences.keras", f"{NETS}:Sequences", weights)
    with pytest.raises(Refused, match=r"could be attention.wise, attention.elm, attention.fern, attention.gorse of"):
        irconv.adopt(weights, FOLDER / "sequences.keras", back)
    names = {"query": "gorse", "key": "elm", "value": "fern", "output": "wise"}
    pairs = {f"attention.{word}": f"attention.{name}" for word, name in names.items()}
    told.write_text(json.dumps({"irconv": "map/1", "map": pairs}))
    irconv.adopt(weights, FOLDER / "sequences.keras", back, AdoptOptions(map=told))
    with zipfile.ZipFile(FOLDER / "sequences.keras") as before, zipfile.ZipFile(back) as after:
        assert before.namelist() == after.namelist()
        assert before.read("config.json") == after.read("config.json")
    first, second = (irconv.read(path) for path in (FOLDER / "sequences.keras", back))
    for key, tensor in first.tensors.items():
        np.testing.assert_allclose(second.tensors[key].data.numpy(), tensor.data.numpy(), atol=1e-7, err_msg=key)
