"""Files that are cut, changed or made to do harm: typed errors, nothing executed, nothing taken on trust."""

from __future__ import annotations

import os
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest

import irconv
from irconv.errors import DamagedFile, IrconvError, Refused
from irconv.options import ReadOptions
from tests.frameworks.torch.test_read import TORCH
from tests.helpers import rejection

FILES = ["torch213-state.pt", "torch213-legacy-state.pt", "torch213-module.pt", "torch14-zip-state.pt", "views.pt"]


def _read_all(path: Path) -> None:
    shapes = ("N,1,11,8",) if "module" in path.name else ()
    for tensor in irconv.read(path, ReadOptions(source_format="torch", input_shape=shapes)).tensors.values():
        tensor.data.numpy()


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_anywhere_is_refused(name: str, tmp_path: Path) -> None:
    raw = (TORCH / name).read_bytes()
    path = tmp_path / name
    for cut in [0, 1, *random.Random(1).sample(range(2, len(raw)), 60), len(raw) - 1]:
        path.write_bytes(raw[:cut])
        assert str(path) in rejection(lambda: _read_all(path), DamagedFile), f"cut at {cut}"


@pytest.mark.parametrize("name", FILES)
def test_changed_bytes_give_typed_errors_only(name: str, tmp_path: Path) -> None:
    raw, chance, refused = (TORCH / name).read_bytes(), random.Random(2), 0
    path = tmp_path / name
    for _ in range(120):
        changed = bytearray(raw)
        for _ in range(chance.randrange(1, 5)):
            changed[chance.randrange(len(raw))] = chance.randrange(256)
        path.write_bytes(changed)
        try:
            _read_all(path)
        except IrconvError:
            refused += 1
    assert refused > 40


def test_a_flipped_bit_in_a_weight_is_noticed(tmp_path: Path) -> None:
    raw = bytearray((TORCH / "torch213-state.pt").read_bytes())
    with zipfile.ZipFile(TORCH / "torch213-state.pt") as archive:
        data = archive.read("torch213-state/data/0")
    raw[raw.index(data) + 5] ^= 4
    (tmp_path / "m.pt").write_bytes(raw)
    text = rejection(lambda: _read_all(tmp_path / "m.pt"), DamagedFile)
    assert text.startswith(f"{tmp_path / 'm.pt'}: torch213-state/data/0: expected CRC ")


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch made",)


@pytest.mark.parametrize("legacy", [True, False])
def test_a_call_beside_real_weights_is_refused_by_name(
    legacy: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.chdir(tmp_path)
    state = {"w": torch.zeros(3), "extra": Evil()}
    torch.save(state, tmp_path / "m.pt", _use_new_zipfile_serialization=not legacy)
    text = rejection(lambda: irconv.read(tmp_path / "m.pt"), Refused)
    assert f"the pickle calls {os.system.__module__}.system, which is not on the list of plain data." in text
    assert not (tmp_path / "made").exists()


class Net:
    """A class that only the writer of a file has."""

    def __init__(self, value: object) -> None:
        self.value = value


def test_objects_of_unknown_classes_beside_the_weights_are_left_out(tmp_path: Path) -> None:
    import torch

    torch.save({"state_dict": {"w": torch.ones(2)}, "args": Net(torch.zeros(5))}, tmp_path / "m.pt")
    bundle = irconv.read(tmp_path / "m.pt")
    assert list(bundle.tensors) == ["w"]
    assert [(omitted.name, omitted.reason) for omitted in bundle.omitted] == [("args.value", "state of the training")]


def _zip(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _pickled(shape: str, strides: str, offset: int = 0, count: int = 6) -> bytes:
    storage = f"((U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuI{count}\ntQ"
    made = f"(U\x01wctorch._utils\n_rebuild_tensor_v2\n{storage}I{offset}\n{shape}{strides}I00\nNtRd."
    return made.encode("latin1")


@pytest.mark.parametrize(
    ("shape", "strides", "offset", "what"),
    [
        ("(I7\nt", "(I1\nt", 0, "w: reaches to byte 28 of a storage of 24 bytes"),
        ("(I2\nt", "(I9\nt", 0, "w: reaches to byte 40 of a storage of 24 bytes"),
        ("(I2\nt", "(I1\nt", -1, "w: expected sizes, strides and an offset of whole numbers, got (-1, 2, 1)"),
        ("(I-2\nt", "(I1\nt", 0, "w: expected sizes, strides and an offset of whole numbers, got (0, -2, 1)"),
        ("(I2\nI2\nt", "(I1\nt", 0, "w: has 2 sizes and 1 strides"),
        ("(I6\nt", "(I1\nt", 3, "w: reaches to byte 36 of a storage of 24 bytes"),
    ],
)
def test_a_view_outside_its_storage_is_refused(
    shape: str, strides: str, offset: int, what: str, tmp_path: Path
) -> None:
    path = _zip(tmp_path / "m.pt", {"m/data.pkl": _pickled(shape, strides, offset), "m/data/0": bytes(24)})
    text = rejection(lambda: irconv.read(path), DamagedFile)
    assert text.startswith(f"{path}: {what}")


def test_a_storage_of_another_size_than_its_tensors_say_is_refused(tmp_path: Path) -> None:
    content = _pickled("(I2\nt", "(I1\nt", 0, 10**12)
    path = _zip(tmp_path / "m.pt", {"m/data.pkl": content, "m/data/0": bytes(24)}, zipfile.ZIP_DEFLATED)
    text = rejection(lambda: irconv.read(path), DamagedFile)
    assert text == f"{path}: m/data/0: expected 4000000000000 bytes for the tensors in it, got 24."


def test_a_storage_that_is_missing_is_named(tmp_path: Path) -> None:
    path = _zip(tmp_path / "m.pt", {"m/data.pkl": _pickled("(I2\nt", "(I1\nt")})
    assert rejection(lambda: irconv.read(path), DamagedFile) == (
        f"{path}: expected the storage m/data/0, which is missing."
    )


def test_a_value_that_holds_itself_a_thousand_times_is_read_at_once(tmp_path: Path) -> None:
    nested = b"".join(b"]q%c(h%ch%ce" % (level, level - 1, level - 1) for level in range(1, 60))
    content = b"}(U\x05extra]q\x00" + nested + b"U\x01wNu."
    path = _zip(tmp_path / "m.pt", {"m/data.pkl": content, "m/version": b"3"})
    with pytest.raises(IrconvError):
        irconv.read(path)
