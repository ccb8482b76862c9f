"""Measures whole processes: CPU seconds of a process and of those it waited for, wall seconds, and peak memory."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """One process, from its start to its end."""

    cpu: float
    """Seconds in user and kernel mode, its children included."""
    wall: float
    peak: float
    """MB resident at most, of the largest of its processes."""


@dataclass(frozen=True)
class Runs:
    """The same command several times."""

    each: tuple[Run, ...]

    def least(self, kind: str) -> float:
        """The minimum of ``cpu``, ``wall`` or ``peak``: what is least disturbed by the rest of the machine."""
        return min(getattr(run, kind) for run in self.each)

    def median(self, kind: str) -> float:
        """The median."""
        return statistics.median(getattr(run, kind) for run in self.each)


class Failed(Exception):
    """A command ended with an error; the text is what it said last."""


_LAUNCH = """
import json, os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=2)
_, status, usage = os.wait4(process.pid, 0)
wall = time.perf_counter() - start
process.returncode = os.waitstatus_to_exitcode(status)
print(json.dumps([process.returncode, usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss]))
"""


def measured(command: Sequence[str]) -> Run:
    """Run a command to its end. Raises `Failed`.

    A small process starts it and measures, as a child begins with the peak of the process that started it.
    """
    launch = [sys.executable, "-I", "-S", "-c", _LAUNCH, *command]
    with tempfile.TemporaryFile() as said:
        launched = subprocess.run(launch, stdout=subprocess.PIPE, stderr=said, check=False)
        code, cpu, wall, peak = json.loads(launched.stdout) if launched.returncode == 0 else (1, 0.0, 0.0, 0)
        if code:
            said.seek(0)
            raise Failed(said.read().decode(errors="replace").strip()[-3000:])
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Run(cpu, wall, peak / unit)
