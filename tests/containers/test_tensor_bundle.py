"""Checkpoints that TensorFlow 1.15.5 wrote, and what damage to each part of them is said to be."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from irconv.containers import tensor_bundle, tensor_bundle_v1
from irconv.containers.sstable import Table, checksum, masked, table
from irconv.containers.tensor_bundle import Checkpoint
from irconv.containers.tensor_slices import joined, slice_key
from irconv.errors import DamagedFile
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.tensors import LazyTensor
from irconv.layout import relayout
from tests.helpers import ROOT, rejection

FOLDER = ROOT / "fixtures" / "tensorflow" / "checkpoints"
READERS = {"v2.ckpt": tensor_bundle.read, "sharded.ckpt": tensor_bundle.read, "v1.ckpt": tensor_bundle_v1.read}


def wanted() -> dict[str, Any]:
    with np.load(FOLDER / "values.npz") as found:
        return dict(found)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for file in FOLDER.iterdir():
        shutil.copy(file, tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", READERS)
def test_every_element_type_is_read_bit_for_bit(name: str) -> None:
    found = READERS[name](FOLDER / name)
    values = wanted()
    missing = {"types/bfloat16", "elsewhere"} if name.startswith("v1") else set()
    assert found.tensors.keys() == values.keys() - missing
    for key, tensor in found.tensors.items():
        array = tensor.numpy()
        if key == "types/bfloat16":
            assert tensor.dtype == "bfloat16"
            array = array.astype("float32")
        assert array.dtype == values[key].dtype
        assert array.shape == values[key].shape
        assert array.tobytes() == values[key].tobytes()


@pytest.mark.parametrize("name", READERS)
def test_strings_are_read_and_checked(name: str) -> None:
    strings = READERS[name](FOLDER / name).strings["names"]
    assert strings.shape == (2, 2)
    assert strings.values == (b"a", b"bc", b"", b"\xff\x00")


@pytest.mark.parametrize("name", READERS)
def test_a_partitioned_variable_is_one_tensor_and_its_slices_are_listed(name: str) -> None:
    found = READERS[name](FOLDER / name)
    assert sorted(found.slices["rows"]) == [((0, 3), (0, 5)), ((3, 2), (0, 5)), ((5, 2), (0, 5))]
    assert sorted(found.slices["columns"]) == [((0, 5), (0, 3)), ((0, 5), (3, 3)), ((0, 5), (6, 2))]
    assert not any(key.startswith("\0") for key in found.tensors)


def test_a_checkpoint_says_its_version_and_its_files() -> None:
    found = tensor_bundle.read(FOLDER / "sharded.ckpt")
    assert found.version == "V2"
    names = ["sharded.ckpt.index", "sharded.ckpt.data-00000-of-00002", "sharded.ckpt.data-00001-of-00002"]
    assert [file.name for file in found.files] == names
    old = tensor_bundle_v1.read(FOLDER / "v1.ckpt")
    assert (old.version, [file.name for file in old.files]) == ("V1", ["v1.ckpt"])


def test_slices_are_read_in_place_and_turned(tmp_path: Path) -> None:
    whole = np.arange(7 * 5, dtype="float32").reshape(7, 5)
    parts = [(((start, size), None), LazyTensor.of(whole[start : start + size])) for start, size in ((3, 4), (0, 3))]
    tensor = joined("float32", (7, 5), parts)
    assert np.array_equal(tensor.numpy(), whole)
    turned = tensor.relayout(relayout("a b", "b a", (7, 5)))
    assert np.array_equal(turned.numpy(), whole.T)
    assert np.array_equal(tensor.source.read((35,), ((13, 17),)), np.arange(13, 17, dtype="float32"))


@pytest.mark.parametrize(
    ("spans", "said"),
    [
        (((0, 3), (4, 3)), "a slice that starts at 4 of axis 0, where the one before ends at 3"),
        (((0, 3), (2, 5)), "a slice that starts at 2 of axis 0, where the one before ends at 3"),
        (((0, 3), (3, 3)), "slices that end at 6 of axis 0 of (7, 5)"),
        (((0, 3), (3, 9)), "a slice ((3, 12), (0, 5)) of a variable of shape (7, 5)"),
    ],
)
def test_slices_must_cover_a_variable_once(spans: Any, said: str) -> None:
    parts = [((span, None), LazyTensor.of(np.zeros((span[1], 5), "float32"))) for span in spans]
    with pytest.raises(ValueError) as caught:
        joined("float32", (7, 5), parts)
    assert str(caught.value) == said


def test_a_flipped_bit_in_a_shard_is_reported_with_the_name_of_the_variable(copy: Path) -> None:
    sound = tensor_bundle.read(copy / "v2.ckpt")
    data = copy / "v2.ckpt.data-00000-of-00001"
    raw = bytearray(data.read_bytes())
    place = raw.index(wanted()["types/int16"].tobytes())
    raw[place + 3] ^= 4
    data.write_bytes(raw)
    damaged = tensor_bundle.read(copy / "v2.ckpt")
    text = rejection(damaged.tensors["types/int16"].numpy, DamagedFile)
    assert text.startswith(f"{data}: types/int16: expected CRC ")
    assert text.endswith("the bytes have changed since it was written. Fetch the file again.")
    assert np.array_equal(damaged.tensors["types/int32"].numpy(), sound.tensors["types/int32"].numpy())


def test_a_flipped_bit_in_an_index_is_reported_with_its_block_and_the_range_of_names(copy: Path) -> None:
    index = copy / "v2.ckpt.index"
    raw = bytearray(index.read_bytes())
    raw[raw.index(b"scalar") + 2] ^= 1
    index.write_bytes(raw)
    text = rejection(lambda: tensor_bundle.read(copy / "v2.ckpt"), DamagedFile)
    assert text.startswith(f"{index}: block 0 (names from the first to the last): expected CRC ")


def test_a_flipped_bit_in_v1_is_reported_with_the_name_of_the_variable(copy: Path) -> None:
    found = tensor_bundle_v1.read(copy / "v1.ckpt")
    raw = bytearray((copy / "v1.ckpt").read_bytes())
    raw[raw.index(wanted()["types/float64"].tobytes()) + 3] ^= 4
    (copy / "v1.ckpt").write_bytes(raw)
    text = rejection(found.tensors["types/float64"].numpy, DamagedFile)
    assert text.startswith(f"{copy / 'v1.ckpt'}: types/float64: cannot be read: {copy / 'v1.ckpt'}: block 0 ")


def test_a_truncated_shard_is_reported_with_every_variable_outside_it(copy: Path) -> None:
    data = copy / "v2.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-130])
    text = rejection(lambda: tensor_bundle.read(copy / "v2.ckpt"), DamagedFile)
    assert f"{data}: types/uint8: expected 15 bytes at offset " in text
    assert f"{data}: types/int64: expected 120 bytes at offset " in text
    assert ", but the file has 1090 bytes." in text


def test_a_missing_shard_is_reported_with_the_variables_in_it(copy: Path) -> None:
    data = copy / "sharded.ckpt.data-00001-of-00002"
    data.unlink()
    text = rejection(lambda: tensor_bundle.read(copy / "sharded.ckpt"), DamagedFile)
    assert text == f"{data}: expected this shard with elsewhere, but it is missing. Put the shard beside the index."


def test_a_missing_index_is_asked_for(copy: Path) -> None:
    (copy / "v2.ckpt.index").unlink()
    text = rejection(lambda: tensor_bundle.read(copy / "v2.ckpt"), DamagedFile)
    assert text == f"{copy / 'v2.ckpt'}: expected the index v2.ckpt.index, which is missing. Put it beside the others."


def rewritten(folder: Path, name: bytes, change: Any) -> Checkpoint:
    """The V2 checkpoint with one entry changed, its index sound again."""
    from irconv.containers import messages

    index = folder / "v2.ckpt.index"
    entries = dict(Table(index).items())
    kind = "BundleEntryProto" if name else "BundleHeaderProto"
    message = messages.parse("tensorflow", kind, entries[name], "")
    change(message)
    index.write_bytes(table(iter(sorted({**entries, name: message.SerializeToString()}.items()))))
    return tensor_bundle.read(folder / "v2.ckpt")


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("scalar", lambda m: setattr(m, "size", 1 << 60), f"claims {1 << 60} bytes for float32 of shape ()"),
        ("scalar", lambda m: setattr(m, "offset", -8), "expected 4 bytes at offset -8"),
        ("scalar", lambda m: m.shape.dim.add(size=-2), "elements, got (-2,)"),
        ("scalar", lambda m: [m.shape.dim.add(size=1) for _ in range(40)], "expected a shape of at most 32 axes"),
        ("scalar", lambda m: m.shape.dim.add(size=1 << 50), f"claims 4 bytes for float32 of shape ({1 << 50},)"),
        ("scalar", lambda m: [m.shape.dim.add(size=n) for n in (0, 1 << 60)], f"elements, got (0, {1 << 60})"),
        ("names", lambda m: setattr(m, "size", 1 << 40), f"claims {1 << 40} bytes at offset "),
        ("scalar", lambda m: setattr(m, "shard_id", 5), "expected this shard with scalar, but it is missing"),
        ("rows", lambda m: m.slices.pop(), "is a slice of no variable"),
        ("rows", lambda m: m.slices.add(), "expected its slice (), which is missing"),
        ("", lambda m: setattr(m, "num_shards", 1 << 30), "claims no shards"),
        ("", lambda m: setattr(m.version, "min_consumer", 9), "which needs a reader of 9"),
    ],
)
def test_an_index_that_claims_what_cannot_be_is_refused(copy: Path, name: str, change: Any, said: str) -> None:
    assert said in rejection(lambda: rewritten(copy, name.encode(), change), DamagedFile)


def test_big_endian_bundles_are_read(copy: Path) -> None:
    data = copy / "v2.ckpt.data-00000-of-00001"
    values = wanted()["types/float64"]
    raw = data.read_bytes()
    turned = values.astype(">f8").tobytes()
    data.write_bytes(raw.replace(values.tobytes(), turned))
    rewritten(copy, b"types/float64", lambda m: setattr(m, "crc32c", masked(checksum(turned))))
    found = rewritten(copy, b"", lambda m: setattr(m, "endianness", 1))
    assert np.array_equal(found.tensors["types/float64"].numpy(), values)
    assert found.tensors["types/float64"].numpy().dtype == numpy_dtype("float64")


def test_an_element_type_that_no_bundle_holds_is_listed(copy: Path) -> None:
    found = rewritten(copy, b"scalar", lambda m: setattr(m, "dtype", 21))
    assert found.others == {"scalar": "variant"}
    assert rewritten(copy, b"types/int8", lambda m: setattr(m, "dtype", 11)).types == {"types/int8": "qint8"}


def test_the_keys_of_slices_are_those_of_tensorflow() -> None:
    keys = set(dict(Table(FOLDER / "v2.ckpt.index").items()))
    for spans in (((0, 3), (0, 5)), ((3, 2), (0, 5)), ((5, 2), (0, 5))):
        assert slice_key(b"rows", spans) in keys
    # worked out by hand from the table of headers in tensorflow/core/lib/strings/ordered_code.cc
    whole = slice_key(b"a\0\xff", (None, (64, -65), (1 << 62, 63)))
    numbers = b"\x80\x7f" + b"\xc0\x40" + b"\x3f\xbf" + b"\xff\xc0\x40" + bytes(7) + b"\xbf"
    assert whole[:1] + whole[1:] == b"\0" + b"a\0\xff\xff\0" + b"\0\x01" + b"\x01\x03" + numbers


def test_strings_whose_lengths_changed_are_refused(copy: Path) -> None:
    data = copy / "v2.ckpt.data-00000-of-00001"
    raw = bytearray(data.read_bytes())
    place = raw.index(b"abc\xff\x00") - 8
    assert struct.unpack("4B", raw[place : place + 4]) == (1, 2, 0, 2)
    raw[place + 1], raw[place + 2] = 1, 1
    data.write_bytes(raw)
    text = rejection(lambda: tensor_bundle.read(copy / "v2.ckpt").strings["names"].values, DamagedFile)
    assert text == f"{data}: names: the lengths of its strings have another CRC than it says: they have changed."
