"""Emitted sources are as formatters and linters want them, with a line length of 100."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import irconv
from tests.helpers import LENETS, ONE_OF_EACH, Case, name_of, read_case
from tests.layers.harness import bundle_of
from tests.layers.test_layers import CASES


def ruff(*arguments: str | Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "ruff", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def assert_clean(folder: Path) -> None:
    code, said = ruff("format", "--isolated", "--diff", "--line-length", "100", folder)
    assert code == 0, said
    code, said = ruff("check", "--isolated", "--select", "E,F,I", "--line-length", "120", folder)
    assert code == 0, said


@pytest.mark.parametrize("case", [*LENETS, *ONE_OF_EACH], ids=name_of)
def test_the_source_of_a_model_is_formatted(case: Case, tmp_path: Path) -> None:
    irconv.write(read_case(case), tmp_path / "m.py")
    assert_clean(tmp_path)


def test_the_source_of_every_layer_is_formatted(tmp_path: Path) -> None:
    for number, case in enumerate(CASES):
        irconv.write(bundle_of(case), tmp_path / f"layer_{number}.py")
    assert_clean(tmp_path)
