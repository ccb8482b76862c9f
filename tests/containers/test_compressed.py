"""Pickles by joblib, packed or not: read as joblib reads them, without joblib, and within a budget."""

from __future__ import annotations

import gzip
import pickle
import zlib
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.containers import compressed
from irconv.errors import DamagedFile, Refused, UnknownFormat
from irconv.frameworks.theano import arrays
from tests.helpers import ROOT, rejection

FOLDER = ROOT / "fixtures" / "joblib"
PACKINGS = ("plain", "zlib", "gzip", "bz2", "xz", "lzma", "lz4")
EXPECTED = dict(np.load(FOLDER / "expected.npz"))


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_state_dict_that_joblib_dumped_is_read_with_its_names(packing: str) -> None:
    if packing == "lz4":
        pytest.importorskip("lz4.frame", reason="unpacks lz4")
    bundle = irconv.read(FOLDER / f"state-{packing}.joblib")
    assert bundle.source.framework == "torch"
    for name, array in EXPECTED.items():
        found = bundle.tensors[name].data.numpy()
        assert found.dtype == array.dtype.newbyteorder("=")
        assert np.array_equal(found, array)


@pytest.mark.parametrize("file", [*(f"list-{packing}.joblib" for packing in PACKINGS), "list.pkl.gz"])
def test_a_list_of_arrays_is_read_however_it_is_packed(file: str) -> None:
    if "lz4" in file:
        pytest.importorskip("lz4.frame", reason="unpacks lz4")
    found = arrays.read(FOLDER / file)
    assert list(found.by_name) == ["0", "1", "3/w"]
    for stored, name in zip(found.found, ("conv.weight", "conv.bias", "fc.weight"), strict=True):
        assert np.array_equal(stored.data.numpy(), EXPECTED[name])
    assert found.others["2/1"] == "str, which is no array"


def test_lz4_without_what_unpacks_it_is_refused_with_what_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lz4", None)
    monkeypatch.setitem(__import__("sys").modules, "lz4.frame", None)
    path = FOLDER / "state-lz4.joblib"
    text = rejection(lambda: irconv.read(path), UnknownFormat)
    remedy = "Unpack it with `lz4 -d` first; a pickle is read as it is where lz4 is installed (irconv[lz4])."
    assert text == f"{path}: no reader recognises its content. It is compressed with lz4. {remedy}"


def test_what_unpacks_to_far_more_than_its_size_is_refused_before_it_is_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"\x80\x02" + bytes(200 * 2**20))
    text = rejection(lambda: compressed.opened(path), Refused)
    assert text.startswith(f"{path}: unpacks to more than ")
    assert "packed with gzip. Weights do not pack as well" in text


def test_a_packed_pickle_that_breaks_off_or_has_changed_is_damaged(tmp_path: Path) -> None:
    whole = (FOLDER / "list-zlib.joblib").read_bytes()
    for content in (whole[:400], whole[:400] + b"\x55" * 200 + whole[600:], whole + b"more"):
        path = tmp_path / "m.pkl"
        path.write_bytes(content)
        assert rejection(lambda: arrays.read(path), DamagedFile).startswith(f"{path}: cannot be unpacked with zlib: ")  # noqa: B023


def test_an_array_of_more_bytes_than_the_file_has_is_damage(tmp_path: Path) -> None:
    content = (FOLDER / "list-plain.joblib").read_bytes()
    path = tmp_path / "m.pkl"
    path.write_bytes(content.replace(b"K\x05K\x03K\x03K\x02t", b"K\x05K\x03K\xffK\xfft", 1))
    assert path.read_bytes() != content
    assert rejection(lambda: arrays.read(path), DamagedFile)


def test_arrays_that_old_joblib_wrote_beside_the_pickle_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    named = b"\x80\x02cjoblib.numpy_pickle\nNDArrayWrapper\n)\x81}(X\x08\x00\x00\x00filenameX\x05\x00\x00\x00a.npyub."
    path.write_bytes(named)
    text = rejection(lambda: arrays.read(path), Refused)
    assert "its arrays lie in files of their own beside it, as joblib before 0.10 wrote them" in text


def test_a_packed_file_that_is_no_pickle_is_left_to_whoever_unpacks_it(tmp_path: Path) -> None:
    path = tmp_path / "m.h5.gz"
    path.write_bytes(gzip.compress(b"\x89HDF\r\n\x1a\n" + bytes(100)))
    assert compressed.packing(path) == ""
    assert "It is compressed with gzip. Unpack it with gunzip first." in rejection(
        lambda: irconv.read(path), UnknownFormat
    )
    path.write_bytes(zlib.compress(pickle.dumps([1], 2)))
    assert compressed.packing(path) == "zlib"
