"""Bare arrays: shown with what they may be, archived without a graph, and sketched as an architecture to complete."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import irconv
from irconv import api
from irconv.cli import main
from irconv.errors import MissingFact, UnknownFormat
from irconv.options import ReadOptions
from tests.frameworks.theano.cases import case
from tests.helpers import GOLDEN_ERROR, error, rejection


def test_arrays_alone_are_grouped_by_name_with_what_cannot_be_seen() -> None:
    bundle = irconv.read(case("storage-folder").model)
    assert bundle.graph is None
    assert {key for group in bundle.groups for key in group.tensors.values()} == {"W", "b", "Wd", "bd"}
    assert any("whether filters are turned (filter_flip) cannot be seen" in group.evidence for group in bundle.groups)
    assert all(group.type is None for group in bundle.groups)


def test_arrays_alone_are_archived_and_checked(tmp_path: Path) -> None:
    irconv.convert(case("storage-pickle-shared").model, tmp_path / "m.irconv")
    assert irconv.check(tmp_path / "m.irconv") == []


def test_a_sketch_is_refused_until_it_is_completed_and_then_right(tmp_path: Path) -> None:
    found = case("lenet-bias-after-pool")
    result = CliRunner().invoke(main, ["sketch", str(found.model), "-o", str(tmp_path / "arch.json")])
    assert result.exit_code == 0, result.output
    reading = ReadOptions(arch=tmp_path / "arch.json")
    assert "filter_flip" in rejection(lambda: irconv.read(found.model, reading), MissingFact)
    data = json.loads((tmp_path / "arch.json").read_text())
    (conv,) = data["layers"]
    assert (conv["kind"], conv["filter_flip"], conv["border_mode"], conv["stride"]) == ("conv2d", None, None, None)
    assert conv["note"].startswith("assumed: ")
    data["inputs"][0]["shape"] = [None, 1, 9, 8]
    bias = {
        "name": "l",
        "kind": "bias",
        "inputs": ["p"],
        "arrays": {"b": conv["arrays"].pop("b")},
        "activation": "tanh",
    }
    conv["array_shapes"].pop("b")
    conv |= {"filter_flip": True, "border_mode": "valid", "stride": [1, 1], "activation": None}
    pool = {"name": "p", "kind": "pool2d", "inputs": [conv["name"]], "ws": [2, 2], "ignore_border": True, "mode": "max"}
    data["layers"] += [pool, bias]
    data["outputs"][0]["layer"] = "l"
    (tmp_path / "arch.json").write_text(json.dumps(data))
    results = irconv.run(irconv.read(found.model, reading), found.inputs)
    assert error(list(results.values()), found.outputs) < GOLDEN_ERROR


@pytest.mark.parametrize("name", ["storage-folder", "storage-npz-list", "storage-pickle-list", "storage-dressed"])
def test_every_storage_can_be_sketched(name: str, tmp_path: Path) -> None:
    notes = api.sketch(case(name).model, tmp_path / "arch.json")
    assert any("conv2d" in note for note in notes)
    assert len(json.loads((tmp_path / "arch.json").read_text())["weights"]["arrays"]) >= 4


def test_what_holds_no_arrays_is_not_sketched(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    message = rejection(lambda: api.sketch(tmp_path / "a.txt", tmp_path / "o.json"), UnknownFormat)
    assert "expected bare arrays" in message
