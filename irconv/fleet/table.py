"""The table of a fleet on the disk: ``results.jsonl``, ``results.csv``, ``results.html``, and with pyarrow
``results.parquet``.

A row is appended to the first two as soon as it is known, in one write; a line that a kill has cut off is left out when
the table is read again. At the end, and when a run takes up another, both are written anew, in the order of the plan.
``.irconv-batch/`` beside them is locked by the run that writes them, and holds the claims of jobs that are not done.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from irconv.errors import OutputExists, OutputFailed
from irconv.fleet.job import COLUMNS, Job, Row

LINES, TABLE, PARQUET, PAGE = "results.jsonl", "results.csv", "results.parquet", "results.html"
_STATE, _LOCK = ".irconv-batch", "lock"
_REMEDY = "Move it away, or give another folder."
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a cell a formula in a program for tables."""


class Table:
    """The rows of one folder; a context manager that holds its lock.

    Raises `OutputFailed` where another run has it, and `OutputExists` where files of its names are not irconv's.
    """

    def __init__(self, folder: Path, jobs: Sequence[Job]) -> None:
        self.folder, self._jobs = folder, jobs
        self._state = folder / _STATE
        self.rows: dict[tuple[str, str], Row] = {}

    def __enter__(self) -> Table:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._state.mkdir(exist_ok=True)
            self._lock = os.open(self._state / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise OutputFailed(str(self.folder), f"could not be written: {error.strerror or error}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise OutputFailed(
                str(self.folder), "is being written by another run", "Wait until it has ended."
            ) from error
        try:
            self.rows = {row.identity: row for row in self._earlier()}
            self._rewrite()
            self._appended = [open(self.folder / name, "ab", buffering=0) for name in (LINES, TABLE)]  # noqa: SIM115
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._appended:
            file.close()
        self._rewrite()
        self._leave()

    def _leave(self) -> None:
        """Remove what no other run needs: claims of what was begun and not done stay."""
        claims = self._state / "claims"
        with suppress(OSError):
            if claims.is_dir():
                claims.rmdir()
            shutil.rmtree(self._state)
        os.close(self._lock)

    def claimed(self, job: Job) -> Job:
        """The job, with the place of its claim."""
        folder = self._state / "claims"
        folder.mkdir(exist_ok=True)
        return replace(job, claim=str(folder.absolute() / hashlib.sha256(job.destination.encode()).hexdigest()[:32]))

    def add(self, row: Row, job: Job | None = None) -> None:
        """Append a row; its job is done."""
        self.rows[row.identity] = row
        self._appended[0].write(_line(row))
        self._appended[1].write(_cells([_values(row)]).encode("utf-8", "backslashreplace"))
        if job is not None and job.claim and row.outcome not in ("killed", "timed out"):
            Path(job.claim).unlink(missing_ok=True)

    def _earlier(self) -> Iterable[Row]:
        """The rows of earlier runs."""
        path = self.folder / LINES
        if not path.exists():
            taken = [name for name in (TABLE, PARQUET, PAGE) if os.path.lexists(self.folder / name)]
            if taken:
                raise OutputExists(str(self.folder / taken[0]), "exists already", _REMEDY)
            return
        lines = path.read_bytes().splitlines()
        for number, line in enumerate(lines):
            try:
                yield Row.of(json.loads(line))
            except (ValueError, TypeError, KeyError) as error:
                if number == len(lines) - 1 and line.startswith(b"{"):  # a kill has cut it off
                    return
                where = f"{path}: line {number + 1}"
                raise OutputExists(where, "is no row of irconv's", _REMEDY) from error

    def ordered(self) -> list[Row]:
        """All rows: of what is not asked for now first, then those of the jobs, in their order."""
        wanted = [job.identity for job in self._jobs]
        others = [row for key, row in self.rows.items() if key not in set(wanted)]
        return others + [self.rows[key] for key in wanted if key in self.rows]

    def _rewrite(self) -> None:
        rows = self.ordered()
        _replace(self.folder / LINES, b"".join(map(_line, rows)))
        text = _cells([[*COLUMNS], *map(_values, rows)])
        _replace(self.folder / TABLE, text.encode("utf-8", "backslashreplace"))

    def summarise(self, page: str) -> list[Path]:
        """Write what is made at the end; all files of the table."""
        _replace(self.folder / PAGE, page.encode("utf-8", "backslashreplace"))
        made = [self.folder / LINES, self.folder / TABLE, self.folder / PAGE]
        if find_spec("pyarrow") is not None:
            _write_parquet(self.ordered(), self.folder / PARQUET)
            made.append(self.folder / PARQUET)
        return made


def _line(row: Row) -> bytes:
    return json.dumps(row.document()).encode() + b"\n"


def _values(row: Row) -> list[Any]:
    document = row.document()
    return [_cell(document[name]) for name in COLUMNS]


def _cell(value: Any) -> Any:
    """A value for a program for tables, which takes no foreign text for a formula."""
    if value is None:
        return ""
    text = ";".join(value) if isinstance(value, list) else value
    return f"'{text}" if isinstance(text, str) and text.startswith(_FORMULA) else text


def _cells(rows: Sequence[Sequence[Any]]) -> str:
    made = io.StringIO(newline="")
    csv.writer(made, lineterminator="\n").writerows(rows)
    return made.getvalue()


def _replace(path: Path, content: bytes) -> None:
    """Write a file of the table anew, whole or not at all."""
    new = path.parent / _STATE / f"{path.name}.new"
    new.write_bytes(content)
    os.replace(new, path)


def _write_parquet(rows: Sequence[Row], path: Path) -> None:
    """Write the rows as Parquet."""
    import pyarrow
    from pyarrow import parquet

    numbers = {"error", "seconds", "cpu_seconds", "peak_mb"}
    lists = {"files"}
    kinds = {name: pyarrow.float64() if name in numbers else pyarrow.string() for name in COLUMNS}
    kinds |= {name: pyarrow.list_(pyarrow.string()) for name in lists}
    schema = pyarrow.schema([(name, kinds[name]) for name in COLUMNS])
    new = path.parent / _STATE / f"{path.name}.new"
    parquet.write_table(pyarrow.Table.from_pylist([row.document() for row in rows], schema), new)
    os.replace(new, path)
