"""Outputs appear whole or not at all; reads stay inside the file."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from irconv.containers import files
from irconv.containers.files import FileBytes, OutputFile, SourceFile, sha256, whole_output, write_tensors
from irconv.errors import DamagedFile, OutputFailed, Refused
from irconv.ir.tensors import LazyTensor
from irconv.layout import relayout
from tests.helpers import numbers, rejection


def test_files_written_in_the_block_appear_together_at_its_end(tmp_path: Path) -> None:
    with whole_output(force=False) as output:
        for name in ("data", "model"):
            output.path(tmp_path / name).write_text(name)
        assert not (tmp_path / "data").exists()
        assert not (tmp_path / "model").exists()
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"data": "data", "model": "model"}


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with whole_output(force=False) as output:
        folder = output.path(tmp_path / "m.irconv")
        folder.mkdir()
        (folder / "a").write_text("a")
        assert not (tmp_path / "m.irconv").exists()
    assert [p.relative_to(tmp_path) for p in tmp_path.rglob("*")] == [Path("m.irconv"), Path("m.irconv/a")]


@pytest.mark.parametrize("raised", [RuntimeError("stop"), KeyboardInterrupt(), Refused("here", "expected more")])
def test_an_exception_in_the_block_leaves_nothing(raised: BaseException, tmp_path: Path) -> None:
    def fill() -> None:
        with whole_output(force=False) as output:
            output.path(tmp_path / "data").write_text("half")
            raise raised

    with pytest.raises(type(raised)):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_an_exception_in_the_block_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("old")

    def fill() -> None:
        with whole_output(force=True) as output:
            output.path(tmp_path / "data").write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fill()
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"data": "old"}


def test_an_error_of_the_system_is_reported_with_its_file(tmp_path: Path) -> None:
    def fill() -> None:
        with whole_output(force=False) as output:
            output.path(tmp_path / "data")
            (tmp_path / "nowhere" / "x").write_text("")

    text = rejection(fill, OutputFailed)
    assert text == f"{tmp_path / 'nowhere' / 'x'}: could not be written: No such file or directory."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("old_kind", ["file", "folder", "link"])
def test_force_replaces_what_is_there(old_kind: str, tmp_path: Path) -> None:
    final = tmp_path / "m.irconv"
    if old_kind == "file":
        final.write_text("old")
    elif old_kind == "folder":
        final.mkdir()
        (final / "old").write_text("old")
    else:
        (tmp_path / "target").write_text("kept")
        final.symlink_to(tmp_path / "target")
    with whole_output(force=True) as output:
        output.path(final).write_text("new")
    assert final.read_text() == "new"
    assert not final.is_symlink()
    others = [p for p in tmp_path.iterdir() if p != final]
    assert [p.read_text() for p in others] == (["kept"] if old_kind == "link" else [])


def test_force_replaces_a_folder_by_a_folder(tmp_path: Path) -> None:
    final = tmp_path / "m.irconv"
    final.mkdir()
    (final / "old").write_text("old")
    with whole_output(force=True) as output:
        folder = output.path(final)
        folder.mkdir()
        (folder / "new").write_text("new")
    assert [p.relative_to(tmp_path) for p in sorted(tmp_path.rglob("*"))] == [Path("m.irconv"), Path("m.irconv/new")]


@pytest.mark.parametrize("old_kind", ["file", "folder", "dangling link"])
def test_what_is_there_is_kept_without_force(old_kind: str, tmp_path: Path) -> None:
    final = tmp_path / "m"
    if old_kind == "file":
        final.write_text("old")
    elif old_kind == "folder":
        final.mkdir()
    else:
        final.symlink_to(tmp_path / "nowhere")

    def fill() -> None:
        with whole_output(force=False) as output:
            output.path(final)

    assert rejection(fill, OutputFailed) == f"{final}: exists already. Give --force to replace it."
    assert list(tmp_path.iterdir()) == [final]


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    def fill() -> None:
        with whole_output(force=True) as output:
            output.path(tmp_path / "no" / "m")

    reason = f"{tmp_path / 'no' / 'm'}: the folder {tmp_path / 'no'} does not exist. Make it first."
    assert rejection(fill, OutputFailed) == reason
    assert list(tmp_path.iterdir()) == []


def test_of_several_outputs_none_appears_where_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("old")

    def fill() -> None:
        with whole_output(force=False) as output:
            output.path(tmp_path / "data").write_text("new")
            output.path(tmp_path / "model").write_text("new")

    assert rejection(fill, OutputFailed) == f"{tmp_path / 'model'}: exists already. Give --force to replace it."
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"model": "old"}


def test_outputs_have_the_permissions_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with whole_output(force=False) as output:
        file = OutputFile(output.path(tmp_path / "made"))
        file.close()
    assert (tmp_path / "made").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_region_of_a_file_is_read_by_its_own_offsets(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(range(20)))
    region, buffer = SourceFile(tmp_path / "x", 5, 10), bytearray(3)
    region.read_into(memoryview(buffer), 2)
    assert bytes(buffer) == bytes([7, 8, 9])
    assert region.size == 10


@pytest.mark.parametrize(("start", "size"), [(0, 21), (20, 1), (15, 6), (-1, 2), (30, None)])
def test_a_region_outside_the_file_is_refused(start: int, size: int | None, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(20))
    text = rejection(lambda: SourceFile(tmp_path / "x", start, size), DamagedFile)
    wanted = size if size is not None else 20 - start
    assert text == f"{tmp_path / 'x'}: expected {wanted} bytes at offset {start}, but the file has 20 bytes."


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(20))
    source = SourceFile(tmp_path / "x")
    os.truncate(tmp_path / "x", 10)
    text = rejection(lambda: source.read_into(memoryview(bytearray(8)), 6), DamagedFile)
    assert text == f"{tmp_path / 'x'}: expected 8 bytes at offset 6, but the file ends at 20."
    tensor = LazyTensor(FileBytes(source, 0, "float32", (5,)))
    assert str(tmp_path / "x") in rejection(tensor.numpy, DamagedFile)


@pytest.mark.parametrize(("offset", "shape"), [(4, (5,)), (-4, (1,)), (0, (2**40, 2**40)), (24, (1,))])
def test_an_array_that_does_not_lie_in_the_file_is_refused_before_memory_is_taken(
    offset: int, shape: tuple[int, ...], tmp_path: Path
) -> None:
    (tmp_path / "x").write_bytes(bytes(20))
    text = rejection(lambda: FileBytes(SourceFile(tmp_path / "x"), offset, "float32", shape), DamagedFile)
    assert text.startswith(f"{tmp_path / 'x'}: expected ")
    assert text.endswith("The file is truncated or its header is wrong; fetch it again.")


def test_several_tensors_are_written_side_by_side_within_a_small_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MEMORY_BUDGET", 3000)
    first, second = numbers(37, 41), numbers(5, 7, 11)
    turned = LazyTensor.of(first).relayout(relayout("a b", "b a", first.shape))
    seen: list[tuple[int, int]] = []
    file = OutputFile(tmp_path / "x")
    write_tensors(
        file, [(turned, 8), (LazyTensor.of(second), 8 + first.nbytes)], lambda done, total: seen.append((done, total))
    )
    file.close()
    wanted = bytes(8) + first.transpose().tobytes() + second.tobytes()
    assert (tmp_path / "x").read_bytes() == wanted
    assert seen[-1] == (first.nbytes + second.nbytes,) * 2
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_an_error_while_tensors_are_written_is_raised(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(400))
    tensor = LazyTensor(FileBytes(SourceFile(tmp_path / "x"), 0, "float32", (100,)))
    os.truncate(tmp_path / "x", 100)
    file = OutputFile(tmp_path / "y")
    text = rejection(lambda: write_tensors(file, [(tensor, 0)]), DamagedFile)
    file.close()
    assert text.startswith(f"{tmp_path / 'x'}: expected 400 bytes at offset 0")


def test_the_digest_is_sha256(tmp_path: Path) -> None:
    content = np.random.default_rng(1).bytes(3_000_001)
    (tmp_path / "x").write_bytes(content)
    assert sha256(tmp_path / "x") == hashlib.sha256(content).hexdigest()
