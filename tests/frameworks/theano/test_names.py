"""Names of arrays that are no names of files: everything stays in the destination, and predicts the same."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.errors import Refused
from irconv.options import ReadOptions, WriteOptions
from tests.helpers import datasets, error, numbers, rejection

NAMES = {
    "upwards": ("../../evil_W", "../evil_b"),
    "two dots": ("..", "."),
    "absolute": ("/tmp/evil_W", "\\\\server\\share\\b"),
    "NUL": ("\0", "a\0b"),
    "half a character": ("\ud800", "\udfff"),
    "case": ("W", "w"),
    "folders and files": ("a", "a/b"),
    "folders called like files": ("a", "a.h5/b"),
    "a stroke at the end": ("a/", "a//"),
    "empty": ("", " "),
    "devices": ("NUL", "com1.W"),
    "hidden": (".W", "__b"),
    "long": ("x" * 300, "x" * 301),
    "escapes": ("%00", "\0"),
    "code": ('"); open("evil", "w"); ("', '"""\nb'),
}


def model(folder: Path, names: tuple[str, str]) -> tuple[Path, Path]:
    """A dense layer whose arrays have these names, in a pickle, and its architecture."""
    weights, architecture = folder / "w.pkl", folder / "arch.json"
    weights.write_bytes(pickle.dumps(dict(zip(names, (numbers(3, 4), numbers(4, seed=8)), strict=True))))
    arrays = {name: {"file": "w.pkl", "pickle": 0, "path": [name]} for name in names}
    dense = {"name": "d", "kind": "dense", "inputs": ["x"], "arrays": dict(zip("Wb", names, strict=True))}
    document = {
        "format": "theano-arch/1",
        "inputs": [{"name": "x", "shape": [None, 3], "layout": "NC"}],
        "layers": [dense],
        "outputs": [{"name": "y", "layer": "d"}],
        "weights": {"storage": "pickle", "arrays": arrays},
    }
    architecture.write_text(json.dumps(document))
    return weights, architecture


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("suffix", [".theano", ".theano.h5"])
def test_arrays_of_any_name_stay_in_the_destination_and_come_back(kind: str, suffix: str, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "a" / "b" / "c"
    folder.mkdir()
    out.mkdir(parents=True)
    weights, architecture = model(folder, NAMES[kind])
    source = irconv.read(weights, ReadOptions(arch=architecture))
    feed = numbers(2, 3, seed=9)
    irconv.write(source, out / f"m{suffix}", WriteOptions(dry_run=True))
    assert list(out.iterdir()) == []
    irconv.write(source, out / f"m{suffix}")
    made = {path.name for path in out.iterdir()}
    assert made == ({"m.theano"} if suffix == ".theano" else {"m.theano.h5", "arch.json", "model.py"})
    assert {path.name for path in tmp_path.iterdir()} == {"in", "a"}
    options = ReadOptions(arch=out / "arch.json") if suffix == ".theano.h5" else None
    again = irconv.run(irconv.read(out / f"m{suffix}", options), [feed])
    assert error(list(again.values()), list(irconv.run(source, [feed]).values())) == 0


def test_every_array_is_loaded_from_the_file_that_holds_it(tmp_path: Path) -> None:
    weights, architecture = model(tmp_path, ("W", "w"))
    irconv.write(irconv.read(weights, ReadOptions(arch=architecture)), tmp_path / "m.theano")
    text = (tmp_path / "m.theano" / "model.py").read_text()
    assert '    d = T.dot(x, load("%57", "W")) + load("w")\n' in text
    assert np.array_equal(datasets(tmp_path / "m.theano" / "%57.h5")["W"], numbers(3, 4))
    assert np.array_equal(datasets(tmp_path / "m.theano" / "w.h5")["w"], numbers(4, seed=8))


def test_a_bundle_cannot_hold_half_a_character(tmp_path: Path) -> None:
    weights, architecture = model(tmp_path, NAMES["half a character"])
    bundle = irconv.read(weights, ReadOptions(arch=architecture))
    for suffix in (".irconv", ".irconv.zip"):
        message = rejection(lambda name=f"m{suffix}": irconv.write(bundle, tmp_path / name), Refused)
        what = "holds half of a character (a lone surrogate), which this format cannot write"
        assert f"\\ud800': {what}. Give it another name at its source." in message
    assert {path.name for path in tmp_path.iterdir()} == {"w.pkl", "arch.json"}
