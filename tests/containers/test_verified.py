"""Bytes are proved by blocks as they are read: the blocks that are touched, each once, in any order."""

from __future__ import annotations

import hashlib
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest

from irconv.containers import verified
from irconv.containers.files import FileBytes, OutputFile, SourceFile, write_tensors
from irconv.containers.verified import Digests, VerifiedFile, digests
from irconv.errors import DamagedFile
from irconv.ir.tensors import LazyTensor
from irconv.layout import relayout
from tests.helpers import rejection

CONTENT = np.random.default_rng(1).bytes(1000)
START = 7
"""The file lies in another one, at this place."""


def digests_of(content: bytes, block: int, crc: int | None = None) -> Digests:
    parts = [content[start : start + block] for start in range(0, len(content), block)]
    hashed = tuple(hashlib.sha256(part).hexdigest() for part in parts)
    return Digests(block, hashed, hashlib.sha256(content).hexdigest(), crc)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    (tmp_path / "x").write_bytes(bytes(START) + CONTENT + b"more")
    return tmp_path / "x"


def opened(whole: Path, block: int = 64) -> VerifiedFile:
    return VerifiedFile(whole, digests_of(CONTENT, block), "the weights", START, len(CONTENT), "Fetch it again.")


def damage(whole: Path, place: int) -> None:
    data = bytearray(whole.read_bytes())
    data[START + place] ^= 1
    whole.write_bytes(bytes(data))


def read(file: SourceFile, offset: int, count: int) -> bytes:
    buffer = bytearray(count)
    file.read_into(memoryview(buffer), offset)
    return bytes(buffer)


def test_what_is_read_is_what_the_file_holds(whole: Path) -> None:
    file = opened(whole)
    for offset, count in ((0, 1000), (63, 2), (64, 64), (999, 1), (500, 0), (0, 1), (900, 100)):
        assert read(file, offset, count) == CONTENT[offset : offset + count]


@pytest.mark.parametrize("place", range(0, 1000, 41))
def test_a_read_finds_a_changed_byte_in_the_blocks_that_it_touches_and_in_no_other(place: int, whole: Path) -> None:
    damage(whole, place)
    block = place // 64 * 64
    what = f"the weights: bytes {block} to {min(block + 64, 1000)} are not those that were written: expected SHA-256 "
    for offset, count in ((0, 1000), (block, 1), (max(0, place - 1), 1), (max(0, block - 1), 2)):
        assert rejection(lambda o=offset, c=count: read(opened(whole), o, c), DamagedFile).startswith(what)
    file = opened(whole)
    assert read(file, 0, block) == CONTENT[:block]
    assert read(file, block + 64, 1000 - block - 64) == CONTENT[block + 64 :] if block + 64 < 1000 else True
    assert what in rejection(lambda: read(file, 0, 1000), DamagedFile)


def test_each_block_is_hashed_once_whatever_is_read(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[int] = []
    sha256 = hashlib.sha256

    class Counting:
        def __init__(self) -> None:
            self.digest = sha256()
            hashed.append(0)

        def update(self, part: memoryview) -> None:
            hashed[-1] += len(part)
            self.digest.update(part)

        def hexdigest(self) -> str:
            return self.digest.hexdigest()

    file = opened(whole)
    monkeypatch.setattr(verified.hashlib, "sha256", Counting)
    read(file, 70, 3)
    assert hashed == [64]
    for offset in range(0, 990, 10):
        read(file, offset, 10)
    read(file, 0, 1000)
    assert hashed == [64] * 15 + [40]


@pytest.mark.parametrize("place", [0, 300, 799])
def test_turned_tensors_and_copies_are_proved(place: int, whole: Path, tmp_path: Path) -> None:
    shape = (10, 20)
    for turn in (False, True):
        tensor = LazyTensor(FileBytes(opened(whole), 0, "float32", shape))
        tensor = tensor.relayout(relayout("a b", "b a", shape)) if turn else tensor
        wanted = np.frombuffer(CONTENT[:800], np.float32).reshape(shape)
        out = OutputFile(tmp_path / f"y{turn}")
        write_tensors(out, [(tensor, 0)])
        out.close()
        assert (tmp_path / f"y{turn}").read_bytes() == (wanted.transpose() if turn else wanted).tobytes()
    damage(whole, place)
    for turn in (False, True):
        tensor = LazyTensor(FileBytes(opened(whole), 0, "float32", shape))
        tensor = tensor.relayout(relayout("a b", "b a", shape)) if turn else tensor
        out = OutputFile(tmp_path / f"z{turn}")
        text = rejection(lambda out=out, tensor=tensor: write_tensors(out, [(tensor, 0)]), DamagedFile)
        out.close()
        assert text.startswith("the weights: bytes ")
        assert text.endswith(" Fetch it again.")


def test_many_threads_may_read_at_once(whole: Path) -> None:
    file, wrong = opened(whole), []

    def work(seed: int) -> None:
        for offset in np.random.default_rng(seed).integers(0, 950, 200):
            if read(file, int(offset), 50) != CONTENT[offset : offset + 50]:
                wrong.append(offset)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_one_digest_of_all_proves_all_at_the_first_read_and_the_crc_of_an_archive(whole: Path) -> None:
    file = VerifiedFile(whole, digests_of(CONTENT, 1000, zlib.crc32(CONTENT)), "", START, len(CONTENT))
    assert read(file, 3, 4) == CONTENT[3:7]
    wrong = VerifiedFile(whole, digests_of(CONTENT, 1000, 5), "here", START, len(CONTENT), "So.")
    reason = f"expected the CRC 00000005 that the archive says, got {zlib.crc32(CONTENT):08x}"
    assert rejection(lambda: read(wrong, 3, 4), DamagedFile) == f"here: {reason}. So."


def test_a_file_with_more_or_fewer_blocks_than_digests_is_refused(whole: Path) -> None:
    text = rejection(lambda: VerifiedFile(whole, digests_of(CONTENT, 64), "here", START, 900, "So."), DamagedFile)
    assert text == "here: expected 16 blocks of 64 bytes, got 900 bytes. So."


def test_a_file_without_bytes_is_proved_by_no_digest(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    assert read(VerifiedFile(tmp_path / "x", Digests(64, (), "")), 0, 0) == b""
    assert digests(tmp_path / "x", False) == Digests(verified.BLOCK, (), hashlib.sha256().hexdigest(), None)


@pytest.mark.parametrize(
    ("size", "block"), [(0, 4096), (1, 4096), (2**20, 4096), (2**20 + 1, 8192), (2**28, 2**20), (2**40, 2**20)]
)
def test_a_small_file_has_small_blocks_so_that_a_change_is_found_close_to_where_it_is(size: int, block: int) -> None:
    assert verified.block_size(size) == block


def test_the_digests_of_a_file_are_those_of_its_blocks(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (whole.parent / "y").write_bytes(CONTENT)
    monkeypatch.setattr(verified, "BLOCK", 64)
    assert digests(whole.parent / "y", False) == digests_of(CONTENT, 64)
    assert digests(whole.parent / "y", True) == digests_of(CONTENT, 64, zlib.crc32(CONTENT))
