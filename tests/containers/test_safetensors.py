"""Safetensors: agreement with the safetensors library, and strictness about damage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from irconv.containers import safetensors as ours
from irconv.containers import shards
from irconv.containers.files import SourceFile
from irconv.errors import DamagedFile
from irconv.ir.dtypes import SAFETENSORS_CODES, numpy_dtype
from irconv.ir.tensors import LazyTensor
from irconv.layout import relayout
from tests.helpers import Array, numbers, rejection

#: Types that the numpy side of the safetensors library reads and writes.
SHARED = [name for name in SAFETENSORS_CODES if not name.startswith(("bfloat", "float8"))]


def sample(dtype: str, *shape: int) -> Array:
    raw = np.random.default_rng(5).integers(0, 2, (*shape, numpy_dtype(dtype).itemsize), np.uint8)
    return raw.view(numpy_dtype(dtype)).reshape(shape)


def write_raw(path: Path, header: Any, data: bytes) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(dtype: str = "F32", shape: Any = (2,), offsets: Any = (0, 8), **more: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}


@pytest.mark.parametrize("dtype", SHARED)
def test_the_safetensors_library_reads_what_is_written_here(dtype: str, tmp_path: Path) -> None:
    arrays = {"a": sample(dtype, 3, 5), "b.c": sample(dtype, 1), "scalar": sample(dtype), "empty": sample(dtype, 0, 3)}
    ours.write(tmp_path / "x", {name: LazyTensor.of(array) for name, array in arrays.items()}, {"format": "np"})
    got = safetensors.numpy.load_file(tmp_path / "x")
    assert sorted(got) == sorted(arrays)
    for name, array in arrays.items():
        assert (got[name].dtype, got[name].shape, got[name].tobytes()) == (array.dtype, array.shape, array.tobytes())
    with safetensors.safe_open(tmp_path / "x", "np") as opened:
        assert opened.metadata() == {"format": "np"}


@pytest.mark.parametrize("dtype", SHARED)
def test_what_the_safetensors_library_writes_is_read_here(dtype: str, tmp_path: Path) -> None:
    arrays = {"a": sample(dtype, 3, 5), "b": sample(dtype, 2), "empty": sample(dtype, 0, 3)}
    safetensors.numpy.save_file(arrays, tmp_path / "x", {"made": "by them"})
    got, metadata = ours.read(SourceFile(tmp_path / "x"))
    assert metadata == {"made": "by them"}
    assert sorted(got) == sorted(arrays)
    for name, array in arrays.items():
        assert (got[name].dtype, got[name].shape) == (dtype, array.shape)
        assert got[name].numpy().tobytes() == array.tobytes()


@pytest.mark.parametrize("dtype", SAFETENSORS_CODES)
def test_every_element_type_comes_back_bit_for_bit(dtype: str, tmp_path: Path) -> None:
    array = sample(dtype, 4, 3)
    ours.write(tmp_path / "x", {"a": LazyTensor.of(array)})
    back = ours.read(SourceFile(tmp_path / "x"))[0]["a"]
    assert (back.dtype, back.shape, back.numpy().tobytes()) == (dtype, (4, 3), array.tobytes())


def test_tensors_that_are_still_to_be_turned_are_written_turned(tmp_path: Path) -> None:
    array = numbers(7, 5)
    ours.write(tmp_path / "x", {"a": LazyTensor.of(array).relayout(relayout("a b", "b a", (7, 5)))})
    assert np.array_equal(safetensors.numpy.load_file(tmp_path / "x")["a"], array.transpose())


@pytest.mark.parametrize("name", ["a", "ab", "abc", "é", "日本", 'quo"te', "a\\b", "x" * 500])
def test_data_starts_at_a_multiple_of_8_whatever_the_names(name: str, tmp_path: Path) -> None:
    ours.write(tmp_path / "x", {name: LazyTensor.of(numbers(3))})
    assert int.from_bytes((tmp_path / "x").read_bytes()[:8], "little") % 8 == 0
    assert np.array_equal(safetensors.numpy.load_file(tmp_path / "x")[name], numbers(3))


def test_a_file_without_tensors_is_read_back(tmp_path: Path) -> None:
    ours.write(tmp_path / "x", {})
    assert ours.read(SourceFile(tmp_path / "x")) == ({}, {})


DAMAGE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "empty file": (
        lambda p: _bytes(p, b""),
        "{path}: expected a safetensors header, got a file of 0 bytes.",
    ),
    "short file": (
        lambda p: _bytes(p, bytes(5)),
        "{path}: expected a safetensors header, got a file of 5 bytes.",
    ),
    "header past the end": (
        lambda p: _bytes(p, (99).to_bytes(8, "little") + b"{}"),
        "{path}: expected a header of at most 2 bytes, got 99. The file is truncated or damaged; fetch it again.",
    ),
    "header of 2**63 bytes": (
        lambda p: _bytes(p, (2**63).to_bytes(8, "little") + b"{}"),
        "{path}: expected a header of at most 2 bytes, got 9223372036854775808. "
        "The file is truncated or damaged; fetch it again.",
    ),
    "not UTF-8": (lambda p: write_raw(p, b'{"\xff\xfe":1}', b""), "{path}: expected a JSON header, got 'utf-8' codec"),
    "not JSON": (lambda p: write_raw(p, b"{nope}", b""), "{path}: expected a JSON header, got "),
    "nested too deep": (lambda p: write_raw(p, b"[" * 100_000, b""), "{path}: expected a JSON header, got "),
    "a list": (lambda p: write_raw(p, [1], b""), "{path}: expected the header to be a JSON object."),
    "duplicate key": (
        lambda p: write_raw(p, b'{"a": 1, "a": 2}', b""),
        "{path}: the header names 'a' twice.",
    ),
    "duplicate key inside": (
        lambda p: write_raw(p, b'{"a": {"dtype": "F32", "dtype": "F32"}}', b""),
        "{path}: the header names 'dtype' twice.",
    ),
    "metadata is no map of text": (
        lambda p: write_raw(p, {"__metadata__": {"a": 1}}, b""),
        "{path}: expected __metadata__ to map text to text.",
    ),
    "metadata is a list": (
        lambda p: write_raw(p, {"__metadata__": [1]}, b""),
        "{path}: expected __metadata__ to map text to text.",
    ),
    "unknown type": (
        lambda p: write_raw(p, {"a": entry("F33")}, bytes(8)),
        "{path}: tensor 'a': expected one of BOOL, U8, I8, ",
    ),
    "missing key": (
        lambda p: write_raw(p, {"a": {"dtype": "F32", "shape": [2]}}, bytes(8)),
        "{path}: tensor 'a': expected dtype, shape and data_offsets, got ",
    ),
    "key too much": (
        lambda p: write_raw(p, {"a": entry(color="red")}, bytes(8)),
        "{path}: tensor 'a': expected dtype, shape and data_offsets, got ",
    ),
    "entry is a number": (
        lambda p: write_raw(p, {"a": 3}, b""),
        "{path}: tensor 'a': expected dtype, shape and data_offsets, got 3.",
    ),
    "negative size": (
        lambda p: write_raw(p, {"a": entry(shape=(-2,))}, bytes(8)),
        "{path}: tensor 'a': expected whole numbers, got shape [-2] at [0, 8].",
    ),
    "negative offset": (
        lambda p: write_raw(p, {"a": entry(offsets=(-8, 0))}, bytes(8)),
        "{path}: tensor 'a': expected whole numbers, got shape [2] at [-8, 0].",
    ),
    "fractional size": (
        lambda p: write_raw(p, {"a": entry(shape=(2.0,))}, bytes(8)),
        "{path}: tensor 'a': expected whole numbers, got shape [2.0] at [0, 8].",
    ),
    "size is a bool": (
        lambda p: write_raw(p, {"a": entry(shape=(True,), offsets=(0, 4))}, bytes(4)),
        "{path}: tensor 'a': expected whole numbers, got shape [True] at [0, 4].",
    ),
    "three offsets": (
        lambda p: write_raw(p, {"a": entry(offsets=(0, 8, 16))}, bytes(16)),
        "{path}: tensor 'a': expected dtype, shape and data_offsets, got ",
    ),
    "offsets do not fit the shape": (
        lambda p: write_raw(p, {"a": entry(offsets=(0, 12))}, bytes(12)),
        "{path}: tensor 'a': expected 8 bytes for F32 [2], got 12.",
    ),
    "offsets turned round": (
        lambda p: write_raw(p, {"a": entry(offsets=(8, 0))}, bytes(8)),
        "{path}: tensor 'a': expected 8 bytes for F32 [2], got -8.",
    ),
    "overlap": (
        lambda p: write_raw(p, {"a": entry(), "b": entry(offsets=(4, 12))}, bytes(12)),
        "{path}: expected tensor data to continue at 8, got 4: a hole or an overlap.",
    ),
    "the same place twice": (
        lambda p: write_raw(p, {"a": entry(), "b": entry()}, bytes(8)),
        "{path}: expected tensor data to continue at 8, got 0: a hole or an overlap.",
    ),
    "hole": (
        lambda p: write_raw(p, {"a": entry(), "b": entry(offsets=(12, 20))}, bytes(20)),
        "{path}: expected tensor data to continue at 8, got 12: a hole or an overlap.",
    ),
    "hole at the start": (
        lambda p: write_raw(p, {"a": entry(offsets=(8, 16))}, bytes(16)),
        "{path}: expected tensor data to continue at 0, got 8: a hole or an overlap.",
    ),
    "truncated data": (
        lambda p: write_raw(p, {"a": entry()}, bytes(7)),
        "{path}: tensor 'a': expected 8 bytes at offset 69, but the file ends at 76.",
    ),
    "data too long": (
        lambda p: write_raw(p, {"a": entry()}, bytes(9)),
        "{path}: expected 77 bytes, got 78. The file is truncated or padded.",
    ),
    "shape of 2**80 elements": (
        lambda p: write_raw(p, {"a": entry(shape=(2**40, 2**40))}, bytes(8)),
        "{path}: tensor 'a': expected 4835703278458516698824704 bytes for F32 [1099511627776, 1099511627776], got 8.",
    ),
}


def _bytes(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused_with_its_name_and_the_place(damage: str, tmp_path: Path) -> None:
    make, reason = DAMAGE[damage]
    path = make(tmp_path / "x.safetensors")
    text = rejection(lambda: ours.read(SourceFile(path)), DamagedFile)
    wanted = reason.format(path=path)
    assert text == wanted or (not wanted.endswith(".") and text.startswith(wanted))


@pytest.mark.parametrize("size", range(0, 90, 7))
def test_every_truncation_of_a_sound_file_is_refused(size: int, tmp_path: Path) -> None:
    ours.write(tmp_path / "x", {"a": LazyTensor.of(numbers(3, 2)), "b": LazyTensor.of(numbers(2))})
    whole = (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(whole[: min(size, len(whole) - 1)])
    assert str(tmp_path / "x") in rejection(lambda: ours.read(SourceFile(tmp_path / "x")), DamagedFile)


# shards ------------------------------------------------------------------------------------------------------------


def read_sharded(folder: Path) -> dict[str, LazyTensor]:
    def open_file(name: str) -> SourceFile | None:
        return SourceFile(folder / name) if (folder / name).is_file() else None

    return shards.read(open_file, lambda name: (folder / name).read_text(), "weights", "here")


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    arrays = {"a": numbers(10), "b": numbers(10, seed=1), "c": numbers(40, seed=2), "d": numbers(1, seed=3)}
    lazy = {name: LazyTensor.of(array) for name, array in arrays.items()}
    shards.write(tmp_path.joinpath, "weights", lazy, 100)
    return tmp_path


def test_a_small_limit_gives_numbered_shards_and_an_index(sharded: Path) -> None:
    names = [f"weights-{number:05}-of-00003.safetensors" for number in (1, 2, 3)]
    assert sorted(p.name for p in sharded.iterdir()) == [*names, "weights.safetensors.index.json"]
    index = json.loads((sharded / "weights.safetensors.index.json").read_text())
    assert index == {
        "metadata": {"total_size": 4 * 61},
        "weight_map": {"a": names[0], "b": names[0], "c": names[1], "d": names[2]},
    }
    assert sorted(safetensors.numpy.load_file(sharded / names[0])) == ["a", "b"]


def test_shards_are_read_back(sharded: Path) -> None:
    found = read_sharded(sharded)
    assert {name: lazy.shape for name, lazy in found.items()} == {"a": (10,), "b": (10,), "c": (40,), "d": (1,)}
    assert np.array_equal(found["c"].numpy(), numbers(40, seed=2))


def test_weights_below_the_limit_are_one_file(tmp_path: Path) -> None:
    shards.write(tmp_path.joinpath, "weights", {"a": LazyTensor.of(numbers(10))}, 40)
    assert [p.name for p in tmp_path.iterdir()] == ["weights.safetensors"]
    assert list(read_sharded(tmp_path)) == ["a"]


def test_a_missing_shard_is_named(sharded: Path) -> None:
    (sharded / "weights-00002-of-00003.safetensors").unlink()
    text = rejection(lambda: read_sharded(sharded), DamagedFile)
    assert text == "here: expected the shard weights-00002-of-00003.safetensors, which is missing."


def test_an_index_that_differs_from_its_shards_is_refused(sharded: Path) -> None:
    path = sharded / "weights.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"]["e"] = index["weight_map"].pop("d")
    path.write_text(json.dumps(index))
    assert (
        rejection(lambda: read_sharded(sharded), DamagedFile) == "here: the index and the shards differ in ['d', 'e']."
    )


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": 3}}', '{"weight_map": {"a": []}}']
)
def test_an_index_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors.index.json").write_text(text)
    reason = rejection(lambda: read_sharded(tmp_path), DamagedFile)
    assert reason.startswith("here: expected weights.safetensors or its index, got ")


def test_an_index_never_leads_out_of_its_folder(sharded: Path) -> None:
    path = sharded / "weights.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"]["d"] = "../outside.safetensors"
    path.write_text(json.dumps(index))
    ours.write(sharded.parent / "outside.safetensors", {"d": LazyTensor.of(numbers(1))})
    assert rejection(lambda: read_sharded(sharded), DamagedFile) == "here: the index and the shards differ in ['d']."


def test_weights_that_are_nowhere_are_missed(tmp_path: Path) -> None:
    reason = rejection(lambda: read_sharded(tmp_path), DamagedFile)
    assert reason.startswith("here: expected weights.safetensors or its index, got FileNotFoundError")
