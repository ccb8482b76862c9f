"""Damaged HDF5 files: each is read, or refused by name, in bounded time and memory; ``make fuzz`` tries many more."""

from __future__ import annotations

import os
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from irconv.containers import hdf5
from irconv.containers.hdf5_process import Limits
from irconv.errors import DamagedFile, Refused
from tests.helpers import KERAS, numbers

COUNT = int(os.environ.get("IRCONV_FUZZ", "25"))
"""Damaged copies of each file."""
SECONDS = 2
SLOWEST = 5 * SECONDS + 10  # five times as long by the clock on a busy machine, and starting another process


def packed(path: Path) -> Path:
    """What Keras files have not: chunks, filters, dense groups and attributes, the newest format, a user block."""
    with h5py.File(path, "w", libver="latest", userblock_size=512, track_order=True) as file:
        for number in range(20):
            group = file.create_group(f"layer_{number}", track_order=True)
            for name in ("kernel", "bias", "mean"):
                group.create_dataset(name, data=numbers(7, 5), chunks=(3, 5), compression="gzip", shuffle=True)
            for attribute in range(12):
                group.attrs[f"note_{attribute}"] = [f"{name}:0".encode() for name in ("kernel", "bias")]
        file.create_dataset("checked", data=numbers(40, 3), chunks=(8, 3), fletcher32=True)
        file.create_dataset("growing", data=numbers(9, 2), maxshape=(None, 2))
        file.attrs["text"] = "word " * 400
    return path


SOURCES = ("keras2.2.4-theano-conv_valid", "tf2.15-residual", "keras3.15-rescaling", "packed")


def whole(source: str, folder: Path) -> bytes:
    return (packed(folder / "packed.h5") if source == "packed" else KERAS / source / "model.h5").read_bytes()


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """A copy that is cut short, or has some bytes changed, in places that are mostly metadata."""
    kind = random.integers(4)
    if kind == 0:
        return content[: int(random.integers(9, len(content)))]
    changed = bytearray(content)
    for _ in range(int(random.integers(1, 9))):
        place = int(random.integers(len(content)) if kind == 1 else random.integers(min(len(content), 4096)))
        changed[place] = int(random.choice([0, 1, 0x7F, 0x80, 0xFF, int(random.integers(256))]))
    if kind == 3:  # a run from elsewhere, such as a block of metadata in the place of another
        size = int(random.integers(8, 512))
        here, there = (int(place) for place in random.integers(0, len(content) - size, 2))
        changed[here : here + size] = content[there : there + size]
    return bytes(changed)


def outcome(path: Path) -> str:
    """What reading all of a file comes to; any other exception than irconv's is raised."""
    if not hdf5.recognises(path):
        return "not recognised"
    try:
        for _, tensor in hdf5.read(path).walk():
            tensor.numpy()
    except (DamagedFile, Refused) as error:
        return type(error).__name__ if str(path) in str(error) else f"names no file: {error}"
    return "read"


@pytest.mark.parametrize("source", SOURCES)
def test_a_damaged_file_is_read_or_refused_and_never_hangs(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdf5, "LIMITS", Limits(seconds=SECONDS, memory=2**28))
    content, path = whole(source, tmp_path), tmp_path / "x.h5"
    seed, seen = int(os.environ.get("IRCONV_FUZZ_SEED", "0")), set[str]()
    for number in range(seed, seed + COUNT):
        path.write_bytes(damaged(content, np.random.default_rng(number)))
        start = time.monotonic()
        seen.add(outcome(path))
        assert time.monotonic() - start < SLOWEST, f"{source}, seed {number}"
    assert "DamagedFile" in seen
    assert seen <= {"DamagedFile", "Refused", "not recognised", "read"}


@pytest.mark.parametrize("source", SOURCES)
def test_a_file_cut_short_at_the_end_of_each_structure_is_read_or_refused(source: str, tmp_path: Path) -> None:
    content, path = whole(source, tmp_path), tmp_path / "x.h5"
    marks = [b"TREE", b"HEAP", b"SNOD", b"GCOL", b"OHDR", b"FRHP", b"BTHD", b"FADB", b"OCHK", b"FSHD"]
    places = sorted({content.find(mark, 64) + more for mark in marks for more in (0, 4, 24)} - {-1, 3, 23})
    for place in [1, 8, 9, 48, 96, *places, len(content) - 1]:
        path.write_bytes(content[:place])
        assert outcome(path) in ("DamagedFile", "not recognised"), place
