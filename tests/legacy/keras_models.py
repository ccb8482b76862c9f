"""``make test-legacy``: every golden case of Keras written as ``.keras``, loaded and run by the real Keras 3.

Each is right, or refused by name when it is written; names of cases as arguments choose some of them.
"""

from __future__ import annotations

import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import irconv
from irconv.api import Written
from irconv.errors import IrconvError
from tests.helpers import GOLDEN, GOLDEN_ERROR, Array, Case, error, read_case, turned


def main(wanted: list[str]) -> int:
    """Judge the cases; the exit code says whether all that was written is right."""
    wrong, refused = 0, 0
    chosen = [case for case in GOLDEN if not wanted or any(part in case.name for part in wanted)]
    with tempfile.TemporaryDirectory() as folder:
        for case in chosen:
            path = Path(folder) / f"{case.name}.keras"
            try:
                written = irconv.write(read_case(case), path)
            except IrconvError as refusal:
                refused += 1
                print(f"refused: {case.name}: {refusal.problems[0]}", flush=True)
                continue
            said = _verdict(path, case, written)
            wrong += bool(said)
            if said:
                print(f"WRONG: {case.name}: {said}", flush=True)
            path.unlink()
    print(f"{len(chosen)} cases: {len(chosen) - wrong - refused} right, {refused} refused by name, {wrong} wrong")
    return int(wrong > 0)


def _verdict(path: Path, case: Case, written: Written) -> str:
    """Why a file is not right; empty where it is."""
    keras: Any = import_module("keras")
    keras.backend.clear_session()
    try:
        model = keras.models.load_model(path, compile=False)
        inputs = turned(case.inputs, written.inputs, "native")
        got = model(inputs if len(inputs) > 1 else inputs[0], training=False)
        listed: list[Array] = [np.asarray(array) for array in (got if isinstance(got, list | tuple) else [got])]
        worst = error(turned(listed, written.outputs, "source"), case.outputs)
    except Exception as fault:  # noqa: BLE001 (whatever Keras raises is the verdict)
        return f"{type(fault).__name__}: {str(fault)[-300:]}"
    # one step of a half is 1e-3, and Keras 3 sums in another order than the source did
    half = case.kind.startswith("mixed_") or "float16" in case.kind
    return "" if worst < (2e-3 if half else GOLDEN_ERROR) else f"error {worst:.1e}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
