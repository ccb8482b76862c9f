"""Small files that ask for much: each is refused at once, whatever it would make a reader do."""

from __future__ import annotations

import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

import irconv
from irconv.containers import budget, hdf5
from irconv.containers.hdf5_process import Limits
from irconv.containers.npz import read as read_npz
from irconv.containers.pickle import unpickle_bytes
from irconv.containers.zip import Archive
from irconv.errors import DamagedFile, Refused
from irconv.ir.shapes import Size
from tests.helpers import rejection

_OVER = (
    "x: the pickle asks for more than its size allows: it copies what it holds over and over. "
    "A pickle of weights has no need of that."
)


def called(name: str, *arguments: bytes) -> bytes:
    module, _, function = name.rpartition(".")
    return b"".join([f"c{module}\n{function}\n".encode(), b"(", *arguments, b"tR"])


RANGE = called("builtins.range", b"\x8a\x05\0\0\0\0\x10")
LIST = b"(" + b"K\x01" * 50_000 + b"lq\x00"
TEXT = b"X" + struct.pack("<I", 100_000) + b"a" * 100_000 + b"q\x00"
GREEDY: dict[str, bytes] = {
    "a set of a range": called("builtins.set", RANGE),
    "a list of a range": called("builtins.list", RANGE),
    "a tuple of a range": called("builtins.tuple", RANGE),
    "a frozen set of a range": called("builtins.frozenset", RANGE),
    "copies of a list": b"(" + LIST + called("builtins.list", b"h\x00") * 5000 + b"l",
    "copies of a text": b"(" + TEXT + called("_codecs.encode", b"h\x00") * 5000 + b"l",
    "empty sets": b"(" + b"\x8f" * 2_000_000 + b"l",
}


@pytest.mark.parametrize("kind", GREEDY)
def test_a_pickle_makes_no_more_than_its_size_allows(kind: str) -> None:
    before = time.process_time()
    assert rejection(lambda: unpickle_bytes(b"\x80\x04" + GREEDY[kind] + b".", "x"), Refused) == _OVER
    assert time.process_time() - before < 10


def test_a_long_range_alone_is_no_list() -> None:
    assert unpickle_bytes(b"\x80\x04" + RANGE + b".", "x") == range(2**36)


def laughs(begin: bytes, end: bytes, leaf: bytes = b"K\x01") -> bytes:
    """Thirty values, each of which holds the one before it ten times."""
    parts = [b"\x80\x02", leaf, b"q\x00"]
    for level in range(30):
        parts += [begin, b"h" + bytes([level]) if begin != b"}(" else b"", b"", b""]
        if begin == b"}(":
            parts += [b"K" + bytes([key]) + b"h" + bytes([level]) for key in range(10)]
        else:
            parts += [b"h" + bytes([level])] * 9
        parts += [end, b"q" + bytes([level + 1])]
    return b"".join([*parts, b"."])


SHARED = {"lists": laughs(b"(", b"l"), "tuples": laughs(b"(", b"t"), "dicts": laughs(b"}(", b"u")}


@pytest.mark.parametrize("suffix", [".pkl", ".pt"])
@pytest.mark.parametrize("kind", SHARED)
def test_values_that_hold_one_another_many_times_are_refused(kind: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"m{suffix}"
    write(path, SHARED[kind])
    before = time.process_time()
    with pytest.raises(irconv.IrconvError) as raised:
        irconv.read(path)
    assert time.process_time() - before < 100
    over = "pickle: holds the same values over and over, more often than a file of its size."
    assert str(raised.value) == (over if suffix == ".pkl" else f"{path}: the saved value: has no tensors.")


@pytest.mark.parametrize("suffix", [".pkl", ".pt"])
@pytest.mark.parametrize("text", [b"]q\x00h\x00a", b"}q\x00X\x01\0\0\0ah\x00s", b"]q\x00h\x00h\x00\x86a"])
def test_a_value_that_holds_itself_is_refused(text: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"m{suffix}"
    write(path, b"\x80\x02" + text + b".")
    with pytest.raises(irconv.IrconvError, match=r"has no tensors|expected values nested at most 64 deep"):
        irconv.read(path)


def write(path: Path, pickle: bytes) -> None:
    """A pickle alone, or in the archive of ``torch.save``."""
    if path.suffix == ".pkl":
        path.write_bytes(pickle)
        return
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", pickle)
        archive.writestr("m/version", b"3\n")


def test_groups_that_are_reached_by_a_million_paths_are_damaged(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        below = file.create_group("g")
        for level in range(24):
            above = file.create_group(f"g{level}")
            above["a"] = above["b"] = below
            below = above
    before = time.process_time()
    message = rejection(lambda: hdf5.read(tmp_path / "m.h5"), DamagedFile)
    assert "groups and datasets in a file of its size" in message
    assert time.process_time() - before < 10


def test_the_time_for_a_file_grows_with_it() -> None:
    limits = Limits()
    assert [limits.time(nbytes) for nbytes in (20_000, 2**22, 2**27, 2**40)] == [4, 8, 120, 120]


def test_zeros_that_unpack_to_a_thousand_times_as_much_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "UNPACKED", 2**20)  # in full, it takes long to make such a file
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("w", data=np.zeros(2_500_000, np.float32), chunks=(2**20,), compression="gzip")
    message = rejection(lambda: hdf5.read(tmp_path / "m.h5"), Refused)
    assert "dataset /w: unpacks to 10000000 bytes, and irconv takes at most " in message
    assert message.endswith(". Save it uncompressed.")


def test_an_archive_that_inflates_to_a_thousand_times_as_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "UNPACKED", 2**20)
    np.savez_compressed(tmp_path / "m.npz", w=np.zeros(2_500_000, np.float32))
    message = rejection(lambda: read_npz(tmp_path / "m.npz"), Refused)
    assert message.startswith(f"{tmp_path / 'm.npz'}: inflates to 10000128 bytes, and irconv takes at most ")
    assert message.endswith(". Store its members uncompressed.")


@pytest.mark.parametrize("make", [lambda: np.zeros(10_000_000, np.float32), lambda: np.arange(2_000_000) % 7 == 0])
def test_what_packs_well_but_is_small_is_read(make: Callable[[], np.ndarray], tmp_path: Path) -> None:
    array = make()
    np.savez_compressed(tmp_path / "m.npz", w=array)
    assert len(Archive(tmp_path / "m.npz").members) == 1
    assert (read_npz(tmp_path / "m.npz").tensors["w"].numpy() == array).all()


def test_a_product_of_sizes_does_not_grow_without_end() -> None:
    text = "*".join(f"(a{i} + b{i} + c{i} + d{i})" for i in range(40))
    with pytest.raises(ValueError, match="is not a dimension"):
        Size.of(text)
