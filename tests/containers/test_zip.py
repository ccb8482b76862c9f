"""Archives whose members lie in place; everything else is refused."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import pytest

from irconv.containers import zip as archives
from irconv.errors import DamagedFile, Refused
from tests.helpers import rejection


def pack(folder: Path, path: Path) -> None:
    """The files of a folder in their order, in one folder of the archive."""
    archives.pack_files({f"m.irconv/{file.name}": file for file in sorted(folder.iterdir())}, path)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, content in (("b.txt", b"second"), ("a.bin", bytes(range(256)) * 10), ("empty", b"")):
        (folder / name).write_bytes(content)
    pack(folder, tmp_path / "x.zip")
    return tmp_path / "x.zip"


def test_members_are_found_where_their_bytes_lie(packed: Path) -> None:
    found, raw = archives.members(packed), packed.read_bytes()
    assert list(found) == ["m.irconv/a.bin", "m.irconv/b.txt", "m.irconv/empty"]
    member = found["m.irconv/b.txt"]
    assert raw[member.offset : member.offset + member.size] == b"second"
    assert found["m.irconv/empty"].size == 0


def test_the_standard_library_reads_what_is_packed(packed: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        assert archive.testzip() is None
        assert archive.read("m.irconv/a.bin") == bytes(range(256)) * 10
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_packing_twice_gives_the_same_bytes(packed: Path) -> None:
    pack(packed.parent / "folder", packed.parent / "y.zip")
    assert (packed.parent / "y.zip").read_bytes() == packed.read_bytes()


def test_a_compressed_member_is_refused_by_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"x" * 100)
    text = rejection(lambda: archives.members(tmp_path / "x.zip"), DamagedFile)
    assert text == f"{tmp_path / 'x.zip'}: a: expected a member stored uncompressed."


def test_a_member_that_is_there_twice_is_refused_by_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("a", b"1")
        archive.writestr("a", b"2")
    text = rejection(lambda: archives.members(tmp_path / "x.zip"), DamagedFile)
    assert text == f"{tmp_path / 'x.zip'}: a: is in the archive twice."


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_archive_is_refused_by_name(share: float, packed: Path) -> None:
    whole = packed.read_bytes()
    packed.write_bytes(whole[: int(len(whole) * share)])
    text = rejection(lambda: archives.members(packed), DamagedFile)
    assert text.startswith(f"{packed}: expected a zip archive, got ")


def test_a_member_whose_place_is_no_member_is_refused_by_name(packed: Path) -> None:
    raw = bytearray(packed.read_bytes())
    raw[0:4] = b"XXXX"
    packed.write_bytes(bytes(raw))
    text = rejection(lambda: archives.members(packed), DamagedFile)
    assert text == f"{packed}: m.irconv/a.bin: its place in the archive is outside the file."


def test_a_member_that_says_it_is_longer_than_the_file_is_refused_by_name(packed: Path) -> None:
    raw = bytearray(packed.read_bytes())
    entry = raw.index(b"PK\x01\x02")
    raw[entry + 20 : entry + 28] = (10**6).to_bytes(4, "little") * 2
    packed.write_bytes(bytes(raw))
    text = rejection(lambda: archives.members(packed), DamagedFile)
    assert text == f"{packed}: m.irconv/a.bin: its place in the archive is outside the file."


def test_an_encrypted_member_is_refused_by_name(packed: Path) -> None:
    raw = bytearray(packed.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    packed.write_bytes(bytes(raw))
    text = rejection(lambda: archives.members(packed), Refused)
    assert text == f"{packed}: m.irconv/a.bin: is encrypted. Decrypt the archive first."


def test_a_member_without_a_name_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a", b"1")
    raw = (tmp_path / "x.zip").read_bytes()
    place = raw.index(b"PK\x01\x02")
    nameless = raw[: place + 28] + b"\0\0" + raw[place + 30 : place + 46] + raw[place + 47 :]
    end = nameless.index(b"PK\x05\x06")
    size = int.from_bytes(nameless[end + 12 : end + 16], "little") - 1
    (tmp_path / "x.zip").write_bytes(nameless[: end + 12] + size.to_bytes(4, "little") + nameless[end + 16 :])
    text = rejection(lambda: archives.members(tmp_path / "x.zip"), DamagedFile)
    assert text == f"{tmp_path / 'x.zip'}: has a member without a name."
