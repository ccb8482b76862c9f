"""What `irconv verify` and ``convert --verify`` show people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from irconv.report.plain import plain
from irconv.verification.check import Report
from irconv.verification.compare import power
from irconv.verification.conversion import summary


def print_report(report: Report, console: Console | None = None) -> None:
    """Print every output on every set of inputs, what is doubtful, and the verdict."""
    console = console or Console()
    table = Table("output", "inputs", "max abs", "relative", "allowed", "cosine", "top-1", "", box=None)
    for one in report.outputs:
        d = one.difference
        name = one.name if one.name == one.other else f"{one.name}, {one.other}"
        apart = "shapes differ" if d.max_abs is None else f"{d.max_abs:.1e}"
        top = "".join(f"{share:.0%}" for k, share in d.top if k == 1)
        verdict = "agrees" if one.agrees else "DIFFERS"
        numbers = (apart, f"{d.relative:.1e}", power(one.tolerance), f"{d.cosine:.6f}")
        table.add_row(plain(name), plain(one.feed), *numbers, top, verdict)
    _print(console, f"A {report.a.path}: {report.a.words}", f"B {report.b.path}: {report.b.words}")
    console.print(table)
    _print_warnings(report.warnings, console)
    _print(console, *map(str, report.problems()))
    worst = max((one.difference.relative for one in report.outputs), default=0.0)
    verdict = f"agree to {power(worst)}" if report.agree else "differ"
    _print(console, f"{report.a.path} and {report.b.path} {verdict}")


def print_checked(reports: Sequence[Report]) -> None:
    """Print what is doubtful about the check of a conversion, and the line that says what came of it."""
    _print_warnings(dict.fromkeys(line for report in reports for line in report.warnings), Console(stderr=True))
    _print(Console(), summary(reports))


def _print_warnings(lines: Iterable[str], console: Console) -> None:
    _print(console, *(f"note: {line}" for line in lines))


def _print(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(plain(line), soft_wrap=True)
