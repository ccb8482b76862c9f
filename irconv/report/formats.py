"""The tables of `irconv formats`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from irconv.frameworks import Reader, Writer
from irconv.report.plain import print_table, tables


def print_formats(
    readers: Sequence[Reader],
    writers: Sequence[Writer],
    runtimes: Mapping[str, bool],
    verifying: Mapping[str, str],
    console: Console | None = None,
) -> None:
    """Print what can be read and written, what is installed to run models, and where `verify` finds each framework."""
    console = console or tables()
    reads = Table("--from", "reads", box=None, header_style="bold", pad_edge=False)
    for reader in readers:
        reads.add_row(reader.name, reader.description)
    writes = Table("--to", "suffix", "writes", box=None, header_style="bold", pad_edge=False)
    for writer in writers:
        writes.add_row(writer.name, ", ".join(writer.suffixes), writer.description)
    print_table(reads, console)
    console.print()
    print_table(writes, console)
    console.print()
    installed = ", ".join(f"{name} {'installed' if there else 'not installed'}" for name, there in runtimes.items())
    found = ", ".join(f"{name} ({where or 'not found'})" for name, where in verifying.items())
    console.print(f"runtimes: {installed}, numpy built in", highlight=False)
    console.print(f"verify runs models in: {found}", highlight=False, markup=False)
