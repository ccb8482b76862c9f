"""What pre-commit and CI call: bundles are checked, and models compared with what they were in a commit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import irconv
from tests.helpers import LENET, ROOT

MODEL = LENET / "keras2.2.4-lenet4-h5" / "model.h5"
OTHER = LENET / "tf2.15-lenet4-h5" / "model.h5"
ENVIRONMENT = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


def git(*arguments: str, where: Path) -> None:
    name = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", *name, *arguments], cwd=where, env=ENVIRONMENT, check=True, capture_output=True)


def hook(*arguments: str, where: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from irconv.hook import main; main()", *arguments]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git("init", "--quiet", where=tmp_path)
    shutil.copy(MODEL, tmp_path / "model.h5")
    git("add", "model.h5", where=tmp_path)
    git("commit", "--quiet", "-m", "a model", where=tmp_path)
    return tmp_path


def test_a_model_that_changed_is_shown_and_is_no_failure(repository: Path) -> None:
    shutil.copy(OTHER, repository / "model.h5")
    for arguments in (("diff", "model.h5"), ("diff",), ("diff", "--base", "HEAD")):
        found = hook(*arguments, where=repository)
        assert found.returncode == 0, found.stderr
        assert found.stdout.startswith("## model.h5\n")
        assert "conv2d_1" in found.stdout


def test_a_model_that_is_new_is_listed(repository: Path) -> None:
    shutil.copy(OTHER, repository / "new.h5")
    found = hook("diff", "new.h5", "notes.txt", where=repository)
    assert found.returncode == 0, found.stderr
    assert "parameters" in found.stdout


def test_a_model_that_can_no_longer_be_read_is_a_failure(repository: Path) -> None:
    (repository / "model.h5").write_bytes(MODEL.read_bytes()[:5000])
    found = hook("diff", where=repository)
    assert found.returncode == 3
    assert "model.h5" in found.stderr


def test_an_unknown_commit_is_said(repository: Path) -> None:
    found = hook("diff", "--base", "nowhere", where=repository)
    assert found.returncode == 1
    assert "nowhere" in found.stderr
    assert "Traceback" not in found.stderr


def test_bundles_are_checked_once_by_any_of_their_files(repository: Path) -> None:
    irconv.write(irconv.read(MODEL), repository / "m.irconv")
    names = [f"m.irconv/{path.name}" for path in sorted((repository / "m.irconv").iterdir())]
    found = hook("check", *names, "model.h5", where=repository)
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("\n") == 1
    (repository / "m.irconv" / "README.md").write_text("other words")
    found = hook("check", *names, where=repository)
    assert found.returncode == 1
    assert "README.md" in found.stderr


def test_the_hooks_and_the_action_call_commands_that_exist() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert [entry["entry"] for entry in hooks] == ["irconv-hook check", "irconv-hook diff"]
    steps = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
    assert sum(step.get("run", "").count("irconv-hook") for step in steps) == 2
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        assert yaml.safe_load(workflow.read_text())["jobs"]
