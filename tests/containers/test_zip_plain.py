"""The one layout of archives: the bytes of Python's zipfile, and every other header refused with its place."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path

import pytest

from irconv.containers import zip_plain
from irconv.errors import DamagedFile
from tests.helpers import rejection

FILES = {"m.irconv/a.bin": bytes(range(256)) * 10, "m.irconv/b.txt": b"second", "m.irconv/empty": b""}


def packed(folder: Path, files: dict[str, bytes], name: str = "x.zip", known: bool = False) -> Path:
    paths = {}
    for number, (member, content) in enumerate(files.items()):
        paths[member] = folder / f"{name}-{number}"
        paths[member].write_bytes(content)
    zip_plain.pack(paths, folder / name, {n: zlib.crc32(c) for n, c in files.items()} if known else {})
    return folder / name


def test_an_archive_is_what_zipfile_writes(tmp_path: Path) -> None:
    for files in (FILES, {"ö/a": b"1", "ö/日本": b"2"}):
        path = packed(tmp_path, files, f"{len(files)}.zip", known=len(files) == 2)
        with zipfile.ZipFile(tmp_path / "wanted.zip", "w") as archive:
            for name, content in sorted(files.items()):
                info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                info.external_attr = 0o644 << 16
                archive.writestr(info, content)
        assert path.read_bytes() == (tmp_path / "wanted.zip").read_bytes()
        found = zip_plain.members(path)
        assert {n: path.read_bytes()[m.offset : m.offset + m.size] for n, m in found.items()} == files


LARGE = [(3 * 2**30, 7), (2**31 - 1, 1), (2045222521, 5), (2045222522, 5), (5 * 2**30, 2**31)]


@pytest.mark.parametrize("sizes", LARGE)
def test_sizes_and_places_above_two_gigabytes_are_what_zipfile_writes(sizes: tuple[int, ...], tmp_path: Path) -> None:
    entries = [zip_plain._Entry(f"m/{number}", size, 0) for number, size in enumerate(sizes)]
    headers = zip_plain._headers(entries)
    with (tmp_path / "x.zip").open("wb") as file:  # nearly all of it is a hole
        for header in headers:
            file.seek(header.offset)
            file.write(header.content)
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        listed = [(info.filename, info.file_size, info.header_offset) for info in archive.infolist()]
        assert listed == [(e.name, e.size, e.offset) for e in zip_plain._placed(entries)]
        if len(headers[0].content) > 33 + 3:  # as in its own writing: `size * 1.05` must not exceed the narrow fields
            assert sizes[0] * 1.05 > 2**31 - 1
        again = tmp_path / "y.zip"
        with zipfile.ZipFile(again, "w") as other:
            for info in archive.infolist():
                info.extra = b""
                other.filelist.append(info)
            other.start_dir = archive.start_dir
            other._didModify = True
            other.fp.seek(archive.start_dir)
    with (tmp_path / "x.zip").open("rb") as one, again.open("rb") as two:
        for file in (one, two):
            file.seek(archive.start_dir)
        assert one.read() == two.read()
    assert zip_plain.examine(tmp_path / "x.zip")[1].all() == ()
    os.truncate(tmp_path / "x.zip", 0)


def test_every_changed_byte_of_a_header_is_found_with_its_place(tmp_path: Path) -> None:
    path = packed(tmp_path, FILES)
    whole = path.read_bytes()
    inside = {p for m in zip_plain.members(path).values() for p in range(m.offset, m.offset + m.size)}
    for place in sorted(set(range(len(whole))) - inside):
        for bit in (1, 0x20, 0x80):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            text = rejection(lambda: zip_plain.members(path), DamagedFile)
            assert text.startswith(f"{path}: expected 0x") or "is in the archive twice" in text, (place, text)


@pytest.mark.parametrize("change", ["cut", "longer", "before", "no archive", "comment"])
def test_an_archive_of_another_size_is_refused(change: str, tmp_path: Path) -> None:
    path = packed(tmp_path, FILES)
    whole = path.read_bytes()
    changed = {"cut": whole[:-1], "longer": whole + b"x", "before": b"x" + whole, "no archive": b"PK\x03\x04"}
    path.write_bytes(changed.get(change, whole[:-2] + b"\x01\x00x"))
    remedy = "Fetch the archive again; one that was packed by another program is read after it is unpacked."
    text = rejection(lambda: zip_plain.members(path), DamagedFile)
    assert text == f"{path}: is not laid out as irconv packs a bundle. {remedy}"


def test_members_in_another_order_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("m/b", "m/a"):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            archive.writestr(info, b"1")
    assert "is not laid out as" in rejection(lambda: zip_plain.members(tmp_path / "x.zip"), DamagedFile)


def test_a_member_that_is_there_twice_is_refused_by_name(tmp_path: Path) -> None:
    entries = [zip_plain._Entry("m/a", 0, 0)] * 2
    with (tmp_path / "x.zip").open("wb") as file:
        for header in zip_plain._headers(entries):
            file.seek(header.offset)
            file.write(header.content)
    text = rejection(lambda: zip_plain.members(tmp_path / "x.zip"), DamagedFile)
    assert text.startswith(f"{tmp_path / 'x.zip'}: m/a: is in the archive twice.")
