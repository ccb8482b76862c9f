"""Networks of torchvision, timm and transformers, from PyTorch's files to ONNX, PyTorch source, Keras and TensorFlow.

    python -m benchmarks.torch_zoo FOLDER [--only REGEX] [--ways REGEX] [--again REGEX] [--seconds N] [--pages docs]

Builds each network of `torch_networks` with random weights and statistics, exports it once in every way that PyTorch
has (`torch_export`), converts the files, each in a process whose CPU seconds and peak memory are taken
(`torch_convert`), and compares what onnxruntime, PyTorch, Keras and TensorFlow compute of what was written with what
the module gave (`torch_runs`). What its ways are read as is compared (`torch_ways`), and state dicts after a way there
and back (`torch_returns`). All that was found is a line of ``FOLDER/found.jsonl``, the last of a network and way
counts; what stands there is not done again, so that a second run takes up where the first was stopped. Of them
``--pages`` makes ``zoo.md`` and ``torch-ways.md``. Everything is done in processes that have 300 seconds and 16 GB of
addresses (`torch_worker`), one at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import torch_convert, torch_page, torch_ways
from benchmarks.torch_export import FILES
from benchmarks.torch_page import CONVERSIONS, outcome
from benchmarks.torch_runs import file_of
from benchmarks.torch_worker import Worker

_ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
BACK = ("back:onnx", "back:keras")
WAYS = (*CONVERSIONS, "same", *BACK)

Found = dict[str, dict[str, Any]]
"""By way what was found of a network."""


def known(folder: Path) -> dict[str, Found]:
    """What was found before, by network and way."""
    place, found = folder / "found.jsonl", dict[str, Found]()
    for line in place.read_text().splitlines() if place.exists() else ():
        row = json.loads(line)
        found.setdefault(row.pop("network"), {})[row.pop("way")] = row
    return found


def kept(folder: Path, network: str, way: str, found: dict[str, Any]) -> None:
    with (folder / "found.jsonl").open("a") as out:
        out.write(json.dumps({"network": network, "way": way, **found}) + "\n")


def missing(found: Found, ways: str, again: str) -> list[str]:
    """The ways of a network that are still to be tried."""
    if "unbuilt" in found.get("export", {}):
        return []
    failed = found.get("export", {}).get("failed", {})
    open_ = [way for way in WAYS if way not in found or (again and re.search(again, _said(way, found[way])))]
    return [way for way in open_ if re.search(ways, way) and way.partition(">")[0] not in failed]


def measure(worker: Worker, name: str, place: Path, ways: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All that is found of one network in some ways."""
    place.mkdir(parents=True, exist_ok=True)
    found = _exported(worker, name, place, ways)
    yield "export", found
    if "unbuilt" in found:
        return
    ways = [way for way in ways if way.partition(">")[0] not in found["failed"]]
    written: Found = {}
    needed = [way for way in ways if ">" in way] + [f"pt2>{way[5:]}" for way in BACK if way in ways]
    for way in dict.fromkeys(needed):
        entry = way.partition(">")[0]
        written[way] = torch_convert.measured(place / FILES[entry], place / file_of(way))
    refused = {way for way, one in written.items() if not {"refused", "failed"}.isdisjoint(one)}
    refused |= {way for way in BACK if f"pt2>{way[5:]}" in refused}
    for way in [way for way in ways if way in refused]:
        yield way, written[way.replace("back:", "pt2>")]
    for way, one in _checked(worker, place, [way for way in ways if way not in refused]):
        kept_of = {key: value for key, value in written.get(way, {}).items() if key not in ("inputs", "outputs")}
        yield way, {**kept_of, **one}


def _exported(worker: Worker, name: str, place: Path, ways: list[str]) -> dict[str, Any]:
    """Once for all ways."""
    entries = [entry for entry in FILES if "same" in ways or any(way.startswith(f"{entry}>") for way in ways)]
    said = place / "exported.json"
    if said.exists() and all((place / FILES[entry]).exists() for entry in entries):
        code = 0
    else:
        code = worker.do("export", name, str(place), *entries)
    found = json.loads(said.read_text()) if said.exists() else {"failed": f"ended with code {code}"}
    return {"unbuilt": found["failed"]} if isinstance(found["failed"], str) else found


def _checked(worker: Worker, place: Path, ways: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a process says of ways, and of the one at which it ended; it is started again for the others."""
    lines = place / "lines.jsonl"
    while ways:
        lines.unlink(missing_ok=True)
        code = worker.do("check", str(place), *ways)
        rows = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
        yield from ((row.pop("way"), row) for row in rows)
        if len(rows) < len(ways):
            yield ways[len(rows)], {"failed": f"ended with code {code}"}
        ways = ways[len(rows) + 1 :]


def _said(way: str, found: dict[str, Any]) -> str:
    """One way in a word or two."""
    if ">" in way:
        word = outcome(found)
        return f"{way} {word} {found['error']:.0e} ({found['left']})" if "error" in found else f"{way} {word}"
    if way == "same":
        return " ".join(f"{kind} {found[kind]['outcome']}" for kind in torch_ways.WAYS if kind in found)
    if way in BACK and "equal" in found:
        return f"{way} {found['equal']} of {found['read']}"
    return f"{way} {next(iter(found))}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="networks whose names match")
    parser.add_argument("--ways", default="", help="ways that match, such as 'pt2>py'")
    parser.add_argument("--again", default="", help="what was found and is to be done again, such as wrong")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no network after so long")
    parser.add_argument("--keep", action="store_true", help="keep the files of each network: 1 GB for the largest")
    parser.add_argument("--pages", type=Path, help="the folder of the pages to write")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(_ALONE)
    start, worker = time.time(), None
    for name in [name for name in torch_page.names() if re.search(options.only, name)]:
        ways = missing(known(options.folder).get(name, {}), options.ways, options.again)
        if not ways or time.time() - start > options.seconds:
            continue
        worker = worker or Worker(sys.executable, "benchmarks.torch_worker")
        since, place = time.time(), options.folder / re.sub(r"\W+", "-", name)
        print(name, flush=True)
        for way, found in measure(worker, name, place, ways):
            kept(options.folder, name, way, found)
            print(f"  {_said(way, found)}", flush=True)
        print(f"  [{time.time() - since:.0f} s]", flush=True)
        if not options.keep:
            shutil.rmtree(place)
    if options.pages:
        found = known(options.folder)
        kept_beside = options.folder / "beside.jsonl"
        rows = kept_beside.read_text().splitlines() if kept_beside.exists() else []
        (options.pages / "zoo.md").write_text(torch_page.page(found, [*map(json.loads, rows)]), encoding="utf-8")
        (options.pages / "torch-ways.md").write_text(torch_page.ways_page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
