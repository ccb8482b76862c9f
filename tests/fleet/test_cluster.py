"""A fleet on a Dask cluster: the same table as on this machine, and no job is lost with a worker."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from irconv.errors import MissingFact
from irconv.fleet.job import Row
from irconv.fleet.run import batch
from tests.fleet.cluster import Cluster, cluster
from tests.fleet.fleets import models, plan_of
from tests.helpers import ROOT, rejection

HAS_DASK = True
try:
    import distributed  # noqa: F401
except ImportError:
    HAS_DASK = False
NEEDS_DASK = pytest.mark.skipif(not HAS_DASK, reason="distributed is not installed: `make fleet` runs these")
#: The library's own.
QUIET = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


def said(row: Row) -> tuple[Any, ...]:
    """What a row says of its job, whoever did it and however fast."""
    return Path(row.source).name, row.outcome, row.reason, row.message, row.sha256, row.asked and len(row.asked)


def test_a_cluster_without_dask_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    models(tmp_path / "in", 1)
    text = rejection(
        lambda: batch(tmp_path / "in" / "m0.h5", tmp_path / "out", "onnx", scheduler="tcp://x:1"), MissingFact
    )
    what = "expected the package distributed, which speaks with a Dask cluster and is not installed"
    assert text == f"--scheduler tcp://x:1: {what}. pip install 'irconv[dask]'."


@QUIET
@NEEDS_DASK
def test_the_table_of_a_cluster_is_that_of_this_machine(two: Cluster, tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    limits: dict[str, Any] = {"seconds": 2, "memory": 500, "clock": 20}
    here = batch(plan, tmp_path / "here", "onnx", jobs=2, **limits)
    there = batch(plan, tmp_path / "there", "onnx", scheduler=two.address, **limits)
    assert there.counts == {"ok": 2, "refused": 1, "failed": 1, "killed": 4, "timed out": 2}
    assert [said(row) for row in here.rows] == [said(row) for row in there.rows]
    assert [row.log[:14] for row in there.rows if "crash" in row.source] == ["the last words"]
    for name in ("m0.onnx", "m1.onnx"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
    assert batch(plan, tmp_path / "here", "onnx", scheduler=two.address, **limits).kept == 9


@QUIET
@NEEDS_DASK
def test_half_of_the_workers_killed_midway_lose_nothing(tmp_path: Path) -> None:
    models(tmp_path / "in", 24)
    with cluster(tmp_path) as found:
        doomed = found.workers[0]

        def heard(row: Row, done: int, total: int) -> None:
            if done == 6:
                doomed.kill()

        fleet = batch(str(tmp_path / "in" / "*.h5"), tmp_path / "out", "onnx", scheduler=found.address, heard=heard)
        assert doomed.wait() == -9
        assert found.workers[1].poll() is None
    assert fleet.counts == {"ok": 24}
    assert len(list((tmp_path / "out").glob("*.onnx"))) == 24
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []
    here = batch(str(tmp_path / "in" / "*.h5"), tmp_path / "here", "onnx", jobs=2)
    for row in here.rows:
        name = Path(row.destination).name
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


@QUIET
@NEEDS_DASK
def test_a_client_that_is_killed_leaves_a_table_that_is_taken_up(two: Cluster, tmp_path: Path) -> None:
    models(tmp_path / "in", 12)
    command = [sys.executable, "-m", "irconv", "batch", "in/*.h5", "--to", "onnx", "-o", "out"]
    command += ["--scheduler", two.address]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE)
    table, until = tmp_path / "out" / "results.jsonl", time.monotonic() + 60
    while time.monotonic() < until and (not table.exists() or table.read_bytes().count(b"\n") < 3):
        time.sleep(0.02)
    run.kill()
    run.communicate()
    kept = table.read_bytes().count(b"\n")
    assert kept >= 3
    again = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "12 jobs: 12 ok" in again.stdout
