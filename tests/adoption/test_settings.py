"""The settings by which a target is another function than the source, whatever its weights: each is listed."""

from __future__ import annotations

from pathlib import Path

import pytest

import irconv
from irconv import AdoptOptions
from irconv.adoption.result import Adoption
from tests.helpers import ROOT

FOLDER = ROOT / "fixtures" / "adoption"


def adopted(name: str, cls: str, folder: Path) -> Adoption:
    """`adopt` with both sides run."""
    target = f"{FOLDER / 'other_settings.py'}:{cls}"
    return irconv.adopt(FOLDER / f"{name}.keras", target, folder / "out.pt", AdoptOptions(verify=True))


def test_recurrent_layers_activations_and_what_is_taken_of_an_axis_have_settings(tmp_path: Path) -> None:
    found = adopted("gates", "Gates", tmp_path)
    assert sorted(map(str, found.differences)) == [
        "body: leakyrelu before it: slope is 0.01, but 0.3 in the source (body)",
        "gru: recurrent_activation is Sigmoid, but HardSigmoid(slope=0.166667, offset=0.5) in the source (gru)",
        "gru: reset_after is True, but False in the source (gru)",
        "head: gelu before it: approximation is tanh, but none in the source (head)",
        "head: what is taken of whole axes before it is mean, but max in the source (head)",
        "lstm: recurrent_activation is Sigmoid, but HardSigmoid(slope=0.166667, offset=0.5) in the source (lstm)",
        "output 0: softmax before it: axis is 0, but 1 in the source (output 0)",
    ]
    assert found.first is not None
    assert found.first.name == "gru"


def test_a_target_with_the_sources_settings_is_the_same_function(tmp_path: Path) -> None:
    found = adopted("maps", "Maps", tmp_path)
    assert found.differences == ()
    assert found.first is None


@pytest.mark.parametrize(
    ("arguments", "differences"),
    [
        ("0", ["up: padding is ((0, 0), (0, 0)), but ((1, 1), (1, 1)) in the source (up)"]),
        ("groups=4", ["norm: groups is 4, but 2 in the source (norm)"]),
        (
            "corners=True",
            [
                "body: resize before it: coordinates is align_corners, but half_pixel in the source (body)",
                "concat behind up: resize before it: coordinates is align_corners, but half_pixel in the source "
                "(concat behind up)",
            ],
        ),
        (
            "heads=2, causal=False",
            [
                "attention behind q: causal is none, but first in the source (attention behind attention.query)",
                "attention behind q: heads is 2, but 3 in the source (attention behind attention.query)",
                "attention behind q: scale is 0.408248, but 0.5 in the source (attention behind attention.query)",
            ],
        ),
    ],
)
def test_each_setting_that_differs_is_listed_alone(arguments: str, differences: list[str], tmp_path: Path) -> None:
    found = adopted("maps", f"Maps({arguments})", tmp_path)
    assert sorted(map(str, found.differences)) == differences
    assert found.parts
