"""The page of `torch_zoo`: what became of each network, and what is not right."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

RIGHT = 1e-4
"""The largest difference from PyTorch's own output over the largest value of it that counts as right."""
TARGETS = ("onnx", "py", "keras", "pb")

_ABOUT = """# Networks of torchvision, timm and transformers

Printed by `make zoo-torch`: torchvision 0.28.0, timm 1.0.31 and transformers 5.23.0 with
random weights and statistics, on the smallest inputs that they take, exported by PyTorch 2.13 as `.pt2` and traced.

* An entry is the largest difference from PyTorch's own output over its largest value, and in brackets how many
  transposes were written. Up to 1e-04 is *right*. ONNX runs in onnxruntime, PyTorch source in PyTorch, `.keras` in
  Keras 3 on TensorFlow, `.pb` in TensorFlow.
* *refused*: irconv says by name what it does not carry over, and writes nothing. *failed*: anything else.
* Trees of boxes, which detectors make of what their heads give, are outside: backbone and head are converted.
"""


def outcome(found: dict[str, Any]) -> str:
    """``right``, ``wrong``, ``refused`` or ``failed``."""
    for word in ("refused", "failed"):
        if word in found:
            return word
    return "right" if found["error"] <= RIGHT else "wrong"


def page(known: dict[str, Any]) -> str:
    """The table, with what it adds up to."""
    from benchmarks.torch_networks import NETWORKS

    rows, outcomes, unlike = [], Counter[tuple[str, str]](), []
    columns = [("pt2", target) for target in TARGETS] + [("script", "onnx")]
    for name in [name for name in NETWORKS if name in known and "unbuilt" not in known[name]]:
        cells = []
        for entry, target in columns:
            cell, outcome_of = _cell(known[name], entry, target)
            cells.append(cell)
            if outcome_of:
                outcomes[f"{entry} to {target}", outcome_of] += 1
            if outcome_of in ("refused", "failed", "wrong"):
                unlike.append(f"* {name}, {entry} to {target}: {_reason(known[name], entry, target)}")
        rows.append(f"| {name} | {known[name].get('parameters', 0) / 1e6:.2f} M | {' | '.join(cells)} |")
    totals = [f"{entry} to {target}" for entry, target in columns]
    words = ("right", "wrong", "refused", "failed")
    summary = [f"| {way} | {' | '.join(str(outcomes[way, word]) for word in words)} |" for way in totals]
    head = ["| from and to | " + " | ".join(words) + " |", "| --- | --- | --- | --- | --- |", *summary]
    table = ["| network | parameters | " + " | ".join(totals) + " |", "| --- | --- | " + "--- | " * len(totals), *rows]
    table[1] = table[1].rstrip()
    lines = [_ABOUT, *head, "", *table, "", "## What is not right", "", *(unlike or ["Nothing."]), "", *_returns(known)]
    return "\n".join(lines)


_RETURNED = """## State dicts after a way there and back

`.pt2` to ONNX, or to Keras with `--merge`, and from there to PyTorch source: how many tensors of the program's state
dict came back under their own key, bit for bit, but for `num_batches_tracked`. The rest is listed by name. What no
output needs (the pooler of a BERT whose states are read) is in none of the files; tables that are looked up by
constants, and what is computed of parameters alone, `--merge` computes.

| network | by way of | equal | missing | more | unequal |
| --- | --- | --- | --- | --- | --- |"""


def _returns(known: dict[str, Any]) -> list[str]:
    rows = [row for found in known.values() for row in found.get("returns", {}).values()]
    return [*_RETURNED.splitlines(), *rows, ""] if rows else []


def _cell(found: dict[str, Any], entry: str, target: str) -> tuple[str, str]:
    """An error with the transposes left, or a word; and the outcome, empty where it was not tried."""
    whole = found.get(entry)
    if whole is None:
        return "", ""
    one = whole if {"refused", "failed"} & whole.keys() else whole.get(target)
    if one is None:
        return "", ""
    word = outcome(one)
    return (f"{one['error']:.0e} ({one['left']})" if word == "right" else word), word


def _reason(found: dict[str, Any], entry: str, target: str) -> str:
    whole = found[entry]
    one = whole if {"refused", "failed"} & whole.keys() else whole[target]
    text = one["refused"][0] if "refused" in one else one.get("failed") or f"differs by {one['error']:.0e}"
    return re.sub(r"\s+", " ", re.sub(r"\S*/(?=[\w.]+: )", "", text)).replace("|", "/")[:200]
