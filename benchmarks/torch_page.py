"""The pages of `torch_zoo`: what became of each network, what it cost, and what is not right."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks import torch_ways

RIGHT = 1e-4
"""The largest difference from PyTorch's own output over the largest value of it that counts as right."""
TARGETS = ("onnx", "py", "keras", "pb")
CONVERSIONS = (
    *(f"pt2>{target}" for target in TARGETS), "trace>onnx", "script exporter>onnx", "script exporter>py",
    "dynamo exporter>onnx", "dynamo exporter>py",
)  # fmt: skip
_WORDS = ("right", "wrong", "refused", "failed", "not exported")

Found = Mapping[str, Mapping[str, Any]]

_ABOUT = """# Networks of torchvision, timm and transformers

Printed by `make zoo-torch`: torchvision 0.28.0, timm 1.0.31, transformers 5.23.0 and some of its own with random
weights and statistics, on the smallest inputs that they take, exported by PyTorch 2.13 as `.pt2`, traced, and written
as ONNX by both of its exporters.

* An entry is the largest difference from PyTorch's own output over its largest value, and in brackets how many
  transposes were written. Up to 1e-04 is *right*. ONNX runs in onnxruntime, PyTorch source in PyTorch, `.keras` in
  Keras 3 on TensorFlow, `.pb` in TensorFlow.
* *refused*: irconv says by name what it does not carry over, and writes nothing. *failed*: anything else. *not
  exported*: PyTorch does not write this file of the network.
* No file holds an op that is left as it was for want of a rule: what has none is refused.
* Trees of boxes, which detectors make of what their heads give, are outside: backbone and head are converted.
* Whether the four files of a network are one model to irconv has [a page of its own](torch-ways.md).
"""
_COSTS = """## What it costs, and what is kept

* *transposes of its own*: how often the program itself permutes or transposes, beside the four numbers in brackets
  above.
* *CPU* (seconds) and *MB* (resident at most): of a process that converts `.pt2` to ONNX / PyTorch source / Keras /
  TensorFlow, without the half second in which Python starts; about 60 MB of it is Python.
* *statements*: those in every `forward` of the emitted source.
* *keys*: parameters and buffers that an output depends on, which are under their own key bit for bit in the source
  that was written of `.pt2`, and in that which came back through ONNX and through Keras (*merged*: with `--merge`, as
  it is refused without). What is missing is listed below; `num_batches_tracked`, position ids and what else no output
  depends on is not counted.
* *gradients*: of one step in evaluation mode, how far those of the emitted source are from the program's at most, over
  the largest of the same tensor. Gradients of BatchNorm are given contiguous ones on both sides: PyTorch 2.13 computes
  wrong ones on a CPU for a batch of one where they come as from a transpose.
"""


_BESIDE = """## Beside other tools

Printed by `make zoo-beside` and `make zoo-torch`: to TensorFlow by irconv (`.pt2` to `.keras`), by
nobuco 0.17.0 (the module itself, with Keras 2.15 and TensorFlow 2.15, the last that it works with) and by onnx2tf
1.29.24 (the ONNX file of PyTorch's TorchScript exporter, to a SavedModel of TensorFlow 2.19). An entry is the error as
above, the `Transpose` ops of the whole TensorFlow graph that the file makes (what Keras' own LSTM and attention do
inside counts, too), how many tensors can be trained, CPU seconds, and MB of memory at most with what was imported for
it. *unsaved*: right or wrong in memory, but what was saved of it is not loaded again. Errors are of the axes that fit
best.

What this is not: each conversion has 300 seconds, all in, on a core that others share, and onnx2tf has what it wants to
fetch from the network, photographs to compare values on, replaced by random numbers of the same shape. *failed* with
code -14 says that the time was over, not that the tool cannot do it; with its own data, more time or another version it
may do better than here.
"""


def names() -> tuple[str, ...]:
    """The networks, in order."""
    from benchmarks.torch_networks import NETWORKS

    return tuple(NETWORKS)


def outcome(found: Mapping[str, Any]) -> str:
    """``right``, ``wrong``, ``refused`` or ``failed``."""
    for word in ("refused", "failed"):
        if word in found:
            return word
    return "right" if found["error"] <= RIGHT else "wrong"


