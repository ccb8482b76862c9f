"""Many cases in forked processes, each within limits of processor time and memory; a death is a finding, too."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import json
import os
import pkgutil
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path

import irconv
from tests.fuzz import coverage
from tests.fuzz.case import Came, run
from tests.fuzz.coverage import traced
from tests.fuzz.seeds import SOURCES, seeds

SECONDS, MEGABYTES = 5, 400
"""What one case may take."""
_BATCH = 200
"""Cases that one process works through: what it fills its memory with ends with it."""
_TRACED = 8
"""Batches of each job whose lines are counted, spread over the campaign: the tracer doubles what a case takes."""
_PASSED = {"not recognised": 0, "recognised": 1, "read": 2, "written": 3, "run": 4}


@dataclass
class Counts:
    """What the cases of one reader came to."""

    cases: int = 0
    recognised: int = 0
    read: int = 0
    written: int = 0
    run: int = 0
    said: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[tuple[int, Came]]] = field(default_factory=dict)
    """By what is wrong: the cases, numbers first."""

    def add(self, number: int, came: Came) -> None:
        """Count one case."""
        stage = _PASSED[came.stage]
        self.cases += 1
        self.recognised += stage > 0
        self.read += stage > 1
        self.written += stage > 2
        self.run += stage > 3
        self.said[came.said or came.stage] += 1
        if came.fault:
            self.faults.setdefault(came.fault, []).append((number, came))


@dataclass
class Found:
    """What a campaign found."""

    counts: dict[str, Counts]
    lines: dict[str, set[int]] = field(default_factory=dict)
    """File of the containers -> the lines that ran."""

    @property
    def faults(self) -> list[tuple[str, str, int, Came]]:
        """(reader, what is wrong, the first case, what it came to)."""
        return [
            (reader, fault, *cases[0])
            for reader, count in self.counts.items()
            for fault, cases in sorted(count.faults.items())
        ]


def campaign(
    numbers: Sequence[int], readers: Sequence[str] = tuple(SOURCES), jobs: int = 2, seconds: float = 1e9
) -> Found:
    """Run the cases of these numbers for every reader; stops after so many seconds by the clock."""
    for reader in readers:
        seeds(reader)  # made once, before the forks
    _warm()
    wanted = [(reader, number) for number in numbers for reader in readers]
    ends = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="irconv-fuzz-") as folder:
        logs = [Path(folder) / f"log{job}" for job in range(jobs)]
        slices = [wanted[job::jobs] for job in range(jobs)]
        managers = [_manage(slices[job], logs[job], Path(folder) / f"box{job}", ends) for job in range(jobs)]
        for manager in managers:
            os.waitpid(manager, 0)
        found = Found({reader: Counts() for reader in readers})
        for log in logs:
            for entry in _entries(log, found.lines):
                found.counts[entry[0]].add(*entry[1:])
    return found


def _warm() -> None:
    """Import all that cases import, and leave it out of every later collection: a process is forked for each batch."""
    for module in pkgutil.walk_packages(irconv.__path__, "irconv."):
        if not module.name.endswith(("hdf5_worker", "__main__")):
            import_module(module.name)
    for name in ("onnxruntime", "onnx.reference"):
        import_module(name)
    gc.collect()
    gc.freeze()


def _manage(cases: list[tuple[str, int]], log: Path, box: Path, ends: float) -> int:
    """A process that lets others work through the cases, one after the other, and replaces those that die."""
    manager = os.fork()
    if manager:
        return manager
    code = 1
    try:  # whatever happens, this process ends here, and not in what forked it
        place = 0
        while place < len(cases) and time.monotonic() < ends:
            worker = os.fork()
            if not worker:
                every = max(1, len(cases) // _BATCH // _TRACED)
                _work(cases[place : place + _BATCH], log, box, ends, tracing=place // _BATCH % every == 0)
            _, status = os.waitpid(worker, 0)
            begun = log.read_text().count("\nbegin ") if log.exists() else 0
            if status and begun > place:
                _died(cases[begun - 1], log, status)
            place = max(begun, place + 1)
        code = 0
    finally:
        os._exit(code)


def _work(cases: list[tuple[str, int]], log: Path, box: Path, ends: float, tracing: bool) -> None:
    """Run cases in a process that ends with them."""
    code = 1
    try:
        _limit(log.with_suffix(".trace"))
        seen: dict[str, set[int]] = {}
        with traced(seen) if tracing else contextlib.nullcontext():
            _try_all(cases, log, box, ends)
        with log.open("a") as out:
            out.write(f"\nlines {json.dumps({file: sorted(lines) for file, lines in seen.items()})}")
        code = 0
    except BaseException:  # noqa: BLE001 the log is all that this process can still speak to
        with log.open("a") as out:
            out.write(f"\nharness {json.dumps(traceback.format_exc())}")
    finally:
        os._exit(code)


def _limit(trace: Path) -> None:
    """Set limits; where a process is when its time is up is written to a file."""
    os.setsid()
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    faulthandler.register(signal.SIGPROF, trace.open("w"), chain=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**28, 2**28))
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 3 * 2**30,) * 2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)


def _try_all(cases: list[tuple[str, int]], log: Path, box: Path, ends: float) -> None:
    """Run cases, and say before and after each which it is and what it came to."""
    with log.open("a") as out:
        for reader, number in cases:
            if time.monotonic() > ends:
                break
            out.write(f"\nbegin {reader} {number}")
            out.flush()
            _reset_peak()
            before, began = _peak(), time.process_time()
            signal.setitimer(signal.ITIMER_PROF, 3 * SECONDS)
            shutil.rmtree(box, ignore_errors=True)
            box.mkdir()
            came = run(reader, number, box)
            signal.setitimer(signal.ITIMER_PROF, 0)
            took, grew = time.process_time() - began, (_peak() - before) / 2**20
            entry = asdict(came)
            if not came.fault and took > SECONDS:
                entry["fault"] = f"more than {SECONDS} s of processor time: {came.seed.split('/')[0][:40]}"
            if not came.fault and grew > MEGABYTES:
                entry["fault"] = f"more than {MEGABYTES} MB: {came.seed.split('/')[0][:40]}"
            out.write(f"\n{json.dumps([reader, number, entry])}")
            out.flush()


def _died(case: tuple[str, int], log: Path, status: int) -> None:
    """Note the case during which a process died."""
    ended = os.waitstatus_to_exitcode(status)
    why = {-signal.SIGPROF: f"more than {3 * SECONDS} s of processor time"}.get(ended, f"dies: {ended}")
    trace = log.with_suffix(".trace")
    details = trace.read_text(errors="replace") if ended == -signal.SIGPROF and trace.exists() else ""
    with log.open("a") as out:
        out.write(f"\n{json.dumps([*case, asdict(Came('', '', fault=why, details=details))])}")


def _entries(log: Path, lines: dict[str, set[int]]) -> Iterator[tuple[str, int, Came]]:
    """What a log says of cases; the lines that ran are added to `lines`."""
    if log.exists():
        for line in log.read_text().splitlines():
            if line.startswith("lines "):
                for file, numbers in json.loads(line.removeprefix("lines ")).items():
                    lines.setdefault(file, set()).update(numbers)
            if line.startswith("harness "):
                print(json.loads(line.removeprefix("harness ")), file=sys.stderr)
            if line.startswith("["):
                reader, number, came = json.loads(line)
                yield reader, number, Came(**came)


def _reset_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """The most memory that this process has held since it was asked to forget, in bytes."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024


