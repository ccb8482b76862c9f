"""The page of `benchmarks.onnx_ways`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

_HEAD = """# Networks by way of ONNX

Printed by `python -m benchmarks.onnx_ways`: what irconv reads from a network's own file, beside what it reads of the
same network from ONNX. Types of layers are counted at every place where a layer is called, without those that only
training needs and without identities, and a number that is written in the graph once, however often that is. On both
sides arithmetic is raised to layers, and what depends on constants alone is computed (`--merge`), as exporters do it.
"""
_BFLOAT16 = "ONNX's operators are computed in float32 between casts, as runtimes lack most of them in bfloat16"
_WHY = {
    "keras3.15-mixed_bfloat16/model.h5": _BFLOAT16,
    "tf2.15-mixed_bfloat16/model.h5": _BFLOAT16,
    "torch213-bug-in-stats dynamo.onnx": "the file has the running statistics once for every sample of its batch",
    "torch213-bug-mask-put-1 opset17.onnx": "places where a mask holds, written to as PyTorch 2.13 does it for masks: "
    "as many as are found when it runs",
    "torch213-bug-mha-masks opset17.onnx": "the exporter scales queries and keys by the root of the scale each, in "
    "three axes, where no layer is found",
    "torch213-bug-slice-write-1 opset17.onnx": "one scatter into parts of three axes at once, which stays one",
    "torch213-bug-slice-write-2 dynamo.onnx": "the exporter turns the value once for three writes, and all is computed "
    "of it as it is then",
    "torch213-mobile-norms dynamo.onnx": "the file has the running statistics once for every sample of its batch, and "
    "a PRelu of one slope as LeakyRelu",
}
"""Model, or network and file -> why its layers differ."""


def page(found: Mapping[str, Any]) -> str:
    """All tables of what was found."""
    parts = {"applications": _applications, "golden": _golden, "exporters": _exporters, "both": _both, "costs": _costs}
    text = [_HEAD, *("\n".join(make(found[name])) + "\n" for name, make in parts.items() if found.get(name))]
    return "\n".join(text)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "-"


def _applications(rows: Mapping[str, Any]) -> Iterator[str]:
    same = sum(row["outcome"] == "same" for row in rows.values())
    yield "## `keras.applications` through the ONNX that irconv writes\n"
    size = "images of 64 x 64 (75 x 75 where that is the least)"
    equal = sum(row["weights"][0] == row["weights"][1] for row in rows.values() if "weights" in row)
    yield f"Random weights, {size}: the same layers in {same} of {len(rows)}, all"
    yield f"weights bit for bit in {equal}.\n"
    yield "| architecture | layers | more by ONNX | less by ONNX | weights bit for bit |"
    yield "| --- | --- | --- | --- | --- |"
    for name, row in rows.items():
        if "weights" not in row:
            yield f"| {name} | {row['outcome']}: {row.get('why', '')} |  |  |  |"
            continue
        equal, count = row["weights"]
        yield f"| {name} | {row['outcome']} | {_listed(row['more'])} | {_listed(row['less'])} | {equal} of {count} |"


def _golden(rows: Mapping[str, Any]) -> Iterator[str]:
    read = {name: row for name, row in rows.items() if row["outcome"] != "unread"}
    outcomes = Counter(row["outcome"] for row in read.values())
    yield "## Keras' golden files through the ONNX that irconv writes\n"
    others = f"{outcomes['differs']} others, {outcomes['refused']} ONNX cannot say"
    yield f"{outcomes['same']} of {outcomes.total()} models have the same layers, {others}."
    yield "Layers that ONNX has no op for are noted in the file, and come back where its ops prove it."
    told = sum(row.get("told", False) for row in read.values())
    whole = sum(row["weights"][0] == row["weights"][1] for row in read.values() if "weights" in row)
    yield f"All weights come back bit for bit in {whole}. In {told} models weights are cast or put together"
    yield "while they are written, which `convert` tells; there they are compared as they are then.\n"
    yield "| model | more by ONNX | less by ONNX | weights bit for bit | why |"
    yield "| --- | --- | --- | --- | --- |"
    for name, row in read.items():
        if row["outcome"] == "refused":
            yield f"| {name} | refused: {row['why']} |  |  |  |"
        elif row["outcome"] == "differs" or row["weights"][0] < row["weights"][1]:
            weights = f"{row['weights'][0]} of {row['weights'][1]}"
            yield f"| {name} | {_listed(row['more'])} | {_listed(row['less'])} | {weights} | {_WHY.get(name, '')} |"


def _exporters(rows: Mapping[str, Any]) -> Iterator[str]:
    yield "## PyTorch's networks through its two exporters\n"
    yield "Beside the exported program (`.pt2`), norms folded on all sides (`--fold-bn`). *statements*: of all"
    yield "`forward` in the `m.py` that `convert` writes without options, from the program, TorchScript's exporter"
    yield "(opset 17) and the dynamo exporter; *weights* is the largest difference of any weight from its counterpart,"
    yield "beside its largest element; first of the program's, then between the two exporters. *error*: of all three,"
    yield "beside PyTorch's own numbers.\n"
    alike = [row["pairs"]["script dynamo"] for row in rows.values()]
    same = sum(not pair["more"] and not pair["less"] for pair in alike)
    close = sum(max(pair["weights"], default=0.0) <= 1e-6 for pair in alike if not pair["more"] and not pair["less"])
    yield f"Both exporters give the same layers in {same} of {len(rows)} networks, and in {close} of these every weight"
    yield "within 1e-6.\n"
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


def _both(rows: Mapping[str, Any]) -> Iterator[str]:
    files = [found for row in rows.values() for found in row["files"].values()]
    same = sum("why" not in found and not found["more"] and not found["less"] for found in files)
    yield "## Networks that exist as ONNX and in their own format\n"
    yield f"Norms folded on both sides. {same} of {len(files)} files have the same layers as their network's own"
    yield "file; the others:\n"
    yield "| network | own file | ONNX | more by ONNX | less by ONNX | why |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, row in rows.items():
        if "why" in row:
            yield f"| {name} | {row['own']} | its own file is refused: {row['why']} |  |  |  |"
        for file, found in row["files"].items():
            if "why" in found:
                yield f"| {name} | {row['own']} | {file} | refused: {found['why']} |  |  |"
            elif found["more"] or found["less"]:
                counts = f"{_listed(found['more'])} | {_listed(found['less'])}"
                yield f"| {name} | {row['own']} | {file} | {counts} | {_WHY.get(f'{name} {file}', '')} |"


def _costs(rows: Mapping[str, Any]) -> Iterator[str]:
    yield "## What it costs\n"
    yield "Whole commands on a machine of 2 cores that is shared with others; the least of five runs each: processor"
    yield "seconds of the command, and its largest resident memory.\n"
    yield "| | seconds | MB |"
    yield "| --- | --- | --- |"
    for name, row in rows.items():
        yield f"| {name} | {row['cpu']:.1f} | {row['peak']:.0f} |"