def page(known: Mapping[str, Found], beside: Sequence[Mapping[str, Any]]) -> str:
    """All tables, with what they add up to; `beside` is what other tools made of some."""
    built = {name: known[name] for name in names() if any(">" in way for way in known.get(name, ()))}
    not_built = [f"* {n}: {_plain(known[n]['export']['unbuilt'])}" for n in names() if _unbuilt(known.get(n, {}))]
    counts = Counter((way, _cell(found, way)[1]) for found in built.values() for way in CONVERSIONS)
    summary = [[way.replace(">", " to "), *(str(counts[way, word]) for word in _WORDS)] for way in CONVERSIONS]
    rows = [[name, _size(found), *(_cell(found, way)[0] for way in CONVERSIONS)] for name, found in built.items()]
    unlike = [line for name, found in built.items() for line in _unlike(name, found)]
    lines = [_ABOUT, f"{len(built)} networks.", "", *table(["from and to", *_WORDS], summary), ""]
    lines += [*table(["network", "parameters", *(way.replace(">", " to ") for way in CONVERSIONS)], rows), ""]
    lines += ["## What is not right", "", *(unlike or ["Nothing."]), ""]
    if not_built:
        lines += ["What PyTorch does not export at all:", "", *not_built, ""]
    return "\n".join([*lines, _COSTS, *_totals(built), "", *_costs(built), "", *_keys(built), *_beside(beside)])


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of Markdown."""
    return [_line(head), _line(["---"] * len(head)), *map(_line, rows)]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _unbuilt(found: Found) -> bool:
    return "unbuilt" in found.get("export", {})


def _size(found: Found) -> str:
    return f"{found.get('export', {}).get('parameters', 0) / 1e6:.2f} M"


def _cell(found: Found, way: str) -> tuple[str, str]:
    """An error with the transposes left, or a word; and the outcome, empty where it was not tried."""
    if way.partition(">")[0] in found.get("export", {}).get("failed", {}):
        return "not exported", "not exported"
    if way not in found:
        return "", ""
    one = found[way]
    word = outcome(one)
    return (f"{one['error']:.0e} ({one['left']})" if word == "right" else word), word


def _unlike(name: str, found: Found) -> list[str]:
    """What is not right of a network, with the reason."""
    cells = [(way, _cell(found, way)[1]) for way in CONVERSIONS]
    lines = [f"* {name}, {way.replace('>', ' to ')}: {word}: {_reason(found[way])}" for way, word in cells
             if word in ("wrong", "refused", "failed")]  # fmt: skip
    failed = found.get("export", {}).get("failed", {})
    return lines + [f"* {name}, {way}: not exported: {_plain(why)}" for way, why in failed.items()]


def _reason(one: Mapping[str, Any]) -> str:
    return _plain(one["refused"][0] if "refused" in one else one.get("failed") or f"differs by {one['error']:.0e}")


def _plain(text: str) -> str:
    """On one line, without the folders that files happen to be in."""
    return re.sub(r"\s+", " ", re.sub(r"(?<![\w.])/\S*/(?=[\w.-]+)", "", text)).replace("|", "/").strip()[:240]


def _totals(built: Mapping[str, Found]) -> list[str]:
    """What the columns add up to."""
    return [
        f"* Keys bit for bit: {_kept(built, lambda f: f.get('pt2>py', {}).get('state'))} in the source that is "
        f"written of `.pt2`, {_kept(built, lambda f: f.get('back:onnx'))} through ONNX, "
        f"{_kept(built, lambda f: f.get('back:keras'))} through Keras.",
        f"* Gradients: {_agreeing(built)}",
    ]


def _kept(built: Mapping[str, Found], chosen: Callable[[Found], Any]) -> str:
    states = [state for found in built.values() if (state := chosen(found)) and "equal" in state]
    whole = sum(state["equal"] == state["read"] for state in states)
    return f"all of {whole} of {len(states)} networks"


def _agreeing(built: Mapping[str, Found]) -> str:
    found = [one["pt2>py"]["gradients"] for one in built.values() if "gradients" in one.get("pt2>py", {})]
    near = sum(one["error"] <= RIGHT and not one["missing"] for one in found)
    exact = sum(one["error"] == 0 and not one["missing"] for one in found)
    return f"{near} of {len(found)} networks to {RIGHT:.0e}, {exact} of them bit for bit."


def _costs(built: Mapping[str, Found]) -> list[str]:
    head = ["network", "transposes of its own", "layers", "CPU", "MB", "statements", "keys", "keys through ONNX",
            "keys through Keras", "gradients"]  # fmt: skip
    return table(head, [row for name, found in built.items() if (row := _cost(name, found))])


def _cost(name: str, found: Found) -> list[str]:
    ways = [found.get(f"pt2>{target}", {}) for target in TARGETS]
    if not any("cpu" in way for way in ways):
        return []
    cpu, peak = (" / ".join(str(way.get(kind, "-")) for way in ways) for kind in ("cpu", "peak"))
    source = found.get("pt2>py", {})
    steps = source.get("gradients")
    shown = (
        ""
        if steps is None
        else f"{steps['error']:.0e}" + (f", {len(steps['missing'])} missing" * bool(steps["missing"]))
    )
    states = [_state(state) for state in (source.get("state"), found.get("back:onnx"), found.get("back:keras"))]
    states[2] += ", merged" * bool(states[2] and found.get("pt2>keras", {}).get("merge"))
    turns = str(found.get("export", {}).get("turns", ""))
    return [name, turns, str(ways[0].get("layers", "")), cpu, peak, str(source.get("statements", "")), *states, shown]


def _state(state: Mapping[str, Any] | None) -> str:
    if state is None:
        return ""
    return f"{state['equal']} of {state['read']}" if "equal" in state else outcome(state)


def _keys(built: Mapping[str, Found]) -> list[str]:
    """The keys that are not there, by name."""
    lines = []
    for name, found in built.items():
        for how, state in (("", found.get("pt2>py", {}).get("state")), (" through ONNX", found.get("back:onnx")),
                           (" through Keras", found.get("back:keras"))):  # fmt: skip
            if state and (state.get("missing") or state.get("unequal")):
                parts = [f"{kind} {listed(state[kind])}" for kind in ("missing", "unequal", "more") if state[kind]]
                lines.append(f"* {name}{how}: {'; '.join(parts)}")
    return ["### Keys that are not there", "", *(lines or ["None."]), ""]


def listed(keys: list[str]) -> str:
    """Keys by name, those that differ in a number as one."""
    kinds = Counter(re.sub(r"(?<![\w])\d+(?![\w])", "*", key) for key in keys)
    named = [f"`{kind}`" + (f" ({count})" if count > 1 else "") for kind, count in kinds.items()]
    return ", ".join(named[:12] + ([f"and {len(named) - 12} kinds more"] if len(named) > 12 else []))


def _beside(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Other tools beside irconv, and what is not right with them."""
    if not rows:
        return []
    found = {(row["network"], row["tool"]): row for row in rows}
    networks, tools = (list(dict.fromkeys(row[key] for row in rows)) for key in ("network", "tool"))
    tools.sort(key=lambda tool: tool != "irconv")
    counts = Counter((tool, _verdict(row)) for (_, tool), row in found.items())
    words = ("right", "unsaved", "wrong", "failed")
    summary = [[tool, *(str(counts[tool, word]) for word in words), *_sums(tool, found)] for tool in tools]
    cells = [[name, *(_beside_cell(found.get((name, tool))) for tool in tools)] for name in networks]
    unlike = [f"* {name}, {tool}: {_verdict(row)}: {_why(row)}" for (name, tool), row in found.items()
              if _verdict(row) != "right"]  # fmt: skip
    head = ["tool", *words, "transposes", "CPU", "largest MB"]
    return [*_BESIDE.splitlines(), "", *table(head, summary), "", *table(["network", *tools], cells), "", *unlike, ""]


