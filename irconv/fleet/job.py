"""One job of a fleet, what it takes as text for another process, and the row of the table that it becomes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, field, fields
from pathlib import Path
from typing import Any, Literal

from irconv import __version__
from irconv.containers.files import sha256
from irconv.data_classes import dataclass
from irconv.options import ReadOptions, WriteOptions, given

Outcome = Literal["ok", "different", "refused", "failed", "killed", "timed out"]
OUTCOMES: tuple[Outcome, ...] = ("ok", "different", "refused", "failed", "killed", "timed out")
"""``ok``: written (and with ``--verify`` right), or sound. ``different``: it predicts something else, or is not sound.
``refused``: irconv says why it cannot be carried over. ``failed``: the file is not there, the place cannot be written,
a fault. ``killed``: its process ended by itself or took more memory than it may. ``timed out``: or more time."""
LASTING: frozenset[str] = frozenset({"ok", "different", "refused", "killed", "timed out"})
"""The outcomes that a second run would find again."""
_STUCK = frozenset({"killed", "timed out"})


@dataclass(frozen=True)
class Limits:
    """What the process of a model may take."""

    seconds: int = 1200
    """Of processor time, with the processes that it starts."""
    memory: int = 8192
    """Megabytes, with the processes that it starts."""
    clock: int = 12000
    """Seconds by the clock: other processes may have the processors."""


@dataclass(frozen=True)
class Job:
    """One source, and what is to be made of it; without a destination it is checked."""

    source: str
    """A path, or an address."""
    destination: str = ""
    target: str = ""
    """The word of ``--to`` that asked for it."""
    read: ReadOptions = field(default_factory=ReadOptions)
    write: WriteOptions = field(default_factory=WriteOptions)
    verify: bool = False
    limits: Limits = Limits()
    claim: str = ""
    """The file that says that the destination is this job's: it was free when the job was begun."""
    folder: str = ""
    """Where paths are named from, whichever process does it; the current folder where it is empty."""

    @property
    def identity(self) -> tuple[str, str]:
        """What makes it another job than any other one of its fleet."""
        return self.source, self.destination

    def path(self, name: str | Path) -> Path:
        """A path that the job names."""
        return Path(self.folder, name)

    @property
    def asked(self) -> str:
        """A digest of all that is asked for, the content of the files that options name included; without limits."""
        files = {str(path): digest(self.path(path)) for path in self.read.paths}
        said = [__version__, self.destination, self.verify, _plain(self.read), _plain(self.write), files]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    def document(self) -> dict[str, Any]:
        """The job as JSON has it."""
        whole = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            **whole,
            "read": _plain(self.read),
            "write": _plain(self.write),
            "limits": asdict(self.limits),
            "version": __version__,
        }

    @staticmethod
    def of(document: Mapping[str, Any]) -> Job:
        """The job of a document."""
        known = {one.name: document[one.name] for one in fields(Job)}
        read, write = ReadOptions(**known["read"]), WriteOptions(**known["write"])
        return Job(**{**known, "read": read, "write": write, "limits": Limits(**known["limits"])})


def _plain(options: ReadOptions | WriteOptions) -> dict[str, Any]:
    return json.loads(json.dumps(given(options), default=str))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Row:
    """What came of a job."""

    source: str
    target: str
    outcome: Outcome
    reason: str = ""
    """The class of the reason: of irconv's error, or Memory, Time, Clock, Signal, Exit, Worker."""
    message: str = ""
    """All reasons, a line each."""
    error: float | None = None
    """The largest difference that was found, relative to the largest value; where it was verified."""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0
    destination: str = ""
    files: tuple[str, ...] = ()
    log: str = ""
    """The end of what its process printed."""
    sha256: str = ""
    stamp: str = ""
    asked: str = ""
    irconv: str = __version__

    @property
    def identity(self) -> tuple[str, str]:
        """See `Job.identity`."""
        return self.source, self.destination

    def document(self) -> dict[str, Any]:
        """The row as JSON has it."""
        return {**asdict(self), "files": list(self.files)}

    @staticmethod
    def of(document: Mapping[str, Any]) -> Row:
        """The row of a document. Raises `ValueError` or `TypeError` for what is none."""
        row = Row(**{**document, "files": tuple(document.get("files", ()))})
        if row.outcome not in OUTCOMES or not all(isinstance(part, str) for part in (*row.identity, row.asked)):
            raise ValueError("no row of irconv's")
        return row


