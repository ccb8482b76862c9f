"""The tables of `irconv diff`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from irconv.diff.model import LayerDiff, Module, Report, SideFacts, TensorDiff

_STYLES = {
    "equal": "green",
    "close": "green",
    "changed": "yellow",
    "dtype": "magenta",
    "shape": "red",
    "renamed": "cyan",
    "folded": "blue",
    "missing": "red",
    "added": "red",
}
_VERDICTS = {"frozen": "green", "fine-tuned": "yellow", "replaced": "red", "folded": "blue", "renamed": "cyan"}
_MODULES = 40
"""Modules that are listed before only those that differ are."""


def print_report(
    report: Report, ignored: frozenset[str] = frozenset(), everything: bool = False, console: Console | None = None
) -> None:
    """Print what differs between two models, and with `everything` what does not."""
    console = console or Console()
    for label, facts in (("A", report.a), ("B", report.b)):
        console.print(_side(label, facts))
    for note in report.notes:
        console.print(_plain(note))
    console.print(_verdict(report, ignored))
    differing = report.differing(ignored)
    modules = [m for m in report.modules if m.path and (len(m.path) == 1 or m.verdict not in ("frozen", "uncompared"))]
    if any(entry.differs for entry in report.tensors) and len(modules) > 1:
        console.print(_modules(modules))
    tensors = [entry for entry in report.tensors if everything or entry in differing]
    layers = [entry for entry in report.layers if everything or entry in differing]
    if tensors:
        console.print(_tensors(tensors))
    if layers:
        console.print(_layers(layers))


def _side(label: str, facts: SideFacts) -> Text:
    made_by = " ".join(part for part in (facts.framework, facts.version) if part)
    graph = "" if facts.graph else ", no graph"
    counts = f"{facts.tensors} tensors, {facts.layers} {'layers' if facts.graph else 'groups'}"
    return Text.assemble((f"{label} ", "bold"), _plain(facts.path), f" ({made_by}{graph}; {counts})")


def _verdict(report: Report, ignored: frozenset[str]) -> Text:
    differing = report.differing(ignored)
    if not differing:
        close = sum("close" in entry.status for entry in report.tensors)
        within = f", {close} of them within the tolerance" if close else ""
        free = f", {', '.join(sorted(ignored))} not counted" if ignored else ""
        return Text(f"the same: {len(report.tensors)} tensors{within}{free}", "bold green")
    counts = Counter(
        (status, "layers" if isinstance(entry, LayerDiff) else "tensors")
        for entry in differing
        for status in entry.status
        if status != "equal"
    )
    words = [f"{count} {kind if count > 1 else kind[:-1]} {status}" for (status, kind), count in counts.items()]
    return Text(f"different: {', '.join(words)}", "bold")


def _modules(modules: Sequence[Module]) -> Table:
    table = Table("module", "what happened", "tensors", "relative L2", box=None, header_style="bold", pad_edge=False)
    for module in modules:
        counts = ", ".join(f"{count} {status}" for status, count in module.tensors.items() if status != "ignored")
        name = f"{'  ' * (len(module.path) - 1)}{module.path[-1]}"
        verdict = Text(module.verdict, _VERDICTS.get(module.verdict, ""))
        table.add_row(_plain(name), verdict, counts, _number(module.relative_l2))
    return table


def _tensors(entries: Sequence[TensorDiff]) -> Table:
    table = Table(
        "status", "tensor", "shape", "max abs", "rel. L2", "cosine", "ULP", "differ",
        box=None, header_style="bold", pad_edge=False,
    )  # fmt: skip
    for entry in entries:
        distance = entry.distance
        numbers = ["", "", "", "", ""]
        if distance is not None:
            share = f"{distance.changed:,} of {distance.elements:,}"
            ulp = "" if distance.max_ulp is None else f"{distance.max_ulp:,}"
            numbers = [_number(distance.max_abs), _number(distance.relative_l2), _cosine(distance.cosine), ulp, share]
        if entry.fold is not None:
            numbers[1] = _number(entry.fold.residual)
        table.add_row(_status(entry.status), _tensor_name(entry), _shapes(entry), *numbers)
    return table


def _tensor_name(entry: TensorDiff) -> Text:
    name = _plain(entry.name)
    if entry.a and entry.b and "renamed" in entry.status:
        name = Text.assemble(_plain(entry.a.name), " -> ", _plain(entry.b.name))
    notes = list(entry.notes)
    if entry.fold is not None:
        facts = ", ".join(f"{key} {value}" for key, value in entry.fold.facts.items())
        notes.append(f"{entry.fold.kind} folded into {entry.fold.into}{f' ({facts})' if facts else ''}")
    distance = entry.distance
    if distance is not None and distance.changed and distance.changed < max(8, distance.elements // 1000):
        a, b = distance.values
        notes.append(f"at {list(distance.at)}: {a:.9g} -> {b:.9g}")
    if distance is not None and any(distance.not_finite):
        notes.append(f"not finite: {distance.not_finite[0]} -> {distance.not_finite[1]}")
    for note in notes:
        name = Text.assemble(name, "\n  ", (str(_plain(note)), "dim"))
    return name


def _shapes(entry: TensorDiff) -> str:
    sides = [one for one in (entry.a, entry.b) if one is not None]
    texts = ["x".join(map(str, one.shape)) or "scalar" for one in sides]
    if "dtype" in entry.status:
        texts = [f"{one.dtype} {text}" for one, text in zip(sides, texts, strict=True)]
    return " -> ".join(dict.fromkeys(texts))


def _layers(entries: Sequence[LayerDiff]) -> Table:
    table = Table("status", "layer", "type", "what differs", box=None, header_style="bold", pad_edge=False)
    for entry in entries:
        name = _plain(entry.name)
        if "renamed" in entry.status:
            name = Text.assemble(_plain(entry.a or ""), " -> ", _plain(entry.b or ""))
        said = [f"{key}: {_value(a)} -> {_value(b)}" for key, (a, b) in entry.settings.items() if key != "type"]
        said += [*entry.inputs, *entry.notes]
        types = " -> ".join(dict.fromkeys(kind or "unknown" for kind in entry.types if kind))
        table.add_row(_status(entry.status), name, types, _plain("\n".join(said)))
    return table


def _status(status: Sequence[str]) -> Text:
    return Text(", ").join(Text(word, _STYLES.get(word, "dim")) for word in status)


def _plain(text: str) -> Text:
    """Text of the file, in which nothing is markup and nothing moves the cursor."""
    return Text("".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2e}" if value else "0"


def _cosine(value: float | None) -> str:
    if value is None:
        return ""
    return f"1-{1 - value:.0e}" if 0 < 1 - value < 1e-4 else f"{value:.4f}"


def _value(value: Any) -> str:
    return "none" if value is None else str(value)
