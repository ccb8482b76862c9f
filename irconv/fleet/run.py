"""`irconv.batch`: a fleet, from its plan to its table."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from irconv.boundary import bounded
from irconv.data_classes import dataclass
from irconv.errors import MissingFact, UnusedOption
from irconv.fleet import plan, schedulers
from irconv.fleet.job import Job, Limits, Row, is_address, still_holds
from irconv.fleet.page import counts, page
from irconv.fleet.table import Table
from irconv.keywords import refuse_unknown, taken
from irconv.options import ReadOptions, WriteOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from irconv.keywords import Converting

Heard = Callable[[Row, int, int], None]
"""Called with each row, how many jobs are done, and how many there are."""


@dataclass(frozen=True)
class Fleet:
    """What came of a fleet."""

    rows: tuple[Row, ...]
    """One for each job, in the order of the plan."""
    kept: int
    """How many of them an earlier run has left."""
    files: tuple[Path, ...]
    """The files of the table."""

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs came to what."""
        return counts(self.rows)

    @property
    def ok(self) -> bool:
        """Whether all did."""
        return all(row.outcome == "ok" for row in self.rows)


@bounded
def batch(
    sources: str | Path | Sequence[str | Path],
    output: str | Path,
    to: str | Sequence[str] = (),
    *,
    verify: bool = False,
    check: bool = False,
    results: str | Path | None = None,
    jobs: int | None = None,
    seconds: int = Limits.seconds,
    memory: int = Limits.memory,
    clock: int = Limits.clock,
    scheduler: str | None = None,
    retry: bool = False,
    heard: Heard | None = None,
    read_options: ReadOptions | None = None,
    write_options: WriteOptions | None = None,
    **options: Unpack[Converting],
) -> Fleet:
    """Convert, verify or check many models, each in a process of its own; a failure stops none of the others.

    `sources` are names, patterns, addresses, or plans (``.json``, ``.csv``; docs/batch.md). `to` are formats or
    suffixes. The outputs go to the folder or address `output`, and the table, which a second run takes up, to the
    folder `results`, which is `output` where that is a folder. `seconds` of processor time, `memory` in megabytes and
    `clock`, seconds by the clock, are what a model may take. `jobs` run at once, or as many as the Dask cluster with
    the address `scheduler` has threads. With `retry` what was killed or took too long is tried again. `heard` is told
    of each row. `options` are those of `convert`, for all.

    Raises `MissingFact`, `NoSuchFile`, `UnknownFormat`, `Refused`, `UnusedOption` and `OutputFailed` for what is wrong
    with the plan as a whole, before anything is done; what is wrong with one model is in its row.
    """
    reading, others = taken(read_options or ReadOptions(), options)
    writing, unknown = taken(write_options or WriteOptions(), others)
    refuse_unknown(unknown, ReadOptions, WriteOptions)
    words = (to.split(",") if isinstance(to, str) else tuple(to)) if to else ()
    _refuse_odd(words, check, verify, writing, jobs, scheduler)
    said = [sources] if isinstance(sources, str | Path) else sources
    asked = plan.Asked(str(output), tuple(words), reading, writing, verify, check, Limits(seconds, memory, clock))
    found = [replace(job, folder=str(Path.cwd())) for job in plan.jobs([str(one) for one in said], asked)]
    if results is None and is_address(str(output)):
        raise MissingFact(f"-o {output}", "expected a folder for the table, too", "Give --results FOLDER.")
    with Table(Path(results if results is not None else output), found) as table:
        done = [job for job in found if (row := table.rows.get(job.identity)) and still_holds(row, job, retry)]
        left = [table.claimed(job) if job.destination else job for job in found if job not in set(done)]
        for number, job in enumerate(done, 1):
            if heard:
                heard(table.rows[job.identity], number, len(found))
        _make_folders(left)
        try:
            with closing(_run(left, jobs, scheduler)) as rows:
                for number, (job, row) in enumerate(rows, len(done) + 1):
                    table.add(row, job)
                    if heard:
                        heard(row, number, len(found))
        finally:
            files = table.summarise(page(table.ordered(), _title(asked, found)))
        return Fleet(tuple(table.rows[job.identity] for job in found), len(done), tuple(files))


def _run(left: Sequence[Job], jobs: int | None, scheduler: str | None) -> Generator[tuple[Job, Row], None, None]:
    if left:
        yield from schedulers.here(left, jobs) if scheduler is None else schedulers.on_cluster(left, scheduler)


def _refuse_odd(
    words: Sequence[str], check: bool, verify: bool, writing: WriteOptions, jobs: int | None, scheduler: str | None
) -> None:
    """Raise `UnusedOption` for what has no effect together."""
    if writing.target_format is not None:
        raise UnusedOption("target_format=", "is said with to=", "Leave it out.")
    if check and (words or verify or writing != WriteOptions()):
        raise UnusedOption("--check", "converts nothing, so that --to, --verify and what is written have no effect")
    if jobs is not None and scheduler is not None:
        raise UnusedOption("--jobs", "has no effect: the cluster of --scheduler says how many run at once")


def _title(asked: plan.Asked, found: Sequence[Job]) -> str:
    return f"{len(found)} jobs" if asked.check else f"{len(found)} jobs to {asked.output}"


def _make_folders(jobs: Sequence[Job]) -> None:
    """Make the folders that outputs go to."""
    for folder in {Path(job.destination).parent for job in jobs if job.destination and not is_address(job.destination)}:
        folder.mkdir(parents=True, exist_ok=True)
