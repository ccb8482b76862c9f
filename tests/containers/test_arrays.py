"""The .npy and .npz files of `irconv run`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from irconv.containers import arrays
from irconv.errors import DamagedFile, MissingFact, NoSuchFile, OutputFailed, UnknownFormat
from tests.helpers import numbers, rejection


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    np.save(tmp_path / "a.npy", numbers(3))
    np.save(tmp_path / "b.npy", numbers(2, 2))
    return tmp_path / "a.npy", tmp_path / "b.npy"


def test_inputs_without_names_come_in_order(files: tuple[Path, Path]) -> None:
    first, second = arrays.read_inputs([str(file) for file in files])
    assert (first.tolist(), second.shape) == (numbers(3).tolist(), (2, 2))


def test_inputs_with_names_come_by_name(files: tuple[Path, Path]) -> None:
    found = arrays.read_inputs([f"second={files[1]}", f"first={files[0]}"])
    assert isinstance(found, dict)
    assert {name: array.shape for name, array in found.items()} == {"second": (2, 2), "first": (3,)}


def test_names_for_some_inputs_only_are_refused(files: tuple[Path, Path]) -> None:
    text = rejection(lambda: arrays.read_inputs([str(files[0]), f"b={files[1]}"]), MissingFact)
    assert text == "--input: expected a name for every input or for none. Give NAME=X.npy for each."


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"text", b"\x80\x04N."])
def test_what_is_no_array_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    text = rejection(lambda: arrays.read_inputs([str(tmp_path / "x.npy")]), DamagedFile)
    assert text.startswith(f"{tmp_path / 'x.npy'}: expected a .npy file of numbers, got ")


def test_a_missing_input_is_refused_by_name(tmp_path: Path) -> None:
    text = rejection(lambda: arrays.read_inputs([str(tmp_path / "x.npy")]), NoSuchFile)
    assert text == f"{tmp_path / 'x.npy'}: there is no such file."


def test_pickled_arrays_are_never_read(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([print], object), allow_pickle=True)
    text = rejection(lambda: arrays.read_inputs([str(tmp_path / "x.npy")]), DamagedFile)
    assert text.startswith(f"{tmp_path / 'x.npy'}: expected a .npy file of numbers, got ")


def test_one_output_is_written_as_npy(tmp_path: Path) -> None:
    arrays.write_outputs(tmp_path / "y.npy", {"y": numbers(3)}, force=False)
    assert np.array_equal(np.load(tmp_path / "y.npy"), numbers(3))


def test_several_outputs_are_written_by_name(tmp_path: Path) -> None:
    arrays.write_outputs(tmp_path / "y.npz", {"a": numbers(3), "b": numbers(2, 2)}, force=False)
    with np.load(tmp_path / "y.npz") as found:
        assert sorted(found) == ["a", "b"]
        assert np.array_equal(found["b"], numbers(2, 2))


def test_several_outputs_do_not_fit_one_npy(tmp_path: Path) -> None:
    results = {"a": numbers(3), "b": numbers(2)}
    text = rejection(lambda: arrays.write_outputs(tmp_path / "y.npy", results, force=False), MissingFact)
    assert text == f"{tmp_path / 'y.npy'}: the model has 2 outputs: a, b. Give a .npz."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["y", "y.txt", "y.npy.gz"])
def test_an_output_of_another_kind_is_refused(name: str, tmp_path: Path) -> None:
    text = rejection(lambda: arrays.check_output(tmp_path / name, force=False), UnknownFormat)
    assert text == f"{tmp_path / name}: expected a name that ends in .npy or .npz."


def test_an_existing_output_is_replaced_only_by_force(tmp_path: Path) -> None:
    (tmp_path / "y.npy").write_bytes(b"old")
    text = rejection(lambda: arrays.check_output(tmp_path / "y.npy", force=False), OutputFailed)
    assert text == f"{tmp_path / 'y.npy'}: exists already. Give --force to replace it."
    arrays.write_outputs(tmp_path / "y.npy", {"y": numbers(3)}, force=True)
    assert np.array_equal(np.load(tmp_path / "y.npy"), numbers(3))
