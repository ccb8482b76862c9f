"""One job, from its source's address to its row: the same code in a process of this machine and on a Dask worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from irconv import __version__
from irconv.errors import IrconvError
from irconv.fleet.job import Found, Job, Row, digest, is_address, stamp

_ROOT = Path(__file__).resolve().parents[2]


class _Supervised:
    """The supervisor of this process's jobs (`irconv.fleet.supervisor`), and who waits for which answer."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(_ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]).strip(os.pathsep)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "irconv.fleet.supervisor"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C is for this process, which then ends the other
        )
        self._lock, self._waiting, self._asked = threading.Lock(), dict[int, "Future[Found]"](), 0
        self._alive = True
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def alive(self) -> bool:
        """Whether it still answers."""
        return self._alive

    def ask(self, job: Job) -> Future[Found]:
        """Give it a job."""
        answer: Future[Found] = Future()
        with self._lock:
            self._asked += 1
            number = self._asked
            self._waiting[number] = answer
            line = json.dumps({"number": number, "job": job.document()}) + "\n"
            assert self._process.stdin is not None, "it is a pipe"
            try:
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()
            except OSError:
                self._gone()
        return answer

    def _listen(self) -> None:
        assert self._process.stdout is not None, "it is a pipe"
        for line in self._process.stdout:
            answer = json.loads(line)
            with self._lock:
                waiting = self._waiting.pop(answer["number"], None)
            if waiting is not None:
                waiting.set_result(Found.of(answer["found"]))
        with self._lock:
            self._gone()

    def _gone(self) -> None:
        self._alive = False
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(Found("killed", "Supervisor", "the process that starts the models' processes ended"))
        self._waiting.clear()

    def close(self) -> None:
        """End it, and with it all of its processes."""
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join()
        if self._process.stdout is not None:
            self._process.stdout.close()


_LOCK = threading.Lock()
_SUPERVISED: dict[int, _Supervised] = {}
"""By the process whose it is: a fork must not share its parent's."""


def _supervised() -> _Supervised:
    with _LOCK:
        found = _SUPERVISED.get(os.getpid())
        if found is not None and not found.alive:
            found.close()
        if found is None or not found.alive:
            found = _SUPERVISED[os.getpid()] = _Supervised()
        return found


def close() -> None:
    """End the supervisor of this process, if there is one."""
    with _LOCK:
        found = _SUPERVISED.pop(os.getpid(), None)
    if found is not None:
        found.close()


def run(document: Mapping[str, Any]) -> dict[str, Any]:
    """Do a job, wherever its source and destination are; the row that it becomes, as JSON has it."""
    job = Job.of(document)
    if document["version"] != __version__:
        what = f"expected irconv {document['version']} on the worker, got {__version__}. Install the same on both."
        return Row(job.source, job.target, "failed", "Version", what, destination=job.destination).document()
    try:
        found = _remote(job) if is_address(job.source) or is_address(job.destination) else _local(job)
    except IrconvError as error:
        found = Found("failed", type(error).__name__, "\n".join(map(str, error.problems)))
    return found.row(job).document()


def _local(job: Job) -> Found:
    """A job whose files are here. What it was interrupted in may be there already, and is then its own to replace."""
    found = _supervised().ask(claimed(job, os.path.lexists(job.path(job.destination)))).result()
    if found.sha256:
        return found
    return replace(
        found, sha256=digest(job.path(job.source)), stamp=stamp(job.path(job.source))
    )  # its process has died


def claimed(job: Job, taken: bool) -> Job:
    """The job, which may replace its destination where that is there because an earlier try of it has made it; else
    a free destination becomes its own."""
    claim = Path(job.claim) if job.claim else None
    if claim is None or not job.destination or not claim.parent.is_dir():
        return job
    if claim.exists():
        return replace(job, write=replace(job.write, force=True))
    if not taken:
        claim.touch()
    return job


def _remote(job: Job) -> Found:
    """A job with an address: its source is fetched, and what was made of it is put to its place."""
    from irconv.fleet import remote

    with ExitStack() as stack:
        here = job
        if is_address(job.source):
            fetched = stack.enter_context(remote.fetched(job.source))
            here = replace(here, source=str(fetched))
        if not is_address(job.destination):
            found = _local(here)
            return remote.about(found, job, here)
        asked = claimed(job, remote.exists(job.destination))
        remote.check_free(asked)
        folder = stack.enter_context(remote.scratch())
        here = replace(here, destination=str(folder / remote.name(job.destination)), claim="")
        found = _supervised().ask(here).result()
        if found.outcome == "ok" and not job.write.dry_run:
            files = remote.put(found.files, job.destination)
            found = replace(found, files=files)
        return remote.about(found, job, here)
