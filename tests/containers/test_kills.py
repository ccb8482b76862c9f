"""A run that is killed after any call leaves the old output, the new one, or a set that refuses to load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.containers import run_kills

FILES = {"file": ["m"], "folder": ["m/a", "m/b"], "set": ["data", "m", "more"]}


@pytest.fixture(scope="module")
def kills() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, run_kills.__file__, folder]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def whole(kind: str, text: str) -> dict[str, str]:
    return dict.fromkeys(FILES[kind], text)


def named(kill: dict[str, Any]) -> str:
    return f"{kill['kind']} by {kill['system']}, {'over an old one' if kill['old'] else 'new'}, call {kill['limit']}"


def test_every_kind_of_output_was_killed_often(kills: list[dict[str, Any]]) -> None:
    killed = [kill for kill in kills if not kill["ended"]]
    assert {(k["system"], k["kind"], k["old"]) for k in killed} == {
        (system, kind, old) for system in ("renameat2", "without") for kind in run_kills.KINDS for old in (False, True)
    }
    assert len(killed) > 150


def test_a_file_is_the_old_or_the_new_one(kills: list[dict[str, Any]]) -> None:
    wrong = [named(k) for k in kills if k["kind"] == "file" and k["left"] not in _whole(k)]
    assert wrong == []


def test_a_folder_is_the_old_or_the_new_one_where_the_system_exchanges_names(kills: list[dict[str, Any]]) -> None:
    folders = [k for k in kills if k["kind"] == "folder"]
    assert [named(k) for k in folders if k["left"] not in _whole(k) and k["system"] == "renameat2"] == []
    gone = [k for k in folders if k["left"] not in _whole(k)]
    assert {k["left"] == {} for k in gone} == {True}
    assert [named(k) for k in gone if k["then"] != whole("folder", "old")] == []  # the next run puts it back


def _whole(kill: dict[str, Any]) -> list[dict[str, str]]:
    return [whole(kill["kind"], "old") if kill["old"] else {}, whole(kill["kind"], "new")]


def test_of_a_set_the_file_that_all_need_is_missing_while_the_others_are_mixed(kills: list[dict[str, Any]]) -> None:
    sets = [k for k in kills if k["kind"] == "set"]
    assert [named(k) for k in sets if "m" in k["left"] and k["left"] not in _whole(k)] == []
    assert any(set(k["left"].values()) == {"old", "new"} for k in sets)


def test_the_next_run_leaves_nothing_hidden(kills: list[dict[str, Any]]) -> None:
    assert [named(k) for k in kills if any(name.startswith(".") for name in k["all"])] == []
