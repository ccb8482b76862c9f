"""``irconv batch``."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from irconv.commands.options import FILE, READING_OPTIONS, WRITING_OPTIONS, listed, taken, with_options
from irconv.shell import DIFFERENT, REFUSED, Command, print_json, say

if TYPE_CHECKING:
    from irconv.fleet.job import Row

_EXAMPLES = """
irconv batch 'models/*.h5' --to onnx,keras -o converted
irconv batch plan.csv -o converted --verify --jobs 2
irconv batch model.irconv --check -o checked
"""
_WRITING = WRITING_OPTIONS[1:]
"""All but ``--to``, which is for several formats here."""
_SHOWN = 20
"""Reasons that are printed; the table has all."""
_EVERY = 10
"""Seconds between two lines of progress where there is no terminal."""


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("sources", nargs=-1, required=True, type=FILE, metavar="PLAN|GLOB|URL...")
@click.option("-o", "--output", required=True, metavar="DIR|URL", help="Where the outputs and the table go.")
@click.option(
    "--to", multiple=True, callback=listed, metavar="A,B", help="Formats or suffixes that each model is converted to."
)
@click.option("--verify", is_flag=True, help="Run both sides of each conversion; write nothing where they differ.")
@click.option("--check", is_flag=True, help="Check bundles instead of converting.")
@click.option("--results", type=FILE, metavar="DIR", help="Where the table goes, where that is not DIR of -o.")
@click.option("--jobs", type=click.IntRange(1), help="Processes at once. [default: the number of cores]")
@click.option("--seconds", type=click.IntRange(1), default=1200, show_default=True, help="Processor time of a model.")
@click.option("--memory", type=click.IntRange(64), default=8192, show_default=True, help="Megabytes of a model.")
@click.option("--clock", type=click.IntRange(1), default=12000, show_default=True, help="Seconds by the clock.")
@click.option("--scheduler", metavar="ADDRESS", help="Run on the Dask cluster with this scheduler, tcp://HOST:PORT.")
@click.option("--retry", is_flag=True, help="Try again what was killed or took too long in an earlier run.")
@with_options(READING_OPTIONS)
@with_options(_WRITING)
def batch(sources: tuple[str, ...], output: str, as_json: bool, **flags: Any) -> None:
    """Convert, verify or check many models, each in a process of its own. A run that was stopped is taken up.

    A PLAN is a .json or .csv file of sources, targets and options (docs/batch.md). The table is DIR/results.csv, .jsonl
    and .html. Exit code 0: all ok; 1: some predict something else; 3: some were refused, failed or were ended.
    """
    from irconv.fleet.page import reasons
    from irconv.fleet.run import batch as run
    from irconv.options import ReadOptions, WriteOptions

    reading, writing = taken(ReadOptions, flags), taken(WriteOptions, flags)
    with _Progress() as progress:
        fleet = run(sources, output, heard=progress, read_options=reading, write_options=writing, **flags)
    counts = fleet.counts
    if as_json:
        files = [str(path) for path in fleet.files]
        rows = [row.document() for row in fleet.rows]
        print_json({"counts": counts, "kept": fleet.kept, "files": files, "rows": rows})
    found = reasons(fleet.rows)
    for kind, _, count, example in found[:_SHOWN]:
        more = f" (and {count - 1} more for this reason)" if count > 1 else ""
        say(f"{kind}: {example.message.split(chr(10), 1)[0]}{more}", err=True)
    if len(found) > _SHOWN:
        say(f"and {len(found) - _SHOWN} other reasons", err=True)
    kept = f", {fleet.kept} of them by an earlier run" if fleet.kept else ""
    say(f"{len(fleet.rows)} jobs: {', '.join(f'{count} {kind}' for kind, count in counts.items())}{kept}")
    for path in fleet.files:
        say(f"wrote {path}")
    if counts.keys() - {"ok", "different"}:
        sys.exit(REFUSED)
    if "different" in counts:
        sys.exit(DIFFERENT)


class _Progress:
    """How far a fleet is: a bar on a terminal, else a line now and then, on stderr."""

    def __enter__(self) -> _Progress:
        self._bar: Any = None
        self._said = time.monotonic()
        self._bad = 0
        return self

    def __call__(self, row: Row, done: int, total: int) -> None:
        self._bad += row.outcome != "ok"
        said = f"{done} of {total}, {self._bad} not ok"
        if sys.stderr.isatty():
            self._shown(done, total, said)
        elif time.monotonic() - self._said > _EVERY and done < total:
            self._said = time.monotonic()
            say(said, err=True)

    def _shown(self, done: int, total: int, said: str) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (BarColumn(), TextColumn("{task.description}", markup=False), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(said, total=total)
            self._bar.start()
        self._bar.update(self._task, completed=done, description=said)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
