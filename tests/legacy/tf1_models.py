"""``make test-legacy``: graphs, checkpoints and SavedModels, loaded and run by real TensorFlow 1.15 under Python 3.7.

The Python is that of IRCONV_TENSORFLOW_PYTHON, else the first ``python3.7`` of the path; without TensorFlow 1.15 the
reason is printed, and nothing fails.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import irconv
from irconv.errors import IrconvError
from irconv.frameworks.tensorflow.naming import valid
from irconv.options import WriteOptions
from tests.helpers import GOLDEN, LENETS, Case, limit, read_case

_SUFFIXES = (".pb", ".ckpt", ".savedmodel")


def tensorflow_python() -> str | None:
    """A Python that has TensorFlow 1.15, or None, the reason printed."""
    python = os.environ.get("IRCONV_TENSORFLOW_PYTHON") or shutil.which("python3.7")
    if python is None:
        print("test-legacy: skipped, no python3.7 on the path and no IRCONV_TENSORFLOW_PYTHON")
        return None
    command = [python, "-W", "ignore", "-c", "import tensorflow; print(tensorflow.__version__)"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode or not asked.stdout.strip().startswith("1.15"):
        print(f"test-legacy: skipped, {python} has no TensorFlow 1.15: {asked.stderr.strip()[-200:]}")
        return None
    return python


def jobs(folder: Path) -> list[dict[str, Any]]:
    """Every golden case of Keras written for TensorFlow, in turn as each of the formats; LeNets as all of them."""
    made: list[dict[str, Any]] = []
    for number, case in enumerate(GOLDEN):
        made += _written(case, folder, _SUFFIXES[number % len(_SUFFIXES)])
    for case in LENETS:
        for suffix in _SUFFIXES:
            made += _written(case, folder, suffix)
    return made


def _written(case: Case, folder: Path, suffix: str) -> list[dict[str, Any]]:
    path = folder / f"{case.name}{suffix}"
    try:
        written = irconv.write(read_case(case), path, WriteOptions(io="source", force=True))
    except IrconvError as refusal:
        print(f"refused: {case.name}: {refusal.problems[0]}")
        return []
    names = [[valid(port.name) if suffix == ".pb" else port.name for port in ports] for ports in _ports(written)]
    ports = {kind: [str(case.folder / p["file"]) for p in case.described[kind]] for kind in ("inputs", "outputs")}
    return [{"name": path.name, "model": str(path), "names": names, "limit": limit(case), **ports}]


def _ports(written: irconv.Written) -> tuple[Any, Any]:
    return written.inputs, written.outputs


def main() -> int:
    """0 where everything predicts what was recorded, or there is no TensorFlow 1.15."""
    python = tensorflow_python()
    if python is None:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        listed = jobs(Path(folder))
        given, results = Path(folder) / "jobs.json", Path(folder) / "results.json"
        given.write_text(json.dumps(listed))
        script = Path(__file__).with_name("run_tf1.py")
        subprocess.run([python, "-W", "ignore", str(script), str(given), str(results)], check=True)
        errors = json.loads(results.read_text())
    wrong = [(j, e) for j, e in zip(listed, errors, strict=True) if not isinstance(e, float) or e >= j["limit"]]
    for job, error in wrong:
        print(f"FAILED {job['name']}: {error}")
    good = len(errors) - len(wrong)
    print(f"test-legacy: {good} of {len(errors)} models predict in TensorFlow 1.15 what was recorded")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
