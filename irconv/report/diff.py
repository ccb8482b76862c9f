"""The tables of `irconv diff`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from irconv.comparison.model import LayerDiff, Module, Report, SideFacts, TensorDiff
from irconv.report.plain import plain, print_table, tables
from irconv.terminal import shown

_STYLES = {
    "equal": "green",
    "close": "green",
    "frozen": "green",
    "changed": "yellow",
    "fine-tuned": "yellow",
    "statistics": "yellow",
    "mixed": "yellow",
    "settings": "yellow",
    "dtype": "magenta",
    "converted": "magenta",
    "renamed": "cyan",
    "folded": "blue",
    "shape": "red",
    "missing": "red",
    "added": "red",
    "replaced": "red",
}
_MANY = 40
"""Rows that are listed where not everything is asked for."""
SAID = {
    "shape": "of another shape",
    "dtype": "of another type",
}


def print_report(
    report: Report, ignored: frozenset[str] = frozenset(), everything: bool = False, console: Console | None = None
) -> None:
    """Print what differs between two models, and with `everything` what does not."""
    console = console or tables()
    for label, facts in (("A", report.a), ("B", report.b)):
        console.print(_side(label, facts))
    for note in report.notes:
        console.print(plain(note), style="dim")
    same = not report.differing(ignored)
    console.print(Text(verdict(report, ignored), "bold green" if same else "bold"))
    tensors = [entry for entry in report.tensors if everything or entry.differs]
    layers = [entry for entry in report.layers if everything or entry.differs]
    if any(set(entry.status) - {"renamed"} for entry in tensors if entry.differs):
        _print_modules(report.modules, console)
    if not everything:  # the layer says it of all of its tensors
        tensors = [entry for entry in tensors if entry.status != ("renamed",)]
    _print_tensors(tensors, everything, console)
    _print_layers(layers, everything, console)


def _side(label: str, facts: SideFacts) -> Text:
    made_by = " ".join(part for part in (facts.framework, facts.version) if part)
    graph = "" if facts.graph else ", no graph"
    counts = f"{counted(facts.tensors, 'tensor')}, {counted(facts.layers, 'layer' if facts.graph else 'group')}"
    return Text.assemble((f"{label} ", "bold"), plain(facts.path), (f" ({shown(made_by)}{graph}; {counts})", "dim"))


def verdict(report: Report, ignored: frozenset[str]) -> str:
    """What was found, in a line."""
    differing = report.differing(ignored)
    free = f"; {', '.join(sorted(ignored))} not counted" if ignored else ""
    if not differing:
        close = sum("close" in entry.status for entry in report.tensors)
        within = f", {close} of them within the tolerance" if close else ""
        return f"the same: {counted(len(report.tensors), 'tensor')}{within}{free}"
    counts = Counter(
        (status, "layer" if isinstance(entry, LayerDiff) else "tensor")
        for entry in differing
        for status in entry.status
    )
    words = [f"{counted(count, kind)} {SAID.get(status, status)}" for (status, kind), count in counts.items()]
    return f"different: {', '.join(words)}{free}"


def counted(count: int, what: str) -> str:
    """A number of things: ``1 layer``, ``2 layers``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _print_modules(modules: Sequence[Module], console: Console) -> None:
    """What happened to each part, as deep as it takes; parts that are untouched share a line."""
    table = _table("module", "what happened", "rel. L2", "tensors")
    quiet: list[str] = []

    def flush() -> None:
        if quiet:
            names = ", ".join(quiet[:3]) + (f" and {len(quiet) - 3} more" if len(quiet) > 3 else "")
            table.add_row(plain(names), Text("frozen", _STYLES["frozen"]), "", "")
            quiet.clear()

    shown: list[tuple[str, ...]] = []
    for module in modules:
        if not module.path or not module.elements or any(_inside(module.path, done) for done in shown):
            continue
        if module.verdict == "frozen":
            if len(module.path) == 1:
                quiet.append(module.path[0])
            continue
        flush()
        if module.verdict != "mixed":  # one word says it of all that is inside
            shown.append(module.path)
        name = f"{'  ' * (len(module.path) - 1)}{module.path[-1]}"
        counts = ", ".join(f"{count} {status}" for status, count in module.tensors.items() if status != "ignored")
        table.add_row(plain(name), _word(module.verdict), number(module.relative_l2), counts)
    flush()
    if table.row_count > 1:
        console.print()
        print_table(table, console)


def _inside(path: tuple[str, ...], outer: tuple[str, ...]) -> bool:
    return path[: len(outer)] == outer


