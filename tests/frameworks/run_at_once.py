"""Run as a script: several runs write different models under one name at once, with --force.

``python -m tests.frameworks.run_at_once FOLDER [ROUNDS]`` prints as JSON, for each output, what its files were after
each round (``old``, ``new``, or something else, which is a fault) and how the runs ended: 0, or 3 for one that was
refused because another one came between.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import irconv
from irconv.options import WriteOptions
from tests.frameworks.run_writer_kills import SETS, digests, model, state

TARGETS = (*sorted(SETS), "m.theano", "m.irconv", "m.onnx")
_AT_ONCE = 4


def round_of(folder: Path, target: str, models: dict[bool, irconv.Bundle]) -> list[int]:
    """Let the runs begin at one moment, when a pipe is closed; their exit codes."""
    folder.mkdir()
    waits, begins = os.pipe()
    children = []
    for number in range(_AT_ONCE):
        child = os.fork()
        if child == 0:
            code = 70
            try:
                os.close(begins)
                os.read(waits, 1)
                irconv.write(models[number % 2 == 0], folder / target, WriteOptions(force=True))
                code = 0
            except irconv.IrconvError:
                code = 3
            finally:
                os._exit(code)
        children.append(child)
    os.close(begins)
    os.close(waits)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def main(root: Path, rounds: int = 60) -> None:
    """Try every output."""
    models = {old: model(old) for old in (False, True)}
    found = {}
    for target in TARGETS:
        clean = {}
        for old, made in models.items():
            folder = root / f"clean{old:d}"
            folder.mkdir()
            irconv.write(made, folder / target)
            clean[old] = digests(folder)
            shutil.rmtree(folder)
        left, codes = Counter[str](), Counter[int]()
        for _ in range(rounds):
            codes.update(round_of(root / "out", target, models))
            left[state(root / "out", target, clean[True], clean[False])] += 1
            shutil.rmtree(root / "out")
        found[target] = {"left": left, "codes": codes}
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
