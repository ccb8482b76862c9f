"""Layers, ports and outputs of any name: every writer writes them below its destination, or refuses them by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.errors import IrconvError
from irconv.frameworks import writers
from irconv.ir.bundle import Bundle
from irconv.ir.layers.activations import Relu
from irconv.ir.layers.convolution import Linear
from tests.helpers import Builder, numbers

NAMES = ("../../evil", "..", ".", "/evil", "C:\\evil", "\0", "a\0b", "\ud800", " ", "a/", "//", "NUL", "x" * 5000)
SUFFIXES = sorted({suffix for writer in writers() for suffix in writer.suffixes})


def model(name: str) -> Bundle:
    """Two layers, of which one has the name; the input is called so, too."""
    port = f"in {name}"
    builder = Builder(**{port: ("N", 3)}).add(name, Linear(), port, kernel=numbers(4, 3), bias=numbers(4))
    return builder.add("relu", Relu(), name).build("relu", name)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_layer_of_any_name_is_written_in_place_or_refused(name: str, suffix: str, tmp_path: Path) -> None:
    out = tmp_path / "a" / "b" / "c"
    out.mkdir(parents=True)
    bundle = model(name)
    try:
        made = irconv.write(bundle, out / f"m{suffix}").files
    except IrconvError:
        made = ()
    assert {path.name for path in out.iterdir()} == {path.name for path in made}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["c"]


def test_outputs_of_any_name_are_in_the_npz(tmp_path: Path) -> None:
    from irconv.containers.arrays import write_outputs

    arrays = {name: numbers(2, seed=i) for i, name in enumerate(["../evil", "file", "allow_pickle", "A", "a", "b c"])}
    write_outputs(tmp_path / "y.npz", arrays, force=False)
    found = np.load(tmp_path / "y.npz")
    assert found.files == ["%2E%2E/evil", "file", "allow_pickle", "%41", "a", "b c"]
    assert all(np.array_equal(found[key], array) for key, array in zip(found.files, arrays.values(), strict=True))