def _sums(tool: str, found: Mapping[tuple[str, str], Mapping[str, Any]]) -> list[str]:
    """Of what a tool writes right: transposes and CPU in all, and the largest memory."""
    right = [row for (_, by), row in found.items() if by == tool and "error" in row and row["error"] <= RIGHT]
    peak = max((row["peak"] for row in right if "peak" in row), default=0)
    return [str(sum(row["left"] for row in right)), f"{sum(row.get('cpu', 0) for row in right):.0f}", str(peak)]


def _verdict(row: Mapping[str, Any]) -> str:
    if "error" not in row:
        return "failed"
    return "wrong" if not row["error"] <= RIGHT else "unsaved" if "unloaded" in row else "right"


def _beside_cell(row: Mapping[str, Any] | None) -> str:
    if row is None or "error" not in row:
        return "" if row is None else "failed"
    word = _verdict(row)
    cost = f"{row['cpu']} s, {row['peak']} MB" if "cpu" in row else ""
    said = f"{word} " * (word != "right") + f"{row['error']:.0e} ({row['left']}), {row['trainable']} trainable"
    return f"{said}, {cost}" if cost else said


def _why(row: Mapping[str, Any]) -> str:
    return _plain(
        str(row.get("unloaded") or row.get("failed") or row.get("refused") or f"differs by {row['error']:.0e}")
    )


def ways_page(known: Mapping[str, Found]) -> str:
    """The page that compares the ways of each network."""
    rows = {}
    for name in names():
        found = known.get(name, {})
        if "same" not in found:
            continue
        failed = found.get("export", {}).get("failed", {})
        lost = {way: {"outcome": "not exported", "why": _plain(why)} for way, why in failed.items()}
        rows[name] = {**found["same"], **lost}
    return torch_ways.page(rows)
