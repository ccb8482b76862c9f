"""Safetensors in shards: what a run that ends early leaves, and how the next one goes on."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Semaphore
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import irconv
from irconv.containers import kept_shards
from irconv.containers import safetensors as ours
from irconv.errors import IrconvError, OutputFailed, UnusedOption
from tests.helpers import numbers, rejection

KEPT = kept_shards.PREFIX


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Six tensors of 400 bytes."""
    arrays = {f"layer{number}.weight": numbers(10, 10) + number for number in range(6)}
    safetensors.numpy.save_file(arrays, tmp_path / "in.safetensors")
    return tmp_path / "in.safetensors"


def _convert(source: Path, **more: Any) -> Path:
    out = source.with_name("out.safetensors")
    irconv.convert(source, out, **{"shard_size": 800, "resume": True, **more})
    return out


def _failing_at(monkeypatch: pytest.MonkeyPatch, number: int) -> list[str]:
    """The names of shards that are written; the one of a number finds the disk full, once those before it are whole."""
    written: list[str] = []
    before, finished = ours.write, kept_shards.KeptShards.finished
    whole = Semaphore(0)

    def finish(self: kept_shards.KeptShards, place: Path) -> None:
        finished(self, place)
        whole.release()

    def write(path: Path, *given: Any, **more: Any) -> None:
        written.append(path.name)
        before(path, *given, **more)
        if f"-{number:05}-" in path.name:
            for _ in range(number - 1):
                assert whole.acquire(timeout=60)
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(ours, "write", write)
    monkeypatch.setattr(kept_shards.KeptShards, "finished", finish)
    return written


def _loaded(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    found: dict[str, np.ndarray[Any, Any]] = {}
    for path in sorted(folder.glob("out-*.safetensors")):
        found |= safetensors.numpy.load_file(path)
    return found


def test_a_run_goes_on_where_another_one_failed(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        _failing_at(patched, 3)
        text = rejection(lambda: _convert(source), OutputFailed)
    part = source.with_name(f"{KEPT}out.safetensors") / "out-00003-of-00003.safetensors.part"
    assert text == (
        f"{part}: could not be written: No space left on device. What is finished is kept: give the same command again."
    )
    assert sorted(path.name for path in source.parent.iterdir()) == [f"{KEPT}out.safetensors", "in.safetensors"]
    written = _failing_at(monkeypatch, 0)
    _convert(source)
    assert written == ["out-00003-of-00003.safetensors.part"]
    expected = safetensors.numpy.load_file(source)
    found = _loaded(source.parent)
    assert list(found) == list(expected)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert not source.with_name(f"{KEPT}out.safetensors").exists()


def test_a_run_that_is_killed_leaves_what_is_finished(source: Path) -> None:
    code = (
        "import sys, time, irconv\n"
        "from irconv.containers import safetensors\n"
        "before = safetensors.write\n"
        "def write(path, *given, **more):\n"
        "    before(path, *given, **more)\n"
        "    if '-00003-' in path.name: print('there', flush=True); time.sleep(60)\n"
        "safetensors.write = write\n"
        f"irconv.convert({str(source)!r}, {str(source.with_name('out.safetensors'))!r}, shard_size=800, resume=True)\n"
    )
    kept = source.with_name(f"{KEPT}out.safetensors")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        for _ in range(600):
            if len(list(kept.glob("*.safetensors"))) == 2:
                break
            time.sleep(0.05)
        busy = rejection(lambda: _convert(source), OutputFailed)
        os.kill(process.pid, signal.SIGKILL)
    assert busy == f"{source.with_name('out.safetensors')}: another run writes it now. Wait for its end."
    names = sorted(path.name for path in kept.iterdir())
    shards = [f"out-{number:05}-of-00003.safetensors" for number in (1, 2, 3)]
    assert names == ["asked", "lock", *shards[:2], f"{shards[2]}.part"]
    _convert(source)
    assert len(_loaded(source.parent)) == 6
    assert not list(source.parent.glob(".irconv*"))


def test_a_shard_that_is_not_whole_is_written_again(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        _failing_at(patched, 3)
        rejection(lambda: _convert(source), OutputFailed)
    kept = source.with_name(f"{KEPT}out.safetensors")
    cut = kept / "out-00001-of-00003.safetensors"
    cut.write_bytes(cut.read_bytes()[:-1])
    written = _failing_at(monkeypatch, 0)
    _convert(source)
    assert sorted(written) == [f"out-{number:05}-of-00003.safetensors.part" for number in (1, 3)]
    assert len(_loaded(source.parent)) == 6


def test_shards_of_another_conversion_are_not_taken(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        _failing_at(patched, 3)
        rejection(lambda: _convert(source), OutputFailed)
    kept = source.with_name(f"{KEPT}out.safetensors")
    reason = (
        f"{kept}: holds shards of another conversion: what is read has changed, or other options were given. "
        "Give the same command again, or remove this folder."
    )
    assert rejection(lambda: _convert(source, shard_size=900), OutputFailed) == reason
    os.utime(source, ns=(1, 1))
    assert rejection(lambda: _convert(source), OutputFailed) == reason


def test_a_folder_that_is_somebody_elses_is_kept(source: Path) -> None:
    kept = source.with_name(f"{KEPT}out.safetensors")
    kept.mkdir()
    (kept / "mine").write_text("x")
    reason = f"{kept}: is a folder that irconv did not write. Move it away first."
    assert rejection(lambda: _convert(source), OutputFailed) == reason
    (kept / "mine").unlink()
    (kept / "lock").unlink()
    kept.rmdir()
    kept.symlink_to(source.parent)
    assert rejection(lambda: _convert(source), OutputFailed) == f"{kept}: is no folder of shards. Move it away first."


@pytest.mark.parametrize("name", ["out.safetensors", "out.hf"])
def test_one_file_has_nothing_to_go_on_from(source: Path, name: str) -> None:
    def convert() -> None:
        irconv.convert(source, source.with_name(name), resume=True)

    reason = "--resume: has no effect: all weights go into one file. Leave it out, or give a smaller --shard-size."
    assert rejection(convert, UnusedOption) == reason
    with pytest.raises(IrconvError, match="resume=True"):
        irconv.convert(source, source.with_name("out.pt"), resume=True)
    assert [path.name for path in source.parent.iterdir()] == ["in.safetensors"]


def test_a_folder_for_the_hub_goes_on_as_well(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def convert() -> None:
        irconv.convert(source, source.with_name("out.hf"), shard_size=800, resume=True)

    with monkeypatch.context() as patched:
        _failing_at(patched, 2)
        rejection(convert, OutputFailed)
    written = _failing_at(monkeypatch, 0)
    convert()
    assert "model-00002-of-00003.safetensors.part" in written
    assert "model-00001-of-00003.safetensors.part" not in written
    folder = source.with_name("out.hf")
    assert sum(len(safetensors.numpy.load_file(path)) for path in folder.glob("*.safetensors")) == 6
    assert not list(source.parent.glob(".irconv*"))
