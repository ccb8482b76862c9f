"""Measures conversions as whole processes, each beside its floor and the framework's own way in the same run.

    python -m benchmarks.bench                     every row, printed
    python -m benchmarks.bench --only VGG16.h5     rows whose source or target has this in its name; several by commas
    python -m benchmarks.bench --write             and writes docs/performance.md

Each row is kept in ``build/bench/rows.json`` as soon as it is measured, and the page has all that are there: rows can
be measured anew by themselves, and an hour's work is not lost where the last row fails.

Files are made once, in ``build/bench`` (``--files``), which takes 4 GB and some minutes; the rows take most of an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.own import way
from benchmarks.processes import Failed, Run, Runs, measured
from benchmarks.sources import CHANNELS_LAST, ROOT, SOURCES, ZIPS, Source, count

PAGE = ROOT / "docs" / "performance.md"
FLEETS = ROOT / "benchmarks" / "fleets.md"
"""What `benchmarks.fleet` and a large checkpoint came to, kept by hand."""
TITLES = {
    "small": "Start-up: small models",
    "ResNet50": "ResNet50's weights, 98 MiB",
    "VGG16": "VGG16's weights, 528 MiB",
    "NASNetLarge": "NASNetLarge: a thousand layers with weights of their own",
    "many": "100,000 tensors of 60 bytes",
    "layers": "Deep graphs",
}


@dataclass(frozen=True)
class Row:
    """One conversion, with what was measured of it, of its floor, and of the framework's own way."""

    source: Source
    target: str
    size: int
    irconv: Runs
    floor: Runs
    own: Runs | str
    """What it said last, where it failed; empty where there is none."""


def commands(source: Source, target: str, folder: Path, scratch: Path) -> dict[str, list[str]]:
    """What is run for a row, by who does it."""
    path, python = str(folder / source.name), sys.executable
    inspects = target == "inspect"
    irconv = ["inspect", path] if inspects else ["convert", path, str(scratch / f"out{target}"), *source.facts]
    turned = not inspects and (source.suffix in CHANNELS_LAST) != (target in CHANNELS_LAST)
    words = ["turned"] * turned + ["crc32c"] * (source.suffix == ".ckpt")
    words += ["crc32"] * sum(suffix in ZIPS for suffix in (source.suffix, target))
    floor = [source.model, str(folder), str(scratch / "out.raw"), *words]
    bare = inspects or source.model == "small"
    found = {
        "floor": [python, "-m", "benchmarks.floor", *([] if bare else floor)],
        "irconv": [python, "-c", "from irconv.__main__ import run; run()", *irconv],
    }
    if way(source.suffix, target) and source.model != "small":
        out = "out" if inspects else f"out{target}"
        found["own"] = [python, "-m", "benchmarks.own", path, str(scratch / out)]
    return found


def row(source: Source, target: str, folder: Path, runs: int) -> Row:
    """Measure a row: the programs take turns, so that what else the machine does falls on all of them."""
    scratch = folder / "scratch"
    wanted = commands(source, target, folder, scratch)
    found: dict[str, list[Run]] = {who: [] for who in wanted}
    own = ""
    for _ in range(runs):
        for who, command in wanted.items():
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir()
            if who == "own" and own:
                continue
            try:
                found[who].append(measured(command))
            except Failed as failure:
                if who != "own":
                    raise SystemExit(f"{' '.join(command)} failed:\n{failure}") from failure
                own = str(failure).splitlines()[-1]
    shutil.rmtree(scratch)
    irconv, floor = Runs(tuple(found["irconv"])), Runs(tuple(found["floor"]))
    owns = own if own or not found.get("own") else Runs(tuple(found["own"]))
    return Row(source, target, _size(folder / source.name), irconv, floor, owns)


def kept(rows: Path) -> dict[str, Row]:
    """The rows that were measured, by ``SOURCE to TARGET``, in the order of the registry; those it no longer has are
    left out."""
    found = json.loads(rows.read_text()) if rows.exists() else {}

    def runs(each: list[list[float]]) -> Runs:
        return Runs(tuple(Run(*numbers) for numbers in each))

    known: dict[str, Row] = {}
    for source in SOURCES:
        for target in source.targets:
            if (row := found.get(name := f"{source.name} to {target}")) is not None:
                own = row["own"] if isinstance(row["own"], str) else runs(row["own"])
                known[name] = Row(source, target, row["size"], runs(row["irconv"]), runs(row["floor"]), own)
    return known


def keep(rows: Path, row: Row) -> None:
    """Add a row to those that were measured."""
    found = json.loads(rows.read_text()) if rows.exists() else {}

    def numbers(runs: Runs | str) -> Any:
        return runs if isinstance(runs, str) else [(run.cpu, run.wall, run.peak) for run in runs.each]

    sides = {"irconv": numbers(row.irconv), "floor": numbers(row.floor), "own": numbers(row.own)}
    found[f"{row.source.name} to {row.target}"] = {"size": row.size, **sides, "load": os.getloadavg()[0]}
    rows.write_text(json.dumps(found, indent=1))


def loads(rows: Path) -> tuple[float, float]:
    """How busy the machine was, least and most, when rows were measured."""
    found = json.loads(rows.read_text()) if rows.exists() else {}
    said = [row["load"] for row in found.values() if "load" in row] or [os.getloadavg()[0]]
    return min(said), max(said)


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [part for part in path.rglob("*") if part.is_file()]
    return sum(file.stat().st_size for file in files)


