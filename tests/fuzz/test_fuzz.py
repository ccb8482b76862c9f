"""A few hundred cases of every reader with every suite; ``make fuzz`` runs a million. Every one is right or refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import irconv
from irconv.frameworks import READERS
from tests.fuzz import coverage
from tests.fuzz.campaign import Found, campaign, table
from tests.fuzz.case import prepare, random_of, run
from tests.fuzz.changes import of_bytes, of_json
from tests.fuzz.seeds import ADOPT, SOURCES, seeds

CASES = int(os.environ.get("IRCONV_FUZZ", "200"))
"""Cases of each reader: with eight readers and adoption 1,800, which take a minute of processor time."""
FIRST = int(os.environ.get("IRCONV_FUZZ_SEED", "0"))
RECOGNISED, WRITTEN, COVERED = 0.3, 0.05, 0.8


@pytest.fixture(scope="module")
def found() -> Found:
    return campaign(range(FIRST, FIRST + CASES), jobs=2)


def test_every_reader_is_fuzzed() -> None:
    names = {reader.name for reader in READERS}
    assert set(SOURCES) == {ADOPT, *names}, "a new reader needs a line in tests/fuzz/seeds.py"
    assert all(seeds(reader) for reader in SOURCES)


def test_every_case_is_right_or_refused(found: Found) -> None:
    said = [
        f"{reader} {number} ({came.seed} to {came.target}): {fault}\n{came.details}"
        for reader, fault, number, came in found.faults
    ]
    assert not said, "\n".join(said)


@pytest.mark.parametrize("reader", SOURCES)
def test_many_cases_get_far_enough_to_tell(reader: str, found: Found) -> None:
    count = found.counts[reader]
    assert count.cases == CASES
    assert count.recognised >= RECOGNISED * count.cases, table(found.counts)
    assert count.written >= WRITTEN * count.cases, table(found.counts)


def test_the_containers_are_covered(found: Found) -> None:
    lines = coverage.of_lines(found.lines)
    assert coverage.share(lines) >= COVERED, coverage.table(lines)


def test_a_case_is_the_same_every_time(tmp_path: Path) -> None:
    made = []
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        seed = prepare("keras", 5, tmp_path / place)
        made.append((seed, (tmp_path / place / seed.changed).read_bytes()))
    if b"\x89HDF" not in made[0][1]:  # HDF5 writes times
        assert made[0] == made[1]
    assert made[0][0] == made[1][0]


def test_changes_change() -> None:
    assert of_bytes(bytes(range(256)), random_of("x", 1)) != bytes(range(256))
    texts = {of_json('{"a": [1, 2, {"b": "c"}]}', random_of("x", number)) for number in range(50)}
    assert len(texts) > 20
    assert sum(_is_json(text) for text in texts) > 15


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_a_fault_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> object:
        raise KeyError("x")

    monkeypatch.setattr("irconv.frameworks.onnx.read.read", broken)
    came = next(
        came
        for number in range(20)
        if (came := run("onnx", number, _empty(tmp_path / str(number)))).stage == "recognised"
    )
    assert came.fault.startswith("a fault: KeyError in ")


def _empty(path: Path) -> Path:
    path.mkdir()
    return path


def test_a_death_and_a_case_that_takes_too_long_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def deadly(path: Path, *_: object) -> object:
        if "ckpt" in str(path):
            os.kill(os.getpid(), 9)
        raise irconv.IrconvError("x", "y")

    monkeypatch.setattr("irconv.frameworks.tensorflow.read.read", deadly)
    found = campaign(range(30), ("tensorflow",), jobs=1).counts["tensorflow"]
    assert found.cases == 30
    assert list(found.faults) == ["dies: -9"]