def _print_tensors(entries: Sequence[TensorDiff], everything: bool, console: Console) -> None:
    if not entries:
        return
    table = _table("status", "tensor", "shape", "max abs", "rel. L2", "ULP", "differ")
    listed = entries if everything or len(entries) <= _MANY else _largest(entries)
    for entry in listed:
        distance, numbers = entry.distance, ["", "", "", ""]
        if distance is not None:
            ulp = "" if distance.max_ulp is None else _short(distance.max_ulp)
            numbers = [number(distance.max_abs), number(distance.relative_l2), ulp, _share(distance)]
        if entry.fold is not None:
            numbers[1] = number(entry.fold.residual)
        table.add_row(_words(entry.status), _tensor_name(entry), plain(shapes(entry)), *numbers)
    console.print()
    print_table(table, console)
    if len(listed) < len(entries):
        console.print(f"and {len(entries) - len(listed)} more; --all lists everything", style="dim")
    notes: dict[str, list[str]] = {}
    for entry in listed:
        for note in _notes(entry):
            notes.setdefault(note, []).append(entry.name)
    for note, names in notes.items():
        said = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        console.print(Text.assemble(plain(said), (f": {shown(note)}", "dim")))


def _largest(entries: Sequence[TensorDiff]) -> list[TensorDiff]:
    """The entries that differ most, in their order."""

    def size(entry: TensorDiff) -> float:
        if entry.distance is None or entry.distance.relative_l2 is None:
            return float("inf")
        return entry.distance.relative_l2

    kept = {id(entry) for entry in sorted(entries, key=size, reverse=True)[:_MANY]}
    return [entry for entry in entries if id(entry) in kept]


def _tensor_name(entry: TensorDiff) -> Text:
    if entry.renaming:
        return Text.assemble(plain(entry.renaming[0]), " -> ", plain(entry.renaming[1]))
    return plain(entry.name)


def _notes(entry: TensorDiff) -> Iterator[str]:
    yield from entry.notes
    if entry.fold is not None:
        facts = ", ".join(f"{key} {value}" for key, value in entry.fold.facts.items())
        yield f"{entry.fold.kind} folded into {entry.fold.into}{f' ({facts})' if facts else ''}"
    distance = entry.distance
    if distance is None:
        return
    if distance.changed and distance.changed < max(8, distance.elements // 1000):
        yield f"most at {list(distance.at)}: {distance.values[0]:.9g} -> {distance.values[1]:.9g}"
    if any(distance.not_finite):
        yield f"{distance.not_finite[0]} numbers are not finite in A, {distance.not_finite[1]} in B"


def shapes(entry: TensorDiff) -> str:
    """The shape, or both where they differ; with the types where these do."""
    sides = [one for one in (entry.a, entry.b) if one is not None]
    texts = ["x".join(map(str, one.shape)) or "scalar" for one in sides]
    if "dtype" in entry.status:
        texts = [f"{one.dtype} {text}" for one, text in zip(sides, texts, strict=True)]
    return " -> ".join(dict.fromkeys(texts))


def _share(distance: Any) -> str:
    if not distance.changed:
        return "0"
    if distance.changed == distance.elements:
        return "all"
    share = 100 * distance.changed / distance.elements
    return f"{distance.changed:,}" if distance.changed < 1000 else f"{share:.3g} %"


def _print_layers(entries: Sequence[LayerDiff], everything: bool, console: Console) -> None:
    if not entries:
        return
    table = _table("status", "layer", "type", "what differs")
    listed = entries if everything else entries[: 2 * _MANY]
    for entry in listed:
        name = plain(entry.name)
        if "renamed" in entry.status:
            name = Text.assemble(plain(entry.a or ""), " -> ", plain(entry.b or ""))
        said = [f"{key}: {value}" for key, value in values(entry).items()] + [*entry.inputs, *entry.notes]
        types = " -> ".join(dict.fromkeys(kind or "unknown" for kind in entry.types if kind))
        table.add_row(
            _words(entry.status), name, plain(types), plain(*said) if console.is_terminal else plain("; ".join(said))
        )
    console.print()
    print_table(table, console)
    if len(listed) < len(entries):
        console.print(f"and {len(entries) - len(listed)} more; --all lists everything", style="dim")


def values(entry: LayerDiff) -> dict[str, str]:
    """The settings that differ, each as ``first -> second``; the type stands for itself."""
    return {key: f"{_value(a)} -> {_value(b)}" for key, (a, b) in entry.settings.items() if key != "type"}


def _table(*columns: str) -> Table:
    """Columns of which names are wrapped and numbers are not."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        wraps = column in ("tensor", "layer", "module", "what differs", "shape", "tensors")
        table.add_column(column, overflow="fold", no_wrap=not wraps)
    return table


def _words(status: Sequence[str]) -> Text:
    return Text(", ").join(_word(word) for word in status)


def _word(word: str) -> Text:
    return Text(word, _STYLES.get(word, "dim"))


def number(value: float | None) -> str:
    """A distance in three digits."""
    return "" if value is None else f"{value:.2e}" if value else "0"


def _short(value: int) -> str:
    return str(value) if value < 100000 else f"{value:.1e}"


def _value(value: Any) -> str:
    return "none" if value is None else str(value)
