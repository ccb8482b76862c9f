"""The page of `benchmarks.onnx_ways`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

_HEAD = """# Networks by way of ONNX

Printed by `python -m benchmarks.onnx_ways`: what irconv reads from a network's own file, beside what it reads of the
same network from ONNX. Types of layers are counted at every place where a layer is called, without those that only
training needs and without identities; arithmetic is raised to layers on both sides.
"""


def page(found: Mapping[str, Any]) -> str:
    """All tables of what was found."""
    parts = {"applications": _applications, "golden": _golden, "exporters": _exporters}
    text = [_HEAD, *("\n".join(make(found[name])) + "\n" for name, make in parts.items() if found.get(name))]
    return "\n".join(text)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "-"


def _applications(rows: Mapping[str, Any]) -> Iterator[str]:
    same = sum(row["outcome"] == "same" for row in rows.values())
    yield "## `keras.applications` through the ONNX that irconv writes\n"
    size = "images of 64 x 64 (75 x 75 where that is the least)"
    yield f"Random weights, {size}: the same in {same} of the {len(rows)} run.\n"
    yield "| architecture | layers | more by ONNX | less by ONNX | weights bit for bit |"
    yield "| --- | --- | --- | --- | --- |"
    for name, row in rows.items():
        if "weights" not in row:
            yield f"| {name} | {row['outcome']}: {row.get('why', '')} |  |  |  |"
            continue
        equal, count = row["weights"]
        yield f"| {name} | {row['outcome']} | {_listed(row['more'])} | {_listed(row['less'])} | {equal} of {count} |"


def _golden(rows: Mapping[str, Any]) -> Iterator[str]:
    outcomes = Counter(row["outcome"] for row in rows.values() if row["outcome"] != "unread")
    yield "## Keras' golden files through the ONNX that irconv writes\n"
    others = f"{outcomes['differs']} others, {outcomes['refused']} ONNX cannot say"
    yield f"{outcomes['same']} of {outcomes.total()} models that were run have the same layers, {others}."
    yield "ONNX has no op for some layers of Keras, which are written as arithmetic: these are what differs, by type.\n"
    lost: Counter[str] = Counter()
    for row in rows.values():
        lost.update(row.get("less", {}).keys())
    yield "| layer of Keras that comes back as others | models |"
    yield "| --- | --- |"
    yield from (f"| {kind} | {count} |" for kind, count in sorted(lost.items(), key=lambda pair: (-pair[1], pair[0])))
    short = {name: row for name, row in rows.items() if row.get("weights", [0, 0])[0] < row.get("weights", [0, 0])[1]}
    yield f"\nAll weights come back bit for bit in {outcomes['same'] + outcomes['differs'] - len(short)} of them."
    if short:
        yield "The others hold some in another arrangement:\n"
        yield "| model | weights bit for bit | less by ONNX |"
        yield "| --- | --- | --- |"
        for name, row in short.items():
            yield f"| {name} | {row['weights'][0]} of {row['weights'][1]} | {_listed(row['less'])} |"


def _exporters(rows: Mapping[str, Any]) -> Iterator[str]:
    yield "## PyTorch's networks through its two exporters\n"
    yield "Beside the exported program (`.pt2`), norms folded on all sides (`--fold-bn`). *statements*: of all"
    yield "`forward` in `m.py`, from the program, TorchScript's exporter (opset 17) and the dynamo exporter; *weights*"
    yield "is the largest difference of any weight from its counterpart, beside its largest element; first of the"
    yield "program's, then between the two exporters. *error*: of all three, beside PyTorch's own numbers.\n"
    yield "| network | more by TorchScript | less | more by dynamo | less | statements | weights | error |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for name, row in rows.items():
        pairs, spent = row["pairs"], row["statements"]
        cells = []
        for way in ("script", "dynamo"):
            cells += [_listed(pairs[f"program {way}"]["more"]), _listed(pairs[f"program {way}"]["less"])]
        counts = " / ".join(str(spent[way]) for way in ("program", "script", "dynamo"))
        far = [max(pairs[pair]["weights"], default=0.0) for pair in ("program script", "script dynamo")]
        weights = " / ".join(f"{value:.0e}" for value in far)
        errors = max(row["error"].values())
        yield f"| {name} | {' | '.join(cells)} | {counts} | {weights} | {errors:.0e} |"
