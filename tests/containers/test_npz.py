"""numpy's own files: lazily, in any order, and without executing what they hold."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from irconv.containers import npz
from irconv.errors import DamagedFile, Refused
from tests.helpers import numbers, rejection

ARRAYS: dict[str, Any] = {
    "plain": numbers(2, 3, 4),
    "fortran": np.asfortranarray(numbers(2, 3, 4)),
    "big": np.arange(7, dtype=">i4"),
    "scalar": np.float64(2.5),
    "empty": np.zeros((0, 3), np.float32),
    "bools": np.array([True, False]),
}


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("true",)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_arrive_as_numpy_wrote_them(save: Any, tmp_path: Path) -> None:
    save(tmp_path / "x.npz", **ARRAYS)
    assert npz.recognises(tmp_path / "x.npz")
    found = npz.read(tmp_path / "x.npz").tensors
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].shape == np.shape(array)
        assert np.array_equal(found[name].numpy(), array), name


def test_a_single_array_has_the_empty_name(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", ARRAYS["fortran"])
    assert npz.recognises(tmp_path / "x.npy")
    assert np.array_equal(npz.read(tmp_path / "x.npy").tensors[""].numpy(), ARRAYS["fortran"])


def test_arrays_of_objects_are_plain_data(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", params=np.array([{"a": 1}, None], object))
    assert npz.read(tmp_path / "x.npz").objects["params"].tolist() == [{"a": 1}, None]


def test_a_call_in_an_array_of_objects_is_refused_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", params=np.array([Evil()], object))
    text = rejection(lambda: npz.read(tmp_path / "x.npz"), Refused)
    assert text.startswith(f"{tmp_path / 'x.npz'}: params.npy: the pickle names {os.system.__module__}.system, ")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b"(2, 3, 4)", b"(2, 3, 9)", "expected 216 bytes of data, got 96"),
        (b"(2, 3, 4)", b"(2,-3, 4)", "expected a .npy header, got shape (2, -3, 4)"),
        (b"'descr'", b"open(1)", "expected a .npy header, got "),
        (b"(2, 3, 4)", b"((((((((", "expected a .npy header, got "),
        (b"\x76\x00", b"\x76\xff", "expected a .npy header of less than 65536 bytes"),
    ],
)
def test_a_header_that_lies_is_refused(old: bytes, new: bytes, what: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", ARRAYS["plain"])
    raw = (tmp_path / "x.npy").read_bytes()
    assert old in raw
    (tmp_path / "x.npy").write_bytes(raw.replace(old, new, 1))
    text = rejection(lambda: npz.read(tmp_path / "x.npy"), DamagedFile)
    assert text.startswith(f"{tmp_path / 'x.npy'}: {what}")


def test_records_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(2, [("a", "f4"), ("b", "i4")]))
    text = rejection(lambda: npz.read(tmp_path / "x.npy"), Refused)
    assert text == f"{tmp_path / 'x.npy'}: expected numbers, got an array of records."


def test_a_zip_of_other_things_is_not_recognised(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.txt", "text")
    assert not npz.recognises(tmp_path / "x.zip")
