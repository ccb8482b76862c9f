"""A run of any writer that is killed leaves the old output, the new one, or a set that does not load; then nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.frameworks import run_writer_kills
from tests.helpers import ROOT


@pytest.fixture(scope="module")
def kills(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("kills")
    command = [sys.executable, "-m", "tests.frameworks.run_writer_kills", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def named(kill: dict[str, Any]) -> str:
    return f"{kill['target']} {'over an old one' if kill['over'] else 'new'}, {kill['when']}: {kill['left']}"


def test_every_writer_was_killed_after_every_call(kills: list[dict[str, Any]]) -> None:
    for target in [*run_writer_kills.targets(), *run_writer_kills.COMMANDS]:
        mine = [kill for kill in kills if kill["target"] == target]
        assert sum(not kill["ended"] for kill in mine) >= 5, target
        assert "new" in {kill["left"] for kill in mine}, target
    assert "old" in {kill["left"] for kill in kills}


def test_what_is_left_is_old_or_new_or_does_not_load(kills: list[dict[str, Any]]) -> None:
    assert [named(kill) for kill in kills if kill["left"] not in ("old", "new", "nothing", "refused")] == []
    assert {kill["target"] for kill in kills if kill["left"] == "refused"} == run_writer_kills.SETS
    assert [named(kill) for kill in kills if kill["over"] and kill["left"] == "nothing"] == []


def test_the_next_run_leaves_what_an_undisturbed_one_does(kills: list[dict[str, Any]]) -> None:
    assert [(named(kill), kill["then"]) for kill in kills if kill["then"]] == []
