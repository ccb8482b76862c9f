"""The one process in which this one lets the HDF5 library work; see `irconv.containers.hdf5_worker`.

It is started when first needed, serves one request at a time, is replaced where it died, and ends with this process.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from irconv.containers import hdf5_worker
from irconv.containers.files import SourceFile
from irconv.containers.own_process import Child, Forked, may_fork
from irconv.data_classes import dataclass

_WORKER = Path(hdf5_worker.__file__)
_MOST_TEXT = 2**30


@dataclass(frozen=True)
class Limits:
    """What a request may take: seconds of processor time (twenty times as long by the clock, as other processes may
    have the processors), and bytes of memory. The seconds are for a large file; a small one has `least`, and one more
    for every `step` bytes."""

    seconds: int = 120
    memory: int = 2**30
    least: int = 4
    step: int = 2**20

    def time(self, nbytes: int) -> int:
        """The seconds for so many bytes."""
        return min(self.seconds, self.least + nbytes // self.step)


class LibraryFailed(Exception):
    """The library gave up, crashed, or took too much; the text says which."""


def ask(file: Path | SourceFile, limits: Limits, dataset: str = "", nbytes: int = 0) -> tuple[dict[str, Any], bytes]:
    """The structure of a file (or of one inside another), or the `nbytes` of a dataset in it.

    Raises `LibraryFailed`, and what reading the file inside another one raises.
    """
    size = _size(file)
    seconds = limits.time(size + nbytes)
    request: dict[str, Any] = {"seconds": seconds, "memory": limits.memory, "size": size}
    request |= {"path": str(file.absolute())} if isinstance(file, Path) else {}
    if dataset:
        request |= {"dataset": dataset, "memory": limits.memory + 3 * nbytes}
    with _LOCK:
        process = _process()
        try:
            found, data = _answer(process, request, file, seconds, nbytes)
        except BaseException:
            _end(process)
            raise
    if "error" in found:
        raise LibraryFailed(found["error"])
    return found, data


def _size(file: Path | SourceFile) -> int:
    """The bytes of a file; none where it is gone, which the library will say."""
    if not isinstance(file, Path):
        return file.size
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _answer(
    process: Child, request: dict[str, Any], file: Path | SourceFile, seconds: int, nbytes: int
) -> tuple[dict[str, Any], bytes]:
    clock = threading.Timer(20 * seconds, process.kill)
    clock.daemon = True
    clock.start()
    assert process.stdin is not None, "it is a pipe"
    assert process.stdout is not None, "it is a pipe"
    try:
        found, wanted = {}, json.dumps(request).encode() + b"\n"
        while wanted:
            process.stdin.write(wanted)
            process.stdin.flush()
            size = int.from_bytes(_exactly(process.stdout, 8), "little")
            if size > _MOST_TEXT:
                raise LibraryFailed(f"its structure takes more than {_MOST_TEXT} bytes")
            found = json.loads(_exactly(process.stdout, size))
            wanted = _bytes(file, *found["read"]) if "read" in found else b""
        if found["data"] not in (0, nbytes):
            raise LibraryFailed(f"it gives {found['data']} bytes for {nbytes}")
        return found, _exactly(process.stdout, found["data"])
    except (EOFError, BrokenPipeError) as error:
        raise LibraryFailed(_death(process.wait(), seconds, not clock.is_alive())) from error
    finally:
        clock.cancel()


def _bytes(file: Path | SourceFile, offset: int, count: int) -> bytes:
    """What the library reads next of a file inside another."""
    assert isinstance(file, SourceFile), "it opens other files itself"
    content = bytearray(count)
    file.read_into(memoryview(content), offset)
    return bytes(content)


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _death(code: int, seconds: int, overdue: bool) -> str:
    """Why the process is no more."""
    import signal

    too_long = getattr(signal, "SIGXCPU", None)
    if overdue or (too_long is not None and code == -too_long):
        return f"it did not finish within {seconds} seconds"
    return f"it crashed (exit code {code})"


_LOCK = threading.Lock()
_RUNNING: dict[int, Child] = {}
"""By the process that started it: a fork must not share its parent's."""


def _process() -> Child:
    process = _RUNNING.get(os.getpid())
    if process is None or process.poll() is not None:
        # no plug-ins: HDF5 would load and run whatever filter a file names, from a folder of the environment
        quiet = {"HDF5_PLUGIN_PRELOAD": "::", "OPENBLAS_NUM_THREADS": "1"}
        process = Forked(hdf5_worker.serve, quiet) if may_fork() else _started(quiet)
        _RUNNING[os.getpid()] = process
    return process


def _started(environment: Mapping[str, str]) -> Child:
    command = [sys.executable, "-I", "-S", str(_WORKER), json.dumps([entry for entry in sys.path if entry])]
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nowhere, env={**os.environ, **environment})


def _end(process: Child) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):  # of what was not written yet
                pipe.close()
    _RUNNING.pop(os.getpid(), None)


@atexit.register
def _end_all() -> None:
    if (process := _RUNNING.get(os.getpid())) is not None:
        _end(process)
