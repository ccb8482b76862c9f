"""Converts two real LeNets of 2018 and runs them without Keras, beside the predictions that Keras itself recorded.

The second was trained on Keras' Theano backend, which keeps convolution kernels turned by 180 degrees: today's Keras
loads such files without an error and predicts wrong.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import irconv

CASES = ("keras2.2.4-lenet4-h5", "keras2.2.4th-lenet4-h5")
FIXTURES = Path(__file__).parent.parent / "fixtures" / "lenet"
LIMIT = 1e-5


def main() -> int:
    console = Console(width=110)
    worst = 0.0
    for name in CASES:
        folder = FIXTURES / name
        case = json.loads((folder / "case.json").read_text())
        recorded = np.load(folder / case["outputs"][0]["file"])
        with tempfile.TemporaryDirectory() as scratch:
            for target in ("lenet.irconv", "lenet.onnx", "lenet.py"):
                written = irconv.convert(folder / "model.h5", Path(scratch) / target)
                console.print(f"{name}/model.h5 -> {', '.join(path.name for path in written.files)}", highlight=False)
            problems = irconv.check(Path(scratch) / "lenet.irconv")
            predicted = irconv.run(Path(scratch) / "lenet.irconv", [np.load(folder / case["inputs"][0]["file"])])
        (values,) = predicted.values()
        error = float(np.abs(values - recorded).max() / np.abs(recorded).max())
        worst = max(worst, error, float(len(problems)))
        table = Table("class", f"Keras {case['version']} on {case['backend']}", "irconv", "difference", box=None)
        for index, (want, got) in enumerate(zip(recorded[0], values[0], strict=True)):
            table.add_row(str(index), f"{want:.7f}", f"{got:.7f}", f"{abs(want - got):.1e}")
        console.print(table)
        console.print(f"largest difference, relative to the largest value: {error:.1e}\n", highlight=False)
    return 0 if worst < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
