"""What the user says: maps, plans, renames."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv import AdoptOptions
from irconv.api import plan as plan_of
from irconv.api import rename
from irconv.errors import MissingFact, Refused
from tests.adoption.files import arrays, loaded, saved

SOURCE = {"conv1.weight": (8, 3, 3, 3), "conv2.weight": (8, 8, 3, 3), "conv3.weight": (8, 8, 3, 3)}
TARGET = {"amber.weight": (8, 8, 3, 3), "birch.weight": (8, 3, 3, 3), "cedar.weight": (8, 8, 3, 3)}


def files(folder: Path) -> tuple[Path, Path, Path]:
    source = saved(folder / "src.safetensors", arrays(1, SOURCE))
    return source, saved(folder / "like.safetensors", arrays(2, TARGET)), folder / "out.safetensors"


def test_a_plan_is_edited_into_a_map_that_is_followed(tmp_path: Path) -> None:
    source, like, out = files(tmp_path)
    plan = tmp_path / "map.json"
    plan_of(source, like, plan)
    document = json.loads(plan.read_text())
    assert document["map"] == {"birch": "conv1"}
    assert document["open"][0]["target"] == ["amber", "cedar"]
    assert document["open"][0]["could be"] == ["conv2", "conv3"]
    document["map"]["amber.weight"] = "conv3.weight"
    plan.write_text(json.dumps(document))
    found = irconv.adopt(source, like, out, AdoptOptions(map=plan))
    np.testing.assert_array_equal(loaded(out)["amber.weight"], loaded(source)["conv3.weight"])
    np.testing.assert_array_equal(loaded(out)["cedar.weight"], loaded(source)["conv2.weight"])
    assert {placed.name: placed.sure for placed in found.placed}["amber.weight"] == "told"


def test_null_keeps_a_layer_as_it_is(tmp_path: Path) -> None:
    source, like, out = files(tmp_path)
    plan = tmp_path / "map.json"
    plan.write_text('{"irconv": "map/1", "map": {"amber": null, "cedar": "conv2"}}')
    found = irconv.adopt(source, like, out, AdoptOptions(map=plan, partial=True))
    np.testing.assert_array_equal(loaded(out)["amber.weight"], loaded(like)["amber.weight"])
    assert (found.untouched, found.left) == (("amber.weight",), ("conv3.weight",))


def test_renames_turn_names_of_the_source_into_those_of_the_target(tmp_path: Path) -> None:
    source, like, out = files(tmp_path)
    rules = ("conv2=cedar", "^conv3$=amber")
    irconv.adopt(source, like, out, AdoptOptions(rename=rules))
    np.testing.assert_array_equal(loaded(out)["cedar.weight"], loaded(source)["conv2.weight"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", 'expected a map, which begins with "irconv": "map/1"'),
        ('{"irconv": "map/1", "maps": {}}', "maps: expected rename and map, and nothing else"),
        ('{"irconv": "map/1", "map": {"ambr": "conv1"}}', "the target has nothing of this name. Nearest are amber"),
        (
            '{"irconv": "map/1", "map": {"amber": "conv2", "cedar": "conv2"}}',
            "conv2: is told to be several: amber, cedar",
        ),
        ('{"irconv": "map/1", "rename": [["(", "x"]]}', "expected a regular expression and its replacement"),
        ('{"irconv": "map/1", "rename": [["dense", "x"]]}', "rename dense: matches no name of the source"),
    ],
)
def test_a_map_that_says_nothing_sensible_is_refused(text: str, message: str, tmp_path: Path) -> None:
    source, like, out = files(tmp_path)
    plan = tmp_path / "map.json"
    plan.write_text(text)
    with pytest.raises(MissingFact) as error:
        irconv.adopt(source, like, out, AdoptOptions(map=plan))
    assert message in "\n".join(map(str, error.value.problems))
    assert not out.exists()


def test_what_is_told_must_fit(tmp_path: Path) -> None:
    source, like, out = files(tmp_path)
    plan = tmp_path / "map.json"
    plan.write_text('{"irconv": "map/1", "map": {"amber": "conv1"}}')
    with pytest.raises(
        Refused, match=r"target amber.weight: expected shape \(8, 8, 3, 3\), but conv1.weight has \(8, 3"
    ):
        irconv.adopt(source, like, out, AdoptOptions(map=plan, partial=True))


def test_names_alone_may_be_changed(tmp_path: Path) -> None:
    source, _, out = files(tmp_path)
    changed = rename(source, [r"^conv(\d)=layers.\1"], out)
    assert changed["conv2.weight"] == "layers.2.weight"
    np.testing.assert_array_equal(loaded(out)["layers.2.weight"], loaded(source)["conv2.weight"])
    with pytest.raises(Refused, match=r"x: would be the name of 3 tensors: conv1.weight, conv2.weight, conv3.weight"):
        rename(source, ["^.*$=x"], tmp_path / "other.safetensors")
    with pytest.raises(MissingFact, match=r"rename=\(.dense.,\): matches no name of the source"):
        rename(source, ["dense=x"], tmp_path / "other.safetensors")
