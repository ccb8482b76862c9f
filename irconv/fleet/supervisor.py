"""The process that starts a process for each job and holds it to its limits; ``python -m irconv.fleet.supervisor``.

It imports what jobs need once and forks, so that a job starts in a few milliseconds; it has no threads, and no library
that would not bear it. Jobs come as lines of JSON, answers go back as lines. When nobody asks any more (its input ends,
however the one who started it did), all of its processes are ended, and so is it.
"""

from __future__ import annotations

import gc
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

from irconv.containers.own_process import Child, Forked, declare, may_fork
from irconv.containers.workspace import remove_left
from irconv.data_classes import dataclass
from irconv.fleet import child as child_module
from irconv.fleet.job import Found, Job, Usage
from irconv.fleet.watch import held
from irconv.ir.layers import MODULES, layer_class

_TICK = 0.05
_BLOCK = 1 << 16
_TAIL = 4000
"""Bytes of what a process printed that are kept."""
_PACKAGES = ("irconv.frameworks", "irconv.ir.layers", "irconv.passes", "irconv.translate")
_HDF5 = re.compile(r"\.(keras|theano)\..*(write|refill)|\.live|\.sketches|\.helpers")
"""Modules that import h5py, which the HDF5 worker loads with other settings (`irconv.containers.own_process`), and
those that are of no use here."""


@dataclass
class _Running:
    """The process of a job."""

    number: int
    job: Job
    process: Child
    log: Path
    begun: float = field(default_factory=time.monotonic)
    answer: bytes = b""
    ended: str = ""
    """Why the supervisor ended it."""
    seconds: float = 0.0
    peak: int = 0


def preload() -> None:
    """Import what jobs need, and build the classes of layers."""
    for name in ("irconv.api", "irconv.verification.report", "irconv.containers.zip_writer", "irconv.containers.hdf5"):
        import_module(name)
    for package in _PACKAGES:
        for found in walk_packages(import_module(package).__path__, f"{package}."):
            if not _HDF5.search(found.name):
                import_module(found.name)
    for kind in MODULES:
        layer_class(kind).model_rebuild()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)


class Supervisor:
    """Starts, watches and ends processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[int, _Running] = {}
        self._selector = selectors.DefaultSelector()
        self._asked = b""

    def serve(self) -> None:
        """Answer until the input ends."""
        self._selector.register(0, selectors.EVENT_READ)
        try:
            while self._served():
                pass
        finally:
            for running in self._running.values():
                _end(running.process)

    def _served(self) -> bool:
        for key, _ in self._selector.select(_TICK if self._running else None):
            data = os.read(key.fd, _BLOCK)
            if key.fd == 0:
                if not data:
                    return False
                *lines, self._asked = (self._asked + data).split(b"\n")
                for line in lines:
                    self._start(json.loads(line))
                continue
            self._running[key.fd].answer += data
            if not data:
                self._finish(key.fd)
        for running in list(self._running.values()):
            _watch(running)
        return True

    def _start(self, asked: Mapping[str, Any]) -> None:
        job, log = Job.of(asked["job"]), self._folder / f"{asked['number']}.log"
        if may_fork():
            process: Child = Forked(lambda: child_module.main(asked["job"], str(log)), {})
        else:
            process = _started(asked["job"], log)
        assert process.stdout is not None, "it is a pipe"
        self._running[process.stdout.fileno()] = _Running(asked["number"], job, process, log)
        self._selector.register(process.stdout.fileno(), selectors.EVENT_READ)

    def _finish(self, number: int) -> None:
        self._selector.unregister(number)
        running = self._running.pop(number)
        code, usage = _reaped(running)
        if running.job.destination and (not running.answer or running.ended):
            remove_left(running.job.path(running.job.destination).absolute().parent)
        found = _answer(running, code)
        document = {**found.document(), "log": _tail(running.log), "usage": vars(usage)}
        print(json.dumps({"number": running.number, "found": document}), flush=True)


def _started(document: Mapping[str, Any], log: Path) -> Child:
    process = subprocess.Popen(
        [sys.executable, "-m", "irconv.fleet.child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None, "it is a pipe"
    with suppress(BrokenPipeError):  # it is dead already, which is seen when it is waited for
        process.stdin.write(json.dumps({"job": document, "log": str(log)}).encode() + b"\n")
        process.stdin.flush()
    return process


def _watch(running: _Running) -> None:
    """End a process that takes more than it may."""
    limits, now = running.job.limits, held(running.process.pid)
    running.peak, running.seconds = max(running.peak, now.memory), max(running.seconds, now.seconds)
    if now.memory > limits.memory * 2**20:
        running.ended = "Memory"
    elif now.seconds > limits.seconds:
        running.ended = "Time"
    elif time.monotonic() - running.begun > limits.clock:
        running.ended = "Clock"
    if running.ended:
        _end(running.process)


def _end(process: Child) -> None:
    """End a process, which has not been waited for, and all that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)  # `Popen.kill` would wait for one that has ended, and lose what it took


def _reaped(running: _Running) -> tuple[int, Usage]:
    """How a process ended, and what it took with those that it waited for."""
    process: Any = running.process
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    with suppress(ProcessLookupError, PermissionError):  # what it left behind
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):
            pipe.close()
    largest = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    seconds = max(running.seconds, used.ru_utime + used.ru_stime)
    return process.returncode, Usage(time.monotonic() - running.begun, seconds, max(running.peak, largest) / 2**20)


def _answer(running: _Running, code: int) -> Found:
    """What the process said, or what is to be said of its end."""
    job, limits = running.job, running.job.limits
    if running.ended == "Memory":
        return Found("killed", "Memory", child_module.too_much(job))
    if running.ended == "Time" or code == -signal.SIGXCPU:
        what = f"{job.source}: took more than {limits.seconds} seconds of processor time"
        return Found("timed out", "Time", f"{what}. Give more with --seconds, and --retry.")
    if running.ended == "Clock":
        what = f"{job.source}: did not end within {limits.clock} seconds by the clock"
        return Found("timed out", "Clock", f"{what}. Give more with --clock, and --retry.")
    try:
        return Found.of(json.loads(running.answer))
    except (ValueError, TypeError):
        pass
    if code < 0:
        what = f"{job.source}: its process was ended by {_signal_name(-code)}. What it printed is in the table."
        return Found("killed", "Signal", what)
    return Found("killed", "Exit", f"{job.source}: its process ended by itself with exit code {code}.")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tail(log: Path) -> str:
    """The end of what a process printed."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL))
            text = file.read().decode("utf-8", "replace").strip()
        log.unlink()
    except OSError:
        return ""
    return text


def main() -> None:
    """Serve."""
    declare()
    preload()
    with tempfile.TemporaryDirectory(prefix="irconv-fleet-") as folder:
        Supervisor(Path(folder)).serve()


if __name__ == "__main__":
    main()