def table(counts: dict[str, Counts]) -> str:
    """The counts as a table for people."""
    rows = ["| reader | cases | recognised | read | written | run | faults |", "| --- |" + " --- |" * 6]
    for reader, c in counts.items():
        parts = " | ".join(f"{n} ({100 * n / max(c.cases, 1):.0f} %)" for n in (c.recognised, c.read, c.written, c.run))
        rows.append(f"| {reader} | {c.cases} | {parts} | {sum(map(len, c.faults.values()))} |")
    return "\n".join(rows)


def main(words: Sequence[str]) -> int:
    """``python -m tests.fuzz [CASES [FIRST [READERS...]]]``: so many cases in all; says what it found.

    ``IRCONV_FUZZ_JOBS`` processes work at once (one for each processor), for at most ``IRCONV_FUZZ_SECONDS``.
    """
    count, first = int(words[0]) if words else 2000, int(words[1]) if len(words) > 1 else 0
    readers = words[2:] or tuple(SOURCES)
    numbers = range(first, first + -(-count // len(readers)))
    jobs, seconds = int(os.environ.get("IRCONV_FUZZ_JOBS", os.cpu_count() or 1)), os.environ.get("IRCONV_FUZZ_SECONDS")
    found = campaign(numbers, readers, jobs, float(seconds or 1e9))
    print(f"{table(found.counts)}\n\n{coverage.table(coverage.of_lines(found.lines))}\n")
    for reader, count in found.counts.items():
        print(f"{reader}: {', '.join(f'{name} {n}' for name, n in count.said.most_common())}")
    for reader, fault, _, came in found.faults:
        numbers_ = [number for number, _ in found.counts[reader].faults[fault]]
        said = ", ".join(map(str, numbers_[:5]))
        print(f"\n{reader}: {fault} ({len(numbers_)} cases: {said}; {came.target})")
        print(f"  {came.seed}\n  {came.details}".rstrip())
    return int(bool(found.faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
