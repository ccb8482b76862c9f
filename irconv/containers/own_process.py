"""Whether this process is the command's own, which may be forked.

A fork has what its parent had imported, and so starts in a tenth of the time of a new interpreter; but locks that other
threads hold at that moment stay locked in it for ever. The command's own process has no threads but those of numpy's
linear algebra, which knows of forks. In a program that calls irconv anything may run.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import IO, Protocol

_OTHERS = ("h5py", "torch", "tensorflow", "onnxruntime")
"""Libraries with threads of their own, and the one that the fork is to load with other settings."""
_OWN = threading.Event()
_THREADS = "OPENBLAS_NUM_THREADS"


class Child(Protocol):
    """What is needed of a process that was started: as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int:
        """Its number."""

    @property
    def stdin(self) -> IO[bytes] | None:
        """Where it reads from."""

    @property
    def stdout(self) -> IO[bytes] | None:
        """What it writes to."""

    @property
    def returncode(self) -> int | None:
        """How it ended; negative: by that signal."""

    def poll(self) -> int | None:
        """How it ended; None while it runs."""

    def wait(self) -> int:
        """Wait until it has ended; how it ended."""

    def kill(self) -> None:
        """End it at once."""


def declare() -> None:
    """Say that this process is the command's own; for the command's entry alone."""
    _OWN.set()


def without_threads() -> None:
    """Import numpy without the threads of its linear algebra, in the command's own process where it runs no model.

    OpenBLAS starts a thread for every processor as soon as it is loaded, and each waits for work by asking for it over
    and over: of a command that reads and writes files that is a fifth of all that it takes.
    """
    if _OWN.is_set() and "numpy" not in sys.modules and _THREADS not in os.environ:
        os.environ[_THREADS] = "1"
        try:
            import_module("numpy")
        finally:
            del os.environ[_THREADS]


def may_fork() -> bool:
    """Whether a fork of this process is safe now."""
    alone = threading.active_count() == 1 and not any(name in sys.modules for name in _OTHERS)
    return _OWN.is_set() and alone and sys.platform == "linux" and all(map(_is_open, range(3)))


def _is_open(number: int) -> bool:
    """Whether a file number is taken, so that no pipe gets it."""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


class Forked:
    """A fork of this process that runs a function, with pipes for what it reads and writes and nothing else open."""

    def __init__(self, work: Callable[[], object], environment: dict[str, str]) -> None:
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        # a signal is answered by the one process or the other, never by the parent's handler in the child
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self.pid = os.fork()
            if self.pid == 0:
                _run(work, environment, theirs_in, theirs_out, before)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(theirs_in)
        os.close(theirs_out)
        self.stdin: IO[bytes] = os.fdopen(ours_out, "wb")
        self.stdout: IO[bytes] = os.fdopen(ours_in, "rb")
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """How it ended; None while it runs."""
        return self._waited(os.WNOHANG)

    def wait(self) -> int:
        """Wait until it has ended; how it ended."""
        code = self._waited(0)
        assert code is not None, "it has ended"
        return code

    def kill(self) -> None:
        """End it at once."""
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)

    def _waited(self, how: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, how)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode


def _run(work: Callable[[], object], environment: dict[str, str], stdin: int, stdout: int, mask: set[int]) -> None:
    """Run the function in the child, and end it: nothing of the parent's is cleared up here."""
    try:
        for number in map(int, signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}):
            if callable(signal.getsignal(number)):
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for theirs, number in ((stdin, 0), (stdout, 1), (nowhere, 2)):
            os.dup2(theirs, number)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.environ.update(environment)
        sys.stdin = os.fdopen(0, closefd=False)
        work()
        os._exit(0)
    except BaseException:  # noqa: BLE001 nothing may return into what the parent was doing
        os._exit(1)
