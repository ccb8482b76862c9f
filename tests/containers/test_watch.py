"""Files that change while they are read are refused by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from irconv.containers.files import SourceFile
from irconv.containers.watch import check_unchanged, keeping, note, once, watched
from irconv.errors import DamagedFile
from tests.helpers import rejection


def in_place(path: Path) -> None:
    """Another byte at the same place, and the old time of modification."""
    before = path.stat()
    path.write_bytes(b"y" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(path: Path) -> None:
    twin = path.with_suffix(".new")
    twin.write_bytes(path.read_bytes())
    twin.replace(path)


def grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"z")


CHANGES = [in_place, replaced, grown, Path.unlink]
_OLD = 10**18


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "x").write_bytes(b"x" * 10)
    os.utime(tmp_path / "x", ns=(_OLD, _OLD))
    return tmp_path / "x"


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_has_changed_since_it_was_opened_is_named(change: Callable[[Path], None], file: Path) -> None:
    with watched() as seen:
        SourceFile(file)
    check_unchanged(seen)
    change(file)
    text = rejection(lambda: check_unchanged(seen), DamagedFile)
    reason = "has changed since it was first read. Wait until it is no longer written, and read it again."
    assert text == f"{file}: {reason}"


@pytest.mark.parametrize("change", [in_place, replaced, grown])
def test_a_file_that_has_changed_when_it_is_opened_again_is_named(change: Callable[[Path], None], file: Path) -> None:
    def read() -> None:
        with watched():
            note(file)
            change(file)
            SourceFile(file)

    text = rejection(read, DamagedFile)
    assert text == f"{file}: has changed while it was read. Wait until it is no longer written, and read it again."


def test_nothing_is_noted_outside_and_reading_a_file_does_not_change_it(file: Path) -> None:
    note(file)
    with watched() as seen:
        file.read_bytes()
        assert not seen
        note(file)
    file.read_bytes()
    assert list(seen) == [file]
    check_unchanged(seen)


def test_what_is_found_in_a_file_is_found_once_while_the_file_stays_as_it_is(file: Path) -> None:
    asked: list[str] = []

    def find(kind: str) -> bytes:
        asked.append(kind)
        return file.read_bytes()

    assert once(file, "a", lambda: find("a")) == once(file, "a", lambda: find("a")), "outside it is found anew"
    with keeping():
        with keeping():
            first = once(file, "a", lambda: find("a"))
        assert once(file, "a", lambda: find("a")) is first
        assert once(file, "b", lambda: find("b")) is not None
        grown(file)
        assert once(file, "a", lambda: find("a")) == first + b"z"
    assert asked == ["a", "a", "a", "b", "a"]


def test_what_was_found_before_the_file_changed_is_not_used_where_it_is_watched(file: Path) -> None:
    with keeping(), watched():
        once(file, "a", file.read_bytes)
        grown(file)
        text = rejection(lambda: once(file, "a", file.read_bytes), DamagedFile)
    assert text.startswith(f"{file}: has changed while it was read")
