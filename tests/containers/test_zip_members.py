"""Members are checked against their claims: sizes before memory is taken, CRCs when they are read."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from irconv.containers import zip_writer
from irconv.containers.zip import Archive
from irconv.errors import DamagedFile, Refused
from irconv.ir.tensors import LazyTensor
from tests.helpers import numbers, rejection

CONTENT = bytes(range(256)) * 8


def _packed(path: Path, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("a", CONTENT)
        archive.writestr("b", b"second")
    return path


def _read(archive: Archive, name: str, start: int, count: int) -> bytes:
    buffer = bytearray(count)
    archive.open(name).read_into(memoryview(buffer), start)
    return bytes(buffer)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_any_part_of_a_member_is_read(compression: int, tmp_path: Path) -> None:
    archive = Archive(_packed(tmp_path / "x.zip", compression))
    assert archive.content("a", 10_000) == CONTENT
    assert archive.head("a", 5) == CONTENT[:5]
    assert _read(archive, "a", 100, 50) == CONTENT[100:150]
    buffer = bytearray(8)
    archive.open("a").read_runs(memoryview(buffer), [0, 512])
    assert buffer == CONTENT[:4] * 2


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("count", [len(CONTENT), 10])
def test_a_flipped_bit_is_noticed_however_much_is_read(compression: int, count: int, tmp_path: Path) -> None:
    path = _packed(tmp_path / "x.zip", compression)
    raw = bytearray(path.read_bytes())
    member = Archive(path).members["a"]
    raw[member.offset + member.stored // 2] ^= 1
    path.write_bytes(raw)
    text = rejection(lambda: _read(Archive(path), "a", 0, count), DamagedFile)
    assert text.startswith(f"{path}: a: ")


def test_the_message_for_a_wrong_crc_has_both(tmp_path: Path) -> None:
    path = _packed(tmp_path / "x.zip")
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"second", b"Second", 1))
    text = rejection(lambda: Archive(path).content("b", 10), DamagedFile)
    assert text.startswith(f"{path}: b: expected CRC ")
    assert text.endswith("the bytes have changed since it was written. Fetch the file again.")


def test_an_archive_written_without_checksums_is_read(tmp_path: Path) -> None:
    path = _packed(tmp_path / "x.zip")
    crcs = {info.CRC for info in zipfile.ZipFile(path).infolist()}
    raw = path.read_bytes()
    for crc in crcs:
        raw = raw.replace(crc.to_bytes(4, "little"), bytes(4))
    path.write_bytes(raw)
    assert Archive(path).content("a", 10_000) == CONTENT


@pytest.mark.parametrize("name", ["../a", "/a", "x/../../a", "x\\a"])
def test_names_that_lead_outside_are_refused(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"1")
    text = rejection(lambda: Archive(tmp_path / "x.zip"), DamagedFile)
    assert text.endswith("expected a name inside the archive, got one that leads outside.")


def test_another_compression_is_refused_by_its_number(tmp_path: Path) -> None:
    _packed(tmp_path / "x.zip", zipfile.ZIP_LZMA)
    text = rejection(lambda: Archive(tmp_path / "x.zip"), Refused)
    assert text == f"{tmp_path / 'x.zip'}: a: expected a stored or deflated member, got compression 14."


@pytest.mark.parametrize("claim", [10**9, len(CONTENT) + 1, len(CONTENT) - 1])
def test_a_deflated_member_of_another_size_than_claimed_is_refused(claim: int, tmp_path: Path) -> None:
    path = _packed(tmp_path / "x.zip", zipfile.ZIP_DEFLATED)
    raw = bytearray(path.read_bytes())
    entry = raw.index(b"PK\x01\x02")
    raw[entry + 24 : entry + 28] = claim.to_bytes(4, "little")
    path.write_bytes(raw)
    text = rejection(lambda: Archive(path).content("a", 2 * 10**9), DamagedFile)
    assert text.startswith(f"{path}: a: claims {claim} bytes, but ")


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    path = _packed(tmp_path / "x.zip")
    raw = bytearray(path.read_bytes())
    second = raw.rindex(b"PK\x01\x02")
    raw[second + 42 : second + 46] = bytes(4)  # where the first member is
    path.write_bytes(raw)
    assert rejection(lambda: Archive(path), DamagedFile).endswith("overlaps another member of the archive.")


def test_a_member_above_the_limit_is_refused(tmp_path: Path) -> None:
    text = rejection(lambda: Archive(_packed(tmp_path / "x.zip")).content("a", 100), DamagedFile)
    assert text == f"{tmp_path / 'x.zip'}: a: expected at most 100 bytes, got 2048."


def test_written_members_are_aligned_and_sound(tmp_path: Path) -> None:
    array = numbers(37, 53)
    members: list[tuple[str, bytes | LazyTensor]] = [
        ("x/data.pkl", b"abc"),
        ("x/data/0", LazyTensor.of(array)),
        ("x/é", b""),
    ]
    zip_writer.write(tmp_path / "x.zip", members, 64)
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [name for name, _ in members]
        assert archive.read("x/data/0") == array.tobytes()
    assert all(member.offset % 64 == 0 for member in Archive(tmp_path / "x.zip").members.values())


def test_a_file_whose_framing_a_library_wrote_takes_its_tensors_in_the_archive(tmp_path: Path) -> None:
    first, second = numbers(37, 53), numbers(300, 500)
    frame = tmp_path / "frame"
    frame.write_bytes(b"head" + bytes(first.nbytes) + b"between" + bytes(second.nbytes) + b"tail")
    placed = [(LazyTensor.of(second), 11 + first.nbytes), (LazyTensor.of(first), 4)]
    zip_writer.write(tmp_path / "x.zip", [("a", b"abc"), ("b", zip_writer.Framed(frame, placed))], 8)
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.testzip() is None
        assert archive.read("b") == b"head" + first.tobytes() + b"between" + second.tobytes() + b"tail"


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("x", "y"):
        zip_writer.write(tmp_path / name, [("a", LazyTensor.of(np.arange(5)))], 64)
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


def test_more_members_than_a_narrow_directory_counts_are_written(tmp_path: Path) -> None:
    zip_writer.write(tmp_path / "x.zip", [(f"m{number}", b"") for number in range(65_536)], 1)
    assert len(Archive(tmp_path / "x.zip").members) == 65_536
