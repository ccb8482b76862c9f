"""An adoption as a table for people."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from math import inf

from rich.table import Table

from irconv.adoption.result import Adoption, Placed
from irconv.align import Alignment
from irconv.report.plain import plain, print_table, tables
from irconv.terminal import shown


def print_adoption(found: Adoption, dry_run: bool = False) -> None:
    """Every parameter with its source on stdout; what is to be known besides on stderr."""
    console = tables()
    table = Table(box=None, pad_edge=False)
    for title in ("target", "shape", "source", "steps", "sure"):
        table.add_column(title, overflow="fold")
    for placed in found.placed:
        shape = "x".join(map(str, placed.shape))
        cells = (placed.name, shape, ", ".join(placed.sources), "; ".join(placed.steps), _sure(placed))
        table.add_row(*map(plain, cells))
    print_table(table, console)
    for title, names in (("untouched", found.untouched), ("left over in the source", found.left)):
        if names:
            _say(f"{title}: {', '.join(names)}")
    for placed in found.placed:
        if placed.exchangeable:
            others = ", ".join(placed.exchangeable)
            _say(f"{placed.name}: interchangeable with {others}; either placement is right")
    if found.differences:
        _say("by its settings the target is another function than the source:")
    for line in (*_differences(found), *found.notes):
        _say(line)
    if found.checked is not None:
        for value in found.checked:
            if value.output:
                _say(f"{value.name} ({value.value}): largest relative difference {value.error:.2g}")
        if (first := found.first) is not None:
            how = ", in their sizes" if first.error == inf else f": {first.error:.2g}"
            _say(f"they part first at {first.name} ({first.value} in the source){how}")
    for file in found.files:
        console.print(plain(f"{'would write' if dry_run else 'wrote'} {file}"), soft_wrap=True)


def _say(text: str) -> None:
    print(shown(text), file=sys.stderr)


def _differences(found: Adoption) -> list[str]:
    """The settings that differ, each once with the layers that have it."""
    where: dict[tuple[str, str, str], list[str]] = {}
    for difference in found.differences:
        where.setdefault((difference.setting, difference.wanted, difference.got), []).append(difference.target)
    return [
        f"  {', '.join(names[:3])}"
        + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        + f": {setting} is {got}, but {wanted} in the source"
        for (setting, wanted, got), names in where.items()
    ]


def _sure(placed: Placed) -> str:
    return placed.sure if placed.sure in ("certain", "told") else f"{placed.sure}: {', '.join(placed.why)}"


def plan_counts(found: Alignment) -> dict[str, int]:
    """What a plan has, in numbers."""
    counts = {"decided": len(found.matches), "open": len(found.open), "missing": len(found.missing)}
    return {**counts, "left": len(found.left)}


def print_plan(found: Alignment, path: str) -> None:
    """What a plan has, in numbers."""
    *counts, (_, left) = plan_counts(found).items()
    print(shown(f"wrote {path}: {', '.join(f'{count} {word}' for word, count in counts)}, {left} left over"))


def print_renames(names: Mapping[str, str], path: str) -> None:
    """Every name that has changed."""
    for before, after in names.items():
        print(shown(f"{before} -> {after}"))
    print(shown(f"wrote {path}"))
