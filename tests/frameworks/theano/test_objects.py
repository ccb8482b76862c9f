"""Pickles of a script's own objects: inert, and searched for arrays."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.errors import Refused
from tests.helpers import ROOT, rejection

FOLDER = ROOT / "fixtures" / "theano-objects"


def test_a_network_pickled_as_an_object_gives_its_shared_variables() -> None:
    bundle = irconv.read(FOLDER / "best_model.pkl")
    kept = [tensor.data.numpy() for tensor in bundle.tensors.values()]
    with np.load(FOLDER / "best_model.npz") as wanted:
        for name in ("W", "b"):
            assert any(np.array_equal(array, wanted[name]) for array in kept)
    assert bundle.source.framework == "theano"


@pytest.mark.parametrize(
    "content", [b"cos\nsystem\n(S'true'\ntR.", b"cposix\nsystem\n(S'true'\ntR.", b"cbuiltins\neval\n(S'1'\ntR."]
)
def test_calls_of_the_standard_library_stay_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(content)
    assert "which is not on the list of plain data" in rejection(lambda: irconv.read(path), Refused)


def test_objects_that_hold_each_other_are_looked_into_once(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    first, second = Node(), Node()
    first.other, second.other, second.array = second, first, np.arange(6.0).reshape(2, 3)
    path.write_bytes(pickle.dumps([first, second], protocol=2))
    arrays = [tensor.data.numpy() for tensor in irconv.read(path).tensors.values()]
    assert len(arrays) == 1
    assert np.array_equal(arrays[0], np.arange(6.0).reshape(2, 3))


class Node:
    other: object
    array: object
