"""Weights in shards of a size that is asked for: every number where it was, placed so that no mixture is ever read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import irconv
from irconv.errors import MissingFact, OutputFailed, UnusedOption
from irconv.options import said_size
from tests.helpers import lenet, rejection

SHAPES = {"a.weight": (30, 7), "a.bias": (30,), "b.weight": (50, 30), "b.bias": (50,), "c.weight": (5, 50)}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    random = np.random.default_rng(5)
    arrays = {name: random.standard_normal(shape).astype(np.float32) for name, shape in SHAPES.items()}
    save_file(arrays, tmp_path / "source.safetensors", metadata={"format": "pt"})
    return tmp_path / "source.safetensors"


def merged(index: Path) -> dict[str, Any]:
    placed = json.loads(index.read_text())["weight_map"]
    found: dict[str, Any] = {}
    for name in sorted(set(placed.values())):
        shard = load_file(index.parent / name)
        assert all(placed[key] == name for key in shard)
        found |= shard
    return found


def same(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return found.keys() == wanted.keys() and all(np.array_equal(found[key], wanted[key]) for key in wanted)


def test_weights_are_put_into_shards_of_the_size_that_is_asked_for(source: Path, tmp_path: Path) -> None:
    written = irconv.convert(source, tmp_path / "m.safetensors", shard_size="1KB")
    assert [path.name for path in written.files] == [
        *(f"m-0000{number}-of-00004.safetensors" for number in (1, 2, 3, 4)),
        "m.safetensors.index.json",
    ]
    assert same(merged(tmp_path / "m.safetensors.index.json"), load_file(source))


def test_shards_are_read_and_put_into_others_and_together_again(source: Path, tmp_path: Path) -> None:
    irconv.convert(source, tmp_path / "first.hf", shard_size=1000)
    index = tmp_path / "first.hf" / "model.safetensors.index.json"
    assert same(merged(index), load_file(source))
    irconv.convert(tmp_path / "first.hf", tmp_path / "second.hf", shard_size="7.1 KB")
    assert same(merged(tmp_path / "second.hf" / index.name), load_file(source))
    assert len(list((tmp_path / "second.hf").glob("model-*.safetensors"))) == 2
    irconv.convert(tmp_path / "second.hf", tmp_path / "whole.safetensors")
    assert same(load_file(tmp_path / "whole.safetensors"), load_file(source))


def test_whole_weights_and_shards_of_one_name_do_not_lie_beside_each_other(source: Path, tmp_path: Path) -> None:
    irconv.convert(source, tmp_path / "m.safetensors")
    asked: dict[str, Any] = {"shard_size": "1KB", "force": True}
    text = rejection(lambda: irconv.convert(source, tmp_path / "m.safetensors", **asked), OutputFailed)
    assert text == (
        f"{tmp_path / 'm.safetensors'}: is there, and readers would not know which to take: it, or "
        "m.safetensors.index.json. Remove it first, or give another name."
    )
    (tmp_path / "m.safetensors").unlink()
    irconv.convert(source, tmp_path / "m.safetensors", **asked)
    text = rejection(lambda: irconv.convert(source, tmp_path / "m.safetensors", force=True), OutputFailed)
    assert text.startswith(f"{tmp_path / 'm.safetensors.index.json'}: is there, and readers would not know")


def test_a_size_has_an_effect_or_is_refused(source: Path, tmp_path: Path) -> None:
    text = rejection(lambda: irconv.convert(source, tmp_path / "m.pt", shard_size="1KB"), UnusedOption)
    assert text == "--shard-size 1KB: has no effect: .pt files are whole, and .safetensors have shards. Leave it out."
    model = lenet("tf2.15-lenet5-h5").model
    text = rejection(lambda: irconv.convert(model, tmp_path / "m.hf", shard_size="1KB"), UnusedOption)
    assert "has no effect: model.py loads one file" in text
    assert not (tmp_path / "m.hf").exists()


@pytest.mark.parametrize("said", ["0", "much", "5 TB", "-1", "1e9", "", "0.1"])
def test_a_size_that_is_none_is_refused(said: str) -> None:
    with pytest.raises(MissingFact, match="expected a size such as 5GB or 500MiB"):
        said_size(said)
