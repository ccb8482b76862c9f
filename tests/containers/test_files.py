"""Reads stay inside the file; tensors are written at their places."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from irconv.containers import files
from irconv.containers.files import FileBytes, OutputFile, SourceFile, sha256, write_tensors
from irconv.errors import DamagedFile
from irconv.ir.tensors import LazyTensor
from irconv.layout import relayout
from tests.helpers import numbers, rejection


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


def test_small_tensors_are_written_together_and_large_ones_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_SMALL", 40)
    monkeypatch.setattr(files, "_MANY", 3)
    sizes = (5, 1, 2, 30, 3, 4, 6, 7, 25)
    arrays = [numbers(size, seed=n) for n, size in enumerate(sizes)]
    starts = np.cumsum([0, *(array.nbytes for array in arrays)]).tolist()
    placed = [(LazyTensor.of(array), start) for array, start in zip(arrays, starts[:-1], strict=True)]
    written: list[tuple[int, int]] = []
    output = OutputFile(tmp_path / "out")
    write_tensors(output, placed, lambda done, total: written.append((done, total)))
    output.close()
    assert (tmp_path / "out").read_bytes() == b"".join(array.tobytes() for array in arrays)
    assert written[-1] == (starts[-1], starts[-1])
    jobs = [job for tensor, start in placed for job in tensor.jobs(output, start, 2**20)]
    assert [nbytes for nbytes, _ in files._together(jobs)] == [32, 120, 52, 100, 28]


def test_what_a_small_job_raises_is_raised(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(20))
    source = SourceFile(tmp_path / "x")
    tensor = LazyTensor(FileBytes(source, 0, "float32", (5,))).relayout(relayout("a", "~a", (5,)))
    os.truncate(tmp_path / "x", 10)
    output = OutputFile(tmp_path / "out")
    text = rejection(lambda: write_tensors(output, [(tensor, 0)]), DamagedFile)
    assert text.startswith(f"{tmp_path / 'x'}: expected 20 bytes at offset 0")
