"""Who runs the jobs: processes of this machine, or workers of a Dask cluster. Both run `irconv.fleet.engine.run`."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from irconv.errors import MissingFact
from irconv.fleet import engine
from irconv.fleet.job import Found, Job, Row

_AHEAD = 2
"""Jobs handed to a cluster before they are needed, for each of its threads."""


def here(jobs: Sequence[Job], at_once: int | None) -> Generator[tuple[Job, Row], None, None]:
    """The rows of jobs as they come, of so many processes at once (as many as there are cores)."""
    at_once = at_once or os.cpu_count() or 1
    waiting = iter(jobs)
    running: dict[Future[dict[str, Any]], Job] = {}
    pool = ThreadPoolExecutor(at_once)
    try:
        for job in waiting:
            running[pool.submit(engine.run, job.document())] = job
            if len(running) >= at_once:
                yield from _finished(running)
        while running:
            yield from _finished(running)
    finally:
        engine.close()
        pool.shutdown(cancel_futures=True)


def _finished(running: dict[Future[dict[str, Any]], Job]) -> Iterator[tuple[Job, Row]]:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        yield running.pop(future), Row.of(future.result())


def on_cluster(jobs: Sequence[Job], address: str) -> Generator[tuple[Job, Row], None, None]:
    """The rows of jobs as they come from a Dask cluster; what a worker was doing when it ended another one does again.

    Raises `MissingFact` where Dask is not installed, or nothing answers at the address.
    """
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        what = "expected the package distributed, which speaks with a Dask cluster and is not installed"
        raise MissingFact(f"--scheduler {address}", what, "pip install 'irconv[dask]'.") from error
    try:
        client = Client(address, timeout=20)
    except (OSError, ValueError, TimeoutError) as error:
        said = " ".join(str(error).split())[:200]
        raise MissingFact(f"--scheduler {address}", f"expected a Dask scheduler: {said}") from error
    with client:
        waiting, owners, found = iter(jobs), dict[Any, Job](), as_completed()
        try:
            for _ in range(_AHEAD * max(1, sum(client.nthreads().values()))):
                _submit(client, found, owners, next(waiting, None))
            for future in found:
                yield owners[future], _row(owners.pop(future), future)
                _submit(client, found, owners, next(waiting, None))
        finally:
            client.cancel([*owners])


def _submit(client: Any, found: Any, owners: dict[Any, Job], job: Job | None) -> None:
    if job is not None:
        future = client.submit(engine.run, job.document(), pure=False)
        owners[future] = job
        found.add(future)


def _row(job: Job, future: Any) -> Row:
    """What a worker answered; where one worker after the other ended over a job, that is its row."""
    error = future.exception()
    if error is None:
        return Row.of(future.result())
    what = f"{job.source}: the workers that had it ended: {' '.join(str(error).split())[:300]}"
    return Found("killed", "Worker", what).row(job)
