"""Trained networks from published packages, converted and run beside the file itself in onnxruntime.

    python -m benchmarks.wild build/wild [--only REGEX] [--page docs/wild.md]

Takes the archives in ``build/wild/packages`` (``make zoo-wild`` puts them there), converts each model of `wild_models`
by the command, in a process of its own that has 6 GB, and compares what the result computes with what onnxruntime
computes of the file, on random inputs of two sizes where the file leaves sizes open. What was found stands in
``build/wild/found.json``, of which ``--page`` makes the table.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tarfile
import traceback
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.processes import Failed, measured
from benchmarks.torch_page import RIGHT
from benchmarks.torch_runs import RUNS, error_of, turned
from benchmarks.wild_models import MODELS, Model, written

TARGETS = ("onnx", "py", "keras")
_LIMITED = 'ulimit -v 6000000; exec "$0" "$@"'

_ABOUT = """# Trained networks from packages

Made by `make zoo-wild`: the ONNX files that {packages} packages of PyPI and npm ship, converted by `irconv convert` in
a process that has 6 GB. A cell is the largest difference from what onnxruntime computes of the file itself, over its
largest value (over 0.01 where that is less), on random inputs (a word in black on white for what finds text, as noise
holds none), two sizes where the file leaves sizes open; in brackets the transposes in what was written; then
processor seconds and MB of the command.

* What the command is told besides, such as inputs and sizes by which branches are taken, stands behind the file.
* A quantised file, marked *q*, is right within one step of 8 bits, as what rounds differs by single steps.
* *refused*: irconv says by name what it does not carry over, and writes nothing; the reasons stand below.

{right} of {cells} are right, {refused} are refused, {wrong} are wrong.
"""
_STEP = 1 / 127


def main() -> int:
    """Convert and compare what is asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--targets", default=",".join(TARGETS))
    parser.add_argument("--judge", help=argparse.SUPPRESS)
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    if given.judge:
        model = next(model for model in MODELS if _slug(model) == given.judge)
        print(json.dumps(judged(model, given.folder / given.judge, given.targets.split(","))))
        return 0
    place = given.folder / "found.json"
    for model in MODELS:
        if not re.search(given.only, _key(model)) or not (file := unpacked(model, given.folder)):
            continue
        known = json.loads(place.read_text()) if place.exists() else {}
        known[_key(model)] = known.get(_key(model), {}) | measure(model, file, given.folder, given.targets.split(","))
        place.write_text(json.dumps(known, indent=1))
        print(_key(model), " ".join(f"{to}: {_cell(known[_key(model)], to)}" for to in TARGETS), flush=True)
    known = json.loads(place.read_text())
    if given.page:
        given.page.write_text(page(known), encoding="utf-8")
    ways = [(found, way) for found in known.values() for way in _ways(found).values()]
    return int(any(_judgement(found, way) == "wrong" for found, way in ways))


def _ways(found: dict[str, Any]) -> dict[str, Any]:
    return {target: found[target] for target in TARGETS if target in found}


def _judgement(found: dict[str, Any], way: dict[str, Any]) -> str:
    """Right, refused or wrong, as what cannot be run is."""
    if "refused" in way:
        return "refused"
    return "right" if way.get("error", 1) <= (_STEP if found.get("quantised") else RIGHT) else "wrong"


def _key(model: Model) -> str:
    return f"{model.package}: {model.name}"


def _slug(model: Model) -> str:
    return re.sub(r"\W+", "-", _key(model))


def unpacked(model: Model, folder: Path) -> Path | None:
    """The model's file, taken out of its archive; None where that is not there."""
    to = folder / _slug(model) / "source.onnx"
    if to.exists():
        return to
    archive = next(iter(sorted((folder / "packages").glob(f"{model.package}-*"))), None)
    if archive is None:
        print(f"{model.package}: not in {folder / 'packages'}")
        return None
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            content = wheel.read(next(name for name in wheel.namelist() if name.endswith(f"/{model.member}")))
    else:
        with tarfile.open(archive) as package:
            found = package.extractfile(next(name for name in package.getnames() if name.endswith(f"/{model.member}")))
            assert found is not None
            content = found.read()
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(content)
    return to


