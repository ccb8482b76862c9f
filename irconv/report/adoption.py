"""An adoption as a table for people."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from irconv.adoption.result import Adoption, Placed


def print_adoption(found: Adoption, dry_run: bool = False) -> None:
    """Every parameter with its source on stdout; what is to be known besides on stderr."""
    console, errors = (
        Console(soft_wrap=True, highlight=False),
        Console(file=sys.stderr, soft_wrap=True, highlight=False),
    )
    table = Table(box=None, pad_edge=False)
    for title in ("target", "shape", "source", "steps", "sure"):
        table.add_column(title, overflow="fold")
    for placed in found.placed:
        shape = "x".join(map(str, placed.shape))
        table.add_row(placed.name, shape, ", ".join(placed.sources), "; ".join(placed.steps), _sure(placed))
    console.print(table)
    for title, names in (("untouched", found.untouched), ("left over in the source", found.left)):
        if names:
            errors.print(f"{title}: {', '.join(names)}", markup=False)
    for placed in found.placed:
        if placed.exchangeable:
            others = ", ".join(placed.exchangeable)
            errors.print(f"{placed.name}: interchangeable with {others}; either placement is right", markup=False)
    for line in (*map(str, found.differences), *found.notes):
        errors.print(line, markup=False)
    for file in found.files:
        console.print(f"{'would write' if dry_run else 'wrote'} {file}", markup=False)


def _sure(placed: Placed) -> str:
    return placed.sure if placed.sure in ("certain", "told") else f"{placed.sure}: {', '.join(placed.why)}"
