"""A Dask cluster of processes on this machine: a scheduler and two workers of one thread each."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.helpers import ROOT

_START = 90


@dataclass
class Cluster:
    """A scheduler's address, and the processes of its workers."""

    address: str
    workers: list[subprocess.Popen[bytes]]


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """The cluster while the block runs."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    file = folder / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    command += ["--no-dashboard", "--no-show", "--scheduler-file", str(file)]
    started = [_started(command, folder / "scheduler.txt", env)]
    try:
        _wait_for(file)
        for number in range(workers):
            command = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file)]
            command += [
                "--nthreads",
                "1",
                "--no-nanny",
                "--host",
                "127.0.0.1",
                "--local-directory",
                str(folder / "dask"),
            ]
            started.append(_started([*command, "--no-dashboard"], folder / f"worker{number}.txt", env))
        yield Cluster(_address(file, workers), started[1:])
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


def _started(command: list[str], log: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, env=env)


def _wait_for(file: Path) -> None:
    until = time.monotonic() + _START
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.05)


def _address(file: Path, workers: int) -> str:
    import json

    from distributed import Client

    address = str(json.loads(file.read_text())["address"])
    with Client(address, timeout=_START) as client:
        client.wait_for_workers(workers, timeout=_START)
    return address
