"""Fleets beside a bare loop of processes: small models and large ones, here and on a Dask cluster of two workers.

``python -m benchmarks.fleet FOLDER [SMALL] [LARGE] [LOOP]`` makes the models, runs each way once after the other (the
load of the machine stands with each; the bare loop converts LOOP of them, spread over all), and prints the table of
docs/performance.md and whether the tables are the same. Failures are planted: a model that is refused, one whose
process crashes, one that takes too much memory, an endless loop, a missing file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import irconv
from irconv.fleet.job import Row
from irconv.fleet.run import Fleet, batch
from irconv.ir.layers.convolution import Linear
from tests.fleet.cluster import cluster
from tests.fleet.fleets import models, plan_of
from tests.helpers import ROOT, Builder

PLANTED = ("crash", "memory", "busy")
LIMITS: dict[str, Any] = {"seconds": 60, "memory": 1500, "clock": 1200}
FEW: dict[str, Any] = {"seconds": 3, "memory": 500, "clock": 120}


def large(path: Path, megabytes: int = 240) -> None:
    """A model of Keras as large as that: four wide matrices."""
    width = int((megabytes * 2**16) ** 0.5)
    builder, value = Builder(x=("N", width)), "x"
    random = np.random.default_rng(3)
    for number in range(4):
        kernel = random.standard_normal((width, width), np.float32)
        builder.add(f"dense_{number}", Linear(), value, kernel=kernel, bias=kernel[0])
        value = f"dense_{number}"
    irconv.write(builder.build(), path)


def loop(sources: list[Path], out: Path, at_once: int) -> None:
    """A process of the command for each model, so many at once, and nothing else."""
    out.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(source: Path) -> None:
        command = [sys.executable, "-m", "irconv", "convert", str(source), str(out / f"{source.stem}.onnx"), "-q"]
        subprocess.run(command, env=environment, check=True, capture_output=True)

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(run, sources))


def measured(name: str, count: int, run: Callable[[], Any]) -> tuple[str, Any]:
    """A line of the table, and what the run gave."""
    before, cpu, load = time.monotonic(), sum(os.times()[:4]), os.getloadavg()[0]
    found = run()
    took, used = time.monotonic() - before, sum(os.times()[:4]) - cpu
    if isinstance(found, Fleet):
        used = sum(row.cpu_seconds for row in found.rows)
    line = f"| {name} | {count} | {took:.0f} | {60 * count / took:.0f} | {took / count:.2f} | {used / count:.2f} |"
    return f"{line} {load:.1f} to {os.getloadavg()[0]:.1f} |", found


def said(fleet: Fleet) -> list[tuple[Any, ...]]:
    """What a table says of the models, whoever converted them and however fast."""
    return [(row.source, row.outcome, row.reason, row.message, row.sha256) for row in fleet.rows]


def planted(fleet: Fleet) -> list[str]:
    """The failures, by name."""
    return [f"{Path(row.source).name}: {row.outcome}, {row.reason}" for row in fleet.rows if row.outcome != "ok"]


def main(folder: Path, small: int, big: int, looped: int) -> None:
    """Make, run, print."""
    shutil.rmtree(folder, ignore_errors=True)
    sources = models(folder / "in", small)
    for number in range(big):
        large(folder / "in" / f"large{number}.h5")
        sources.append(folder / "in" / f"large{number}.h5")
    plan_of(folder / "planted", PLANTED)
    said_sources = [str(folder / "in" / "*.h5"), str(folder / "planted" / "plan.csv")]
    count = len(sources)
    some = sources[:: max(1, count // looped)]
    lines = [measured("bare loop of `irconv convert`, 2 at once", len(some), lambda: loop(some, folder / "loop", 2))[0]]
    line, here = measured(
        "`irconv batch --jobs 2`", count, lambda: batch(said_sources[0], folder / "here", "onnx", jobs=2, **LIMITS)
    )
    lines.append(line)
    with cluster(folder) as found:

        def there() -> Fleet:
            return batch(said_sources[0], folder / "there", "onnx", scheduler=found.address, **LIMITS)

        line, cluster_found = measured("the same on a Dask cluster of two workers", count, there)
        lines.append(line)
        failed = [
            batch(said_sources[1], folder / f"failed-{name}", "onnx", **more, **FEW)
            for name, more in (("here", {"jobs": 2}), ("there", {"scheduler": found.address}))
        ]
    (folder / "second").mkdir()
    with cluster(folder / "second") as found:

        def heard(row: Row, done: int, total: int) -> None:
            if done == total // 3:
                found.workers[0].kill()

        def halved() -> Fleet:
            return batch(said_sources[0], folder / "halved", "onnx", scheduler=found.address, heard=heard, **LIMITS)

        line, half = measured("the same, one of the two killed after a third", count, halved)
        lines.append(line)
    print("| way | models | wall s | models a minute | wall s a model | CPU s a model, its process | load |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    print("\n".join(lines))
    same = said(here) == said(cluster_found), said(here) == said(half)
    print(f"tables the same: of here and the cluster {same[0]}, with a worker killed {same[1]}")
    print(f"counts: {here.counts}, {cluster_found.counts}, {half.counts}")
    print(f"planted, here and there the same: {said(failed[0]) == said(failed[1])}: {'; '.join(planted(failed[0]))}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(word) for word in (*sys.argv[2:], *("500", "10", "510")[len(sys.argv) - 2 :])))
