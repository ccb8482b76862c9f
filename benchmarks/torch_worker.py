"""A process that has loaded all frameworks, and forks for each job: none waits for imports, and none disturbs another.

    python -m benchmarks.torch_worker

A line on its input is a job, ``["export", NAME, FOLDER, FILES...]`` or ``["check", FOLDER, WAYS...]``; it answers
with a line when the job's process has ended: its exit code.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

_SECONDS = 300
_ADDRESSES = 16 * 2**30
"""Bytes of addresses that a process may have; PyTorch and TensorFlow take many without using them."""


def limited(said: Path, job: Callable[[], Any]) -> NoReturn:
    """Do a job in this process within the limits, write what it gives as JSON, and end."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    signal.alarm(_SECONDS)
    try:
        found = job()
    except BaseException as error:  # noqa: BLE001, what fails is a cell of the table
        trace = traceback.format_exc().strip().splitlines()
        found = {"failed": f"{type(error).__name__}: {str(error)[:400]}", "trace": trace[-8:]}
    said.write_text(json.dumps(found))
    os._exit(0)


class Worker:
    """The process, from the side that gives it jobs."""

    def __init__(self, python: str, *module: str) -> None:
        command = [python, "-m", *module]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, *job: str) -> int:
        """The exit code of a job; negative where a signal ended it, such as -14 after too long."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def _do(what: str, *rest: str) -> None:
    from benchmarks import torch_export, torch_runs
    from benchmarks.torch_networks import NETWORKS

    if what == "export":
        name, place, *files = rest
        folder = Path(place)
        limited(folder / "exported.json", lambda: torch_export.exported(name, NETWORKS[name], folder, files))
    place, *ways = rest
    limited(Path(place) / "checked.json", lambda: torch_runs.check(Path(place), ways))


def serve(load: Callable[[], None], do: Callable[..., None]) -> None:
    """The process itself: load once, then fork for each job."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    load()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            do(*json.loads(line))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        answers.write(f"{code}\n")
        answers.flush()


def _load() -> None:
    import keras  # noqa: F401
    import onnxruntime  # noqa: F401
    import tensorflow  # noqa: F401

    from benchmarks import torch_networks, torch_runs  # noqa: F401

    torch_networks.timm()
    import onnxscript  # noqa: F401
    import transformers  # noqa: F401


if __name__ == "__main__":
    serve(_load, _do)
