"""Runs that write under one name at the same time leave what one of them wrote, and never parts of two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.frameworks import run_at_once
from tests.helpers import ROOT


def test_of_runs_at_once_one_is_left_whole(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.frameworks.run_at_once", str(tmp_path), "4"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.keys() == set(run_at_once.TARGETS)
    for target, said in found.items():
        assert said["left"].keys() <= {"old", "new"}, target
        assert said["codes"].keys() <= {"0", "3"}, target
        assert said["codes"]["0"] >= 4, target
