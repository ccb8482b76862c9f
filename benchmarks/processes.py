"""Measures whole processes: CPU seconds of a process and of those it waited for, wall seconds, and peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
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


def measured(command: Sequence[str]) -> Run:
    """Run a command to its end. Raises `Failed`.

    This process stays small and loads no library, as a child begins with the peak of its parent.
    """
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise Failed(said.read().decode(errors="replace").strip()[-3000:])
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / unit)