def measure(model: Model, file: Path, folder: Path, targets: list[str]) -> dict[str, Any]:
    """What became of one file in each format."""
    found: dict[str, Any] = {"quantised": b"QuantizeLinear" in file.read_bytes()}
    for target in targets:
        to = file.with_name(f"m.{target}")
        flags = [*(f"--fix={name}={value}" for name, value in model.fix.items()), *model.flags]
        command = [sys.executable, "-m", "irconv", "convert", str(file), str(to), "--force", "--quiet", *flags]
        report = subprocess.run(["sh", "-c", _LIMITED, *command, "--json"], capture_output=True, text=True, check=False)
        if report.returncode == 3:
            reasons = json.loads(report.stdout)["reasons"]
            found[target] = {"refused": [f"{r['where']}: {r['what']}. {r['remedy']}" for r in reasons]}
            continue
        if report.returncode:
            found[target] = {"failed": report.stderr[-2000:]}
            continue
        to.with_suffix(f".{target}.json").write_text(report.stdout)
        try:
            run = measured(["sh", "-c", _LIMITED, *command])
        except Failed as error:
            found[target] = {"failed": str(error)}
            continue
        found[target] = {"cpu": run.cpu, "mb": run.peak, "told": report.stderr.splitlines()}
    if written := [target for target, way in _ways(found).items() if "cpu" in way]:
        command = [sys.executable, "-m", "benchmarks.wild", str(folder), "--judge", _slug(model)]
        command += ["--targets", ",".join(written)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        results = json.loads(ended.stdout.splitlines()[-1]) if ended.returncode == 0 else {}
        for target in written:
            found[target] |= results.get(target, {"failed": ended.stderr[-2000:]})
    return found


def judged(model: Model, folder: Path, targets: list[str]) -> dict[str, Any]:
    """How far what was written is from the file itself, both run here."""
    runs = [(given, *_wanted(model, folder / "source.onnx", given)) for given in _inputs(model)]
    found: dict[str, Any] = {}
    for target in targets:
        ports = json.loads((folder / f"m.{target}.json").read_text())["ports"]
        ins, outs = (
            [(p["name"], p["source_axes"], p["axes"]) for p in ports if p["kind"] == kind]
            for kind in ("input", "output")
        )
        try:
            worst, left = 0.0, 0
            for given, names, wanted in runs:
                arrays = turned([given[name] for name, _, _ in ins], ins, True)
                results, left = RUNS[target](folder / f"m.{target}", arrays, names)
                worst = max(worst, *map(_error, turned(results, outs, False), wanted))
            found[target] = {"error": worst, "left": left}
        except Exception as error:  # noqa: BLE001, what fails is a row of the table
            trace = traceback.format_exc().strip().splitlines()[-6:]
            found[target] = {"failed": f"{type(error).__name__}: {error}"[:600], "trace": trace}
    return found


def _error(got: Any, want: Any) -> float:
    """Of one output; of one whose values are all tiny, such as a map without any text, over 0.01. What the file gives
    as NaN, as for atoms that are masked out, has to be NaN."""
    if got.shape == want.shape and np.isnan(want).any() and (np.isnan(got) == np.isnan(want)).all():
        got, want = got[~np.isnan(want)], want[~np.isnan(want)]
    largest = float(np.abs(want).max(initial=0))
    return error_of([got], [want]) * min(1.0, (largest or 1) / 1e-2)


def _inputs(model: Model) -> list[dict[str, Any]]:
    """Random inputs of each run, or images of a word."""
    if model.word:
        return [{name: written(model.word, shape) for name, shape in shapes.items()} for shapes in model.runs]
    random = np.random.default_rng(11)
    return [
        {name: random.uniform(*model.values.get(name, (-1, 1)), shape) for name, shape in shapes.items()}
        for shapes in model.runs
    ]


def _wanted(model: Model, file: Path, given: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """What onnxruntime computes of the file; the inputs get the types that it takes."""
    import onnxruntime

    types = {"float": np.float32, "int64": np.int64, "int32": np.int32, "bool": np.bool_}
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    fed = dict[str, Any]()
    for port in session.get_inputs():
        dtype = types[port.type[7:-1]]
        if port.name in model.fix:
            fed[port.name] = np.array(model.fix[port.name], dtype)
        else:
            array = given[port.name]
            fed[port.name] = given[port.name] = array > 0 if dtype is np.bool_ else array.astype(dtype)
    return [port.name for port in session.get_outputs()], session.run(None, fed)


def _cell(found: dict[str, Any], target: str) -> str:
    way = found.get(target)
    if way is None:
        return ""
    judgement = _judgement(found, way)
    if "error" not in way:
        return "refused" if judgement == "refused" else "failed"
    word = "" if judgement == "right" else "wrong: "
    return f"{word}{way['error']:.0e} ({way['left']}), {way['cpu']:.1f} s, {way['mb']:.0f} MB"


def page(known: dict[str, Any]) -> str:
    """The table, and the reasons of what is not right."""
    judged = Counter(_judgement(found, way) for found in known.values() for way in _ways(found).values())
    packages = {name.partition(":")[0] for name in known}
    counts = {word: judged[word] for word in ("right", "refused", "wrong")}
    lines = [
        _ABOUT.format(packages=len(packages), cells=sum(judged.values()), **counts),
        "| package | file | ONNX | `m.py` | `.keras` |",
        "| --- | --- | --- | --- | --- |",
    ]
    unlike = []
    for model in MODELS:
        if (found := known.get(_key(model))) is None:
            continue
        flags = [*(f"--fix {name}={value}" for name, value in model.fix.items()), " ".join(model.flags)]
        said = "".join(f" `{flag}`" for flag in flags if flag) + (" *q*" if found.get("quantised") else "")
        cells = " | ".join(_cell(found, target) for target in TARGETS)
        lines.append(f"| {model.package} | {model.member}{said} | {cells} |")
        for target, way in _ways(found).items():
            if why := way.get("refused", [way.get("failed", "")])[0]:
                text = re.sub(r"\s+", " ", why).replace("|", "/").replace("source.onnx: ", "")
                unlike.append(f"* {model.member}, {target}: {text[:300]}")
    return "\n".join([*lines, "", "## What is not right", "", *(unlike or ["Nothing."]), ""])


if __name__ == "__main__":
    sys.exit(main())
