"""Small fleets: models of real frameworks, and one that fails in every way that there is."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

from tests.helpers import ROOT, golden, lenet

OWN = ROOT / "fixtures" / "keras_foreign" / "tf2.15-registered-h5" / "model.h5"
DEATHS = {
    "crash": "import os, signal, sys\nprint('the last words', file=sys.stderr, flush=True)\n"
    "os.kill(os.getpid(), signal.SIGSEGV)\n",
    "leave": "import os\nos._exit(7)\n",
    "memory": "import time\nheld = []\nwhile True:\n    held.append(bytearray(b'x') * 2**24)\n    time.sleep(0.002)\n",
    "asked": "import numpy\nheld = numpy.ones(2**36)\n",
    "busy": "while True:\n    pass\n",
    "asleep": "import time\ntime.sleep(600)\n",
}
"""Plugins that end their process, or never end."""


def models(folder: Path, count: int = 3) -> list[Path]:
    """So many small models of Keras."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = [lenet("tf2.15-lenet5-h5").model, golden("tf2.15-residual").model, golden("tf2.15-flatten_dense").model]
    made = []
    for number in range(count):
        made.append(folder / f"m{number}.h5")
        shutil.copyfile(sources[number % len(sources)], made[-1])
    return made


def plan_of(folder: Path, deaths: tuple[str, ...] = tuple(DEATHS)) -> Path:
    """A plan of two sound models and one for every way to fail."""
    models(folder, 2)
    shutil.copyfile(golden("tf2.15-lambda").model, folder / "lambda.h5")
    lines = [{"source": f"{name}.h5"} for name in ("m0", "lambda", "nowhere", "m1")]
    for death in deaths:
        (folder / f"{death}.py").write_text(DEATHS[death])
        shutil.copyfile(OWN, folder / f"{death}.h5")
        lines.append({"source": f"{death}.h5", "plugins": f"{death}.py"})
    with (folder / "plan.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ("source", "plugins"))
        table.writeheader()
        table.writerows(lines)
    return folder / "plan.csv"
