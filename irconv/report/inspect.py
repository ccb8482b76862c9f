"""The tables of `irconv inspect`: fitted to a terminal, as a tree of modules; whole, one layer a line, for a pipe."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from rich.console import Console
from rich.table import Table
from rich.text import Text

from irconv.ir.bundle import STATE, Bundle
from irconv.ir.graph import Port
from irconv.ir.manifest import Fact
from irconv.report.plain import ENDLESS, plain
from irconv.report.summary import Row, Totals, rows, shape_text, totals
from irconv.terminal import shown

_LONGEST = 60
"""Characters of a fact that are shown; the settings of training are thousands."""
_WIDE = 110
"""Columns of a terminal from which on settings and multiply-adds have columns of their own."""


def print_bundle(bundle: Bundle, console: Console | None = None) -> None:
    """Print what is known of a model, and what is not."""
    console = console or Console()
    if not console.is_terminal:
        console = Console(width=ENDLESS, file=console.file)
    _print_source(bundle, console)
    if bundle.graph:
        found = rows(bundle)
        tall = console.is_terminal
        _print_table(_tree(found, console.width) if tall else _lines(bundle, found), console)
        for kind, ports in (("input", bundle.graph.inputs), ("output", bundle.graph.outputs)):
            for port in ports:
                console.print(plain(f"{kind} {port_text(port)}"))
        for line in totals_text(totals(bundle, found), True):
            console.print(plain(line))
    else:
        _print_table(_groups(bundle), console)
        for line in totals_text(totals(bundle), False):
            console.print(plain(line))
    for key, tensor in bundle.state.items():
        size = shape_text(tensor.record.shape)
        console.print(plain(f"kept: {key.removeprefix(STATE)} {size} {tensor.record.dtype} (optimizer state)"))
    for omitted in bundle.omitted:
        console.print(plain(f"left out: {omitted.name} ({omitted.reason})"))


def _print_source(bundle: Bundle, console: Console) -> None:
    source = bundle.source
    made_by = " ".join(part for part in (source.framework, source.version) if part)
    files = ", ".join(file.name for file in source.files)
    console.print(Text.assemble((shown(files), "bold"), f" from {shown(made_by)}"))
    for fact in source.facts:
        console.print(plain(fact_text(fact, _LONGEST)))


def fact_text(fact: Fact, longest: int) -> str:
    """A fact in a line, with its evidence; an object of JSON without its punctuation.

    >>> fact_text(Fact(name="model", value='{"class": "Model", "name": "m"}', evidence="the file's model"), 80)
    "model: class Model, name m (the file's model)"
    """
    value = fact.value
    if value.startswith("{"):
        with suppress(ValueError):
            parts = json.loads(value)
            if all(isinstance(part, str | int | float) for part in parts.values()):
                value = ", ".join(f"{key} {part}" for key, part in parts.items())
    return f"{fact.name}: {value if len(value) <= longest else f'{value[:longest]}...'} ({fact.evidence})"


def port_text(port: Port) -> str:
    """An input or output in a line, with its axes here and in the source."""
    axes = f" {port.axes}" if port.axes else " (axes not known)"
    turned = f", {port.source_axes} in the source" if port.axes != port.source_axes else ""
    return f"{port.name}: {port.dtype} ({', '.join(map(str, port.shape))}){axes}{turned}"


def totals_text(found: Totals, graph: bool) -> Iterator[str]:
    """The sums in words."""
    stored = sum(found.bytes.values())
    kinds = ", ".join(f"{megabytes(size)} {dtype}" for dtype, size in found.bytes.items())
    what = "parameters" if graph else "numbers"
    yield (
        f"{found.trainable + found.frozen:,} {what}: {found.trainable:,} trainable, {found.frozen:,} not; "
        f"{kinds or megabytes(stored)}"
    )
    if graph:
        without = f", without those of {', '.join(found.uncounted)}" if found.uncounted else ""
        yield f"{number(found.multiply_adds)} multiply-adds for one sample{without}"


def megabytes(size: int) -> str:
    """Bytes as people say them.

    >>> megabytes(246_824), megabytes(12), megabytes(552_000_000)
    ('246.8 kB', '12 bytes', '552.0 MB')
    """
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= step:
            return f"{size / step:.1f} {unit}"
    return f"{size} bytes"


def number(what: int | str | None) -> str:
    """A count with commas, or the expression that it is; nothing where it is 0."""
    return f"{what:,}" if isinstance(what, int) else "?" if what is None else what


def _print_table(table: Table | Sequence[Sequence[str]], console: Console) -> None:
    if isinstance(table, Table):
        console.print(table)
        return
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        console.print(plain("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()))


# for a terminal -----------------------------------------------------------------------------------------------------


def _tree(found: Iterable[Row], width: int) -> Table:
    """The layers in their order, below the modules they lie in."""
    wide = width >= _WIDE
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("layer", overflow="fold", ratio=3)
    table.add_column("type", overflow="fold")
    if wide:
        table.add_column("settings", overflow="fold", ratio=3)
    table.add_column("output", overflow="fold")
    table.add_column("parameters", justify="right")
    if wide:
        table.add_column("multiply-adds", justify="right")
    table.add_column("connected to", overflow="fold", ratio=2)
    before: tuple[str, ...] = ()
    for row in found:
        modules = row.path[:-1]
        common = _common(modules, before)
        if common < len(modules):
            table.add_row(Text("  " * common + shown(".".join(modules[common:])), style="bold"))
        before = row.path if row.type else modules
        cells: list[Text | str] = [Text("  " * len(modules) + shown(row.path[-1])), plain(row.type)]
        cells += [plain(settings_text(row))] if wide else []
        cells += [plain(_results(row)), _counted(row)]
        cells += [number(row.multiply_adds) if row.multiply_adds != 0 else ""] if wide else []
        table.add_row(*cells, plain(", ".join(row.sources)))
    return table


def _common(modules: Sequence[str], before: Sequence[str]) -> int:
    count = 0
    for one, other in zip(modules, before, strict=False):
        if one != other:
            break
        count += 1
    return count


# for a pipe ---------------------------------------------------------------------------------------------------------


def _lines(bundle: Bundle, found: Iterable[Row]) -> list[Sequence[str]]:
    """One layer a line, names whole, so that tools of lines find them."""
    heads = ("layer", "type", "output", "parameters", "multiply-adds", "connected to", "weights", "settings")
    return [heads, *(_line(bundle, row) for row in found)]


def _line(bundle: Bundle, row: Row) -> Sequence[str]:
    weights = []
    for role, key in row.weights.items():
        record = bundle.tensors[key].record
        weights.append(f"{role} {shape_text(record.shape)} {record.letters}".rstrip())
    work = number(row.multiply_adds) if row.multiply_adds != 0 else "0"
    sources = ", ".join(row.sources) or "-"
    cells = (row.layer, row.type, _results(row), _counted(row) or "0", work, sources, ", ".join(weights) or "-")
    return [shown(cell) for cell in (*cells, settings_text(row) or "-")]


def settings_text(row: Row) -> str:
    """The settings in a line; a layer that is used again is what it was."""
    return "as before" if row.again else ", ".join(f"{name} {text}" for name, text in row.settings.items())


def _results(row: Row) -> str:
    return ", ".join(shape_text(result.shape) for result in row.results)


def _counted(row: Row) -> str:
    return f"{row.parameters + row.others:,}" if row.parameters or row.others else ""


def _groups(bundle: Bundle) -> list[Sequence[str]]:
    heads = ("group", "type", "tensor", "shape", "dtype", "axes", "evidence")
    table: list[Sequence[str]] = [heads]
    for group in bundle.groups:
        for name, key in group.tensors.items():
            record = bundle.tensors[key].record
            cells = (group.name, group.type or "unknown", name, shape_text(record.shape), record.dtype)
            table.append([shown(cell) or "-" for cell in (*cells, record.letters or "unknown", group.evidence)])
    return table