COLUMNS = tuple(one.name for one in fields(Row))


def still_holds(row: Row, job: Job, again: bool) -> bool:
    """Whether a row of an earlier run says what the job would come to, so that it need not be done; `again` does what
    was killed or took too long anew."""
    if row.outcome not in LASTING or (again and row.outcome in _STUCK) or row.asked != job.asked:
        return False
    if row.outcome == "ok" and not job.write.dry_run and not all(_is_there(file, job) for file in row.files):
        return False
    if is_address(job.source):
        return bool(row.stamp) and row.stamp == _remote_stamp(job.source)
    source = job.path(job.source)
    return bool(row.sha256) and (row.stamp == stamp(source) or row.sha256 == digest(source))


def is_address(name: str) -> bool:
    """Whether a source or destination is an address and no path."""
    return "://" in name or "::" in name


def _is_there(file: str, job: Job) -> bool:
    if not is_address(file):
        return job.path(file).exists()
    from irconv.fleet import remote

    return remote.exists(file)


def _remote_stamp(address: str) -> str:
    from irconv.fleet import remote

    return remote.stamp(address)


def _parts(path: Path) -> Iterator[Path]:
    """The files of a source: itself, all in a folder, or all whose names begin as a checkpoint's do."""
    if path.is_dir():
        yield from sorted(part for part in path.rglob("*") if part.is_file())
    elif path.exists():
        yield path
    elif path.parent.is_dir():
        yield from sorted(part for part in path.parent.iterdir() if part.name.startswith(f"{path.name}."))


def digest(path: Path) -> str:
    """The SHA-256 of a file, or of the names and digests of those of a folder; empty where nothing is there."""
    if path.is_file():
        return sha256(path)
    found = [(str(part.relative_to(path.parent)), sha256(part)) for part in _parts(path)]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest() if found else ""


def stamp(path: Path) -> str:
    """What changes whenever a file of it does, without reading any; empty where nothing is there."""
    found = [(str(part), part.stat().st_size, part.stat().st_mtime_ns, part.stat().st_ino) for part in _parts(path)]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16] if found else ""


@dataclass(frozen=True)
class Usage:
    """What a process took."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0


@dataclass(frozen=True)
class Found:
    """What the process of a job answers, or what is said in its place where it could not."""

    outcome: Outcome
    reason: str = ""
    message: str = ""
    error: float | None = None
    files: tuple[str, ...] = ()
    sha256: str = ""
    stamp: str = ""
    log: str = ""
    usage: Usage = field(default_factory=Usage)

    def document(self) -> dict[str, Any]:
        """The answer as JSON has it."""
        return {**asdict(self), "files": list(self.files)}

    @staticmethod
    def of(document: Mapping[str, Any]) -> Found:
        """The answer of a document."""
        usage = Usage(**document.get("usage", {}))
        return Found(**{**document, "files": tuple(document.get("files", ())), "usage": usage})

    def row(self, job: Job) -> Row:
        """The row of the job that it is the answer to."""
        return Row(
            source=job.source,
            target=job.target,
            outcome=self.outcome,
            reason=self.reason,
            message=self.message,
            error=self.error,
            destination=job.destination,
            files=self.files,
            log=self.log,
            sha256=self.sha256,
            stamp=self.stamp,
            asked=job.asked,
            **{name: round(value, 3) for name, value in asdict(self.usage).items()},
        )