def prepared(sources: Sequence[Source], folder: Path) -> None:
    """Make what is not there yet, every file in a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    models = [source.model for source in sources if source.model != "small"]
    raw = [model for model in dict.fromkeys(models) if not (folder / f"{model}.shapes").exists()]
    for name in [*raw, *(source.name for source in sources if not (folder / source.name).exists())]:
        print(f"making {name}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "benchmarks.sources", name, str(folder)], check=True, cwd=ROOT)


HEAD = "| from | to | MB | CPU s | floor | **ratio** | own way | wall s | floor | peak MB | floor |"
RULE = f"|{' --- |' * (HEAD.count('|') - 1)}"


def line(found: Row) -> str:
    """A row of the table: minimum, and the median in brackets."""

    def both(runs: Runs, kind: str) -> str:
        digits = 0 if kind == "peak" else 2
        return f"{runs.least(kind):.{digits}f} ({runs.median(kind):.{digits}f})"

    ratio = found.irconv.least("cpu") / found.floor.least("cpu")
    own = both(found.own, "cpu") if isinstance(found.own, Runs) else f"fails: {found.own}" if found.own else "-"
    cells = [
        found.source.name,
        found.target,
        f"{found.size / 1e6:.1f}",
        both(found.irconv, "cpu"),
        both(found.floor, "cpu"),
        f"**{ratio:.1f}**",
        own,
        both(found.irconv, "wall"),
        both(found.floor, "wall"),
        f"{found.irconv.least('peak'):.0f}",
        f"{found.floor.least('peak'):.0f}",
    ]
    return f"| {' | '.join(cells)} |"


_INTRODUCTION = """
Whole processes, from start to end: CPU seconds of the process and of those it starts, wall seconds, and the resident
memory of the largest. Of several runs the minimum, and the median in brackets; the ratio is one of minima of CPU
seconds. Bytecode is there before, and files are in the system's cache. In the same run, in turns with irconv, ran

* the *floor* (`benchmarks/floor.py`): numpy reads the same weights from one file, turns each where the layouts differ
  (of a checkpoint it computes each tensor's CRC32C, too, and a CRC-32 on each side that is a zip: `.keras`, `.pt`),
  writes the same bytes, and flushes them to the disk as irconv does. For small models and `inspect` it is an
  interpreter that imports numpy and h5py. Where nothing is turned irconv can be below it: it lets the system copy;
* the framework's *own way*, in CPU seconds, where there is one and it is installed: WAYS.
""".strip()


def page(rows: Sequence[Row], load: tuple[float, float]) -> str:
    """The whole page, with the command that makes it."""
    ways = {(found.source.suffix, found.target): way(found.source.suffix, found.target) for found in rows}
    named = "; ".join(f"{source} to {target}, {name}" for (source, target), name in ways.items() if name)
    parts = [
        "# What a conversion costs",
        "<!-- Made by `make bench`, which measures every row, or by "
        "`python -m benchmarks.bench --write --only SOURCE`,\n"
        "which measures some and keeps the others. Edit `benchmarks/`. -->",
        _machine(load),
        _INTRODUCTION.replace("WAYS", named),
    ]
    for key, title in TITLES.items():
        lines = [line(found) for found in rows if found.source.model.split("-", maxsplit=1)[0] == key]
        if lines:
            parts.append("\n".join([f"## {title}", "", HEAD, RULE, *lines]))
    depths = [found for found in rows if found.source.model.startswith("layers")]
    if depths:
        each = [(found, 1e3 * found.irconv.least("cpu") / count(found.source.model)) for found in depths]
        text = "\n".join(f"* {found.source.name} to {found.target}: {cost:.2f}" for found, cost in each)
        parts.append(f"CPU milliseconds a layer, start included:\n\n{text}")
    parts.append(FLEETS.read_text(encoding="utf-8").strip())
    return "\n\n".join(parts) + "\n"


def _machine(load: tuple[float, float]) -> str:
    names = ("irconv", "numpy", "h5py", "keras", "tensorflow", "tensorflow-cpu", "torch", "safetensors")
    found = []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return (
        f"On {_processor()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, "
        f"{', '.join(found)}.\nThe load was between {load[0]:.1f} and {load[1]:.1f}: seconds are those of such a "
        "machine, also those of the processor, which\nother programs slow down where they take its cache and its other "
        "thread. Ratios hold better; wall seconds of a busy machine say nothing."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((text.split(": ")[1] for text in lines if text.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="rows with one of these in `SOURCE to TARGET`, joined by commas")
    parser.add_argument(
        "--runs", type=int, default=5, help="runs of each program; half of it above 200 MB or 10,000 layers or tensors"
    )
    parser.add_argument("--files", type=Path, default=ROOT / "build" / "bench", help="where the files are kept")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    given = parser.parse_args()
    os.chdir(ROOT)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or every run would compile irconv anew
    subprocess.run([sys.executable, "-m", "compileall", "-q", "irconv", "benchmarks"], check=True)
    words = given.only.split(",")
    every = [(source, target) for source in SOURCES for target in source.targets]
    wanted = [pair for pair in every if any(word in f"{pair[0].name} to {pair[1]}" for word in words)]
    prepared(list(dict.fromkeys(source for source, _ in wanted)), given.files)
    rows = given.files / "rows.json"
    print(HEAD)
    for source, target in wanted:
        long = _size(given.files / source.name) > 200e6 or "0000" in source.model
        found = row(source, target, given.files, -(-given.runs // 2) if long else given.runs)
        keep(rows, found)
        print(line(found), flush=True)
    if given.write:
        PAGE.write_text(page([*kept(rows).values()], loads(rows)), encoding="utf-8")


if __name__ == "__main__":
    main()
