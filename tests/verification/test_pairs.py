"""Thirty pairs of real files, each run in its own framework: what is right passes, and every fault is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from irconv import api
from irconv.options import ReadOptions
from irconv.verification.check import Request, check
from irconv.verification.process import Processes
from tests.verification.pairs import FAULTS, PAIRS, RIGHT, Pair


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with Processes() as found:
        yield found


def test_there_are_thirty_pairs_of_which_twenty_have_a_fault() -> None:
    assert (len(PAIRS), len(FAULTS), len({pair.name for pair in PAIRS})) == (30, 20, 30)
    assert all(pair.first for pair in FAULTS)
    assert not any(pair.first for pair in RIGHT)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_right_pairs_agree_and_faults_are_found_with_their_numbers(
    pair: Pair, processes: Processes, tmp_path: Path
) -> None:
    sides = [api._side(path, ReadOptions()) for path in pair.made(tmp_path)]
    report = check(*sides, Request(), processes)
    worst = report.worst
    assert worst is not None
    assert report.agree == (pair.first == "")
    if report.agree:
        assert worst.difference.relative < 2e-6
    else:
        assert worst.difference.relative > 2 * worst.tolerance
        assert worst.difference.max_abs == pytest.approx(abs(worst.difference.pair[0] - worst.difference.pair[1]))
        assert "instead of" in str(report.problems()[0])
