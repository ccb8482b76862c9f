"""``make test-legacy``: emitted Theano sources, built and run by real Theano 1.0.5 under Python 3.7.

The Python is that of IRCONV_THEANO_PYTHON, else the first ``python3.7`` of the path; without Theano the reason is
printed, and nothing fails.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import irconv
from irconv.errors import IrconvError
from irconv.options import WriteOptions
from tests.frameworks.theano.cases import CASES, read
from tests.helpers import GOLDEN, GOLDEN_ERROR, Case, read_case

_FLAGS = "floatX=float32,optimizer=None,linker=py"  # numpy alone: nothing is compiled


def theano_python() -> str | None:
    """A Python that has Theano 1.0.5, or None, the reason printed."""
    python = os.environ.get("IRCONV_THEANO_PYTHON") or shutil.which("python3.7")
    if python is None:
        print("test-legacy: skipped, no python3.7 on the path and no IRCONV_THEANO_PYTHON")
        return None
    command = [python, "-c", "import theano; print(theano.__version__)"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode or not asked.stdout.strip().startswith("1.0"):
        print(f"test-legacy: skipped, {python} has no Theano 1.0: {asked.stderr.strip()[-200:]}")
        return None
    return python


def jobs(folder: Path) -> list[dict[str, Any]]:
    """Every golden case written for Theano: Theano's own, the same as if from elsewhere, and Keras'."""
    made: list[dict[str, Any]] = []
    for case in CASES:
        bundle = read(case)
        foreign = replace(bundle, source=bundle.source.model_copy(update={"framework": "other"}))
        for way, model in (("own", bundle), ("foreign", foreign)):
            made.append(_written(model, case, folder / f"{case.folder.name}-{way}.theano"))
    for case in GOLDEN:
        try:
            made.append(_written(read_case(case), case, folder / f"{case.folder.name}.theano"))
        except IrconvError as refusal:
            print(f"refused: {case.folder.name}: {refusal.problems[0]}")
    return made


def _written(bundle: irconv.Bundle, case: Case, path: Path) -> dict[str, Any]:
    irconv.write(bundle, path, WriteOptions(io="source"))
    ports = {kind: [str(case.folder / p["file"]) for p in case.described[kind]] for kind in ("inputs", "outputs")}
    return {"name": path.name, "model": str(path), **ports}


def main() -> int:
    """0 where everything predicts what was recorded, or there is no Theano."""
    python = theano_python()
    if python is None:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        listed = jobs(Path(folder))
        given, results = Path(folder) / "jobs.json", Path(folder) / "results.json"
        given.write_text(json.dumps(listed))
        script = Path(__file__).with_name("run_theano.py")
        environment = {**os.environ, "THEANO_FLAGS": _FLAGS, "PYTHONWARNINGS": "ignore"}
        subprocess.run([python, str(script), str(given), str(results)], env=environment, check=True)
        errors = dict(zip((job["name"] for job in listed), json.loads(results.read_text()), strict=True))
    wrong = {name: error for name, error in errors.items() if not isinstance(error, float) or error >= GOLDEN_ERROR}
    for name, error in wrong.items():
        print(f"FAILED {name}: {error}")
    print(f"test-legacy: {len(errors) - len(wrong)} of {len(errors)} models predict in Theano what was recorded")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
