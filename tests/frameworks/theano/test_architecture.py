"""Architectures that leave something open, or say what cannot be, are refused with the place and the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import irconv
from irconv.errors import DamagedFile, MissingFact, Refused
from irconv.options import ReadOptions
from tests.frameworks.theano.cases import case
from tests.helpers import rejection

Change = Callable[[dict[str, Any]], object]


def _read(change: Change, tmp_path: Path, name: str = "storage-folder") -> irconv.Bundle:
    found = case(name)
    data = json.loads((found.folder / "arch.json").read_text())
    change(data)
    (tmp_path / "arch.json").write_text(json.dumps(data))
    return irconv.read(found.model, ReadOptions(arch=tmp_path / "arch.json"))


@pytest.mark.parametrize("value", ["absent", None])
def test_a_missing_filter_flip_is_refused_with_what_it_changes(value: object, tmp_path: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data["layers"][0].pop("filter_flip")
        if value is None:
            data["layers"][0]["filter_flip"] = None

    message = rejection(lambda: _read(change, tmp_path), MissingFact)
    assert "layers.0.filter_flip (layer 'c'): expected filter_flip to be true or false" in message
    assert "the wrong choice gives wrong predictions" in message


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        (lambda d: d["layers"][0].update(stride="2"), Refused, "layers.0.stride (layer 'c')"),
        (lambda d: d["layers"][0].update(strides=[1, 1]), Refused, "layers.0.strides (layer 'c')"),
        (lambda d: d["layers"][0].update(kind="conv4d"), Refused, "layers.0.kind (layer 'c'): expected one of"),
        (
            lambda d: d["layers"][0].update(border_mode=None),
            MissingFact,
            "border_mode (layer 'c'): is left open",
        ),
        (
            lambda d: d["layers"][0].update(border_mode=[1]),
            Refused,
            "border_mode: expected a border for each of 2",
        ),
        (lambda d: d["layers"][1].update(activation="unknown"), MissingFact, "activation (layer 'd'): is left"),
        (lambda d: d["layers"][1].update(inputs=["z"]), Refused, "layers that stand before it, got 'z'"),
        (lambda d: d["layers"][1].update(name="c"), Refused, "the name 'c' is taken already"),
        (lambda d: d["layers"][1]["arrays"].pop("W"), MissingFact, "layers.1.arrays (layer 'd'): expected W"),
        (lambda d: d["layers"][1]["arrays"].update(U="W"), Refused, "dense has no U"),
        (
            lambda d: d["layers"][1].update(array_shapes={"W": [4, 75]}),
            Refused,
            "expected shape (4, 75), got (75, 4)",
        ),
        (
            lambda d: d["weights"]["arrays"]["W"].update(dataset="V"),
            MissingFact,
            "weights.arrays.W: expected one",
        ),
        (lambda d: d["weights"]["arrays"]["W"].update(reshape=[7]), Refused, "does not take the shape [7]"),
        (lambda d: d["weights"]["arrays"]["W"].update(transpose=[0, 0]), Refused, "is no order of the axes"),
        (lambda d: d["outputs"][0].update(layer="z"), Refused, "outputs.0.layer: expected the name of a layer"),
        (lambda d: d.update(format="theano-arch/2"), Refused, "format: expected 'theano-arch/1'"),
        (lambda d: d.update(layers=7), Refused, "layers: input should be a valid list, got 7"),
        (lambda d: d["layers"].insert(0, 7), Refused, "layers.0: input should be a valid dictionary or object"),
        (lambda d: d["layers"].insert(0, [1]) or d["layers"][2].update(name=3), Refused, "got [1]"),
        (lambda d: d["inputs"][0].update(layout="NC"), Refused, "expected a letter for each of 4 axes"),
    ],
)
def test_a_wrong_entry_is_refused_by_its_place(change: Change, kind: Any, text: str, tmp_path: Path) -> None:
    assert text in rejection(lambda: _read(change, tmp_path), kind)


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data["layers"][0].update(filter_flip=None, border_mode=None)
        data["layers"][1].update(activation="unknown")

    with pytest.raises(MissingFact) as raised:
        _read(change, tmp_path)
    assert len(raised.value.problems) == 3


def test_arrays_need_no_places_where_they_have_the_names_themselves(tmp_path: Path) -> None:
    assert len(_read(lambda d: d.pop("weights"), tmp_path).tensors) == 4


def test_a_file_that_is_no_json_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "arch.json").write_text('{"format": ')
    found = case("conv-valid")
    reading = ReadOptions(arch=tmp_path / "arch.json")
    assert "expected JSON, got" in rejection(lambda: irconv.read(found.model, reading), DamagedFile)


def test_yaml_in_which_things_stand_for_others_is_damaged(tmp_path: Path) -> None:
    laughs = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    (tmp_path / "arch.yaml").write_text(f"format: theano-arch/1\na0: &a0 [1]\n{laughs}")
    reading = ReadOptions(arch=tmp_path / "arch.yaml")
    message = rejection(lambda: irconv.read(case("conv-valid").model, reading), DamagedFile)
    assert message.endswith(
        "expected JSON or YAML, got an alias: a few lines of them can mean more than any memory holds."
    )


def test_a_large_yaml_is_refused_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "arch.yaml").write_text("format: theano-arch/1\nlayers:\n" + "- a\n" * 300_000)
    reading = ReadOptions(arch=tmp_path / "arch.yaml")
    message = rejection(lambda: irconv.read(case("conv-valid").model, reading), DamagedFile)
    assert "expected JSON or YAML, got a text of 1200030 letters, of which YAML may have 1048576" in message


def test_a_transposed_convolution_whose_sizes_disagree_is_refused(tmp_path: Path) -> None:
    change: Change = lambda data: data["layers"][0].update(output_size=[20, 17])  # noqa: E731
    message = rejection(lambda: _read(change, tmp_path, "transposed-valid"), Refused)
    assert "output_size 20 is not the size of an input whose convolution has 5 results: expected 11 to 12" in message


def test_pickled_code_is_refused_and_not_run(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    (tmp_path / "evil.pkl").write_bytes(b"cposix\nsystem\n(S'touch " + str(canary).encode() + b"'\ntR.")
    message = rejection(lambda: irconv.read(tmp_path / "evil.pkl", ReadOptions(source_format="theano")), Refused)
    assert "posix.system" in message or "os.system" in message
    assert not canary.exists()
