"""What `irconv verify` and ``convert --verify`` show people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from irconv.report.plain import plain, print_table, tables
from irconv.verification.compare import power, within
from irconv.verification.conversion import summary
from irconv.verification.layers import Layers, Parting
from irconv.verification.report import Report

_AFTER = 4
"""Layers that are shown from the first that differs on."""


def print_report(report: Report, console: Console | None = None) -> None:
    """Print every output on every set of inputs, what is doubtful, and the verdict."""
    console = console or tables()
    table = _table("output", "inputs", "max abs", "relative", "allowed", "cosine", "top-1", "")
    for one in report.outputs:
        d = one.difference
        name = one.name if one.name == one.other else f"{one.name}, {one.other}"
        apart = "shapes differ" if d.max_abs is None else f"{d.max_abs:.1e}"
        top = "".join(f"{share:.0%}" for k, share in d.top if k == 1)
        verdict = "agrees" if one.agrees else "DIFFERS"
        numbers = (apart, f"{d.relative:.1e}", power(one.tolerance), f"{d.cosine:.6f}")
        table.add_row(plain(name), plain(one.feed), *numbers, top, verdict)
    _print(console, f"A {report.a.path}: {report.a.words}", f"B {report.b.path}: {report.b.words}")
    print_table(table, console)
    if report.layers is not None:
        _print_layers(report.layers, console)
    _print_warnings(report.warnings, console)
    _print(console, *map(str, report.problems()))
    worst = max((one.difference.relative for one in report.outputs), default=0.0)
    verdict = f"agree {within(worst)}" if report.agree else "differ"
    if report.layers is not None and report.layers.parting is not None:
        verdict += f": first at {_parting(report.layers.parting)}"
    _print(console, f"{report.a.path} and {report.b.path} {verdict}")


def _print_layers(layers: Layers, console: Console) -> None:
    """Print the layers of A up to a few after the first that differs."""
    table = _table("layer", "value of B", "max abs", "relative", "")
    rows = list(layers.rows)
    shown = rows.index(layers.parting.row) + _AFTER if layers.parting is not None else len(rows)
    for row in rows[:shown]:
        d = row.difference
        apart = "" if d is None else "shapes differ" if d.max_abs is None else f"{d.max_abs:.1e}"
        relative = f"{d.relative:.1e}" if d is not None and d.max_abs is not None else ""
        table.add_row(
            plain(row.layer),
            plain(row.other),
            apart,
            relative,
            "agrees" if row.agrees else "DIFFERS" if d else "not in B",
        )
    print_table(table, console)
    left = len(rows) - len(rows[:shown]) + layers.unseen
    if left:
        _print(console, f"and {left} values that follow, or were not looked at")


def _table(*columns: str) -> Table:
    """Columns of which names are wrapped where they are too long, and numbers are not."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column not in ("output", "layer", "value of B"))
    return table


def _parting(parting: Parting) -> str:
    """The first difference in words."""
    also = [name for name in parting.together if name != parting.layer]
    words = f"layer {parting.layer}" + (f" or {', '.join(also)}, which B does not tell apart" if also else "")
    d = parting.row.difference
    other = f" ({parting.other or parting.row.other} in B)" if parting.other or parting.row.other else ""
    apart = f", by {d.relative:.1e} of its largest value" if d is not None and d.max_abs is not None else ""
    return f"{words}{other}{apart}"


def print_checked(reports: Sequence[Report]) -> None:
    """Print what is doubtful about the check of a conversion, and the line that says what came of it."""
    _print_warnings(dict.fromkeys(line for report in reports for line in report.warnings), Console(stderr=True))
    _print(Console(), summary(reports))


def _print_warnings(lines: Iterable[str], console: Console) -> None:
    _print(console, *(f"note: {line}" for line in lines))


def _print(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(plain(line), soft_wrap=True)
