"""The tables of `irconv inspect`: fitted to a terminal, as a tree of modules; whole, one layer a line, for a pipe."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import IO, TYPE_CHECKING

from irconv.ir.bundle import STATE, Bundle
from irconv.ir.graph import Port
from irconv.ir.manifest import Fact
from irconv.report.summary import Row, Totals, rows, shape_text, totals
from irconv.terminal import shown

if TYPE_CHECKING:
    from rich.console import Console

    from irconv.report.tree import Terminal

_LONGEST = 60
"""Characters of a fact that are shown; the settings of training are thousands."""


def print_bundle(bundle: Bundle, console: Console | None = None) -> None:
    """Print what is known of a model, and what is not: fitted to `console` or to the terminal, else line by line."""
    if console is None and not _is_terminal():
        _print(bundle, partial(_line_of, sys.stdout), None)
        return
    from irconv.report.tree import open_console

    made = open_console(console)
    _print(bundle, made.say if made.fits else partial(_line_of, made.file), made if made.fits else None)


def _is_terminal() -> bool:
    """Whether rich, which takes long to import, has something to do; the variables are those that it looks at."""
    return sys.stdout.isatty() or any(os.environ.get(name) for name in ("FORCE_COLOR", "TTY_COMPATIBLE"))


def _line_of(file: IO[str], text: str) -> None:
    print(shown(text), file=file)


def _print(bundle: Bundle, say: Callable[[str], None], terminal: Terminal | None) -> None:
    source = bundle.source
    made_by = " ".join(part for part in (source.framework, source.version) if part)
    files = ", ".join(file.name for file in source.files)
    if terminal is not None:
        terminal.head(files, f" from {made_by}")
    else:
        say(f"{files} from {made_by}")
    for fact in source.facts:
        say(fact_text(fact, _LONGEST))
    if bundle.graph:
        found = rows(bundle)
        if terminal is not None:
            terminal.tree(found)
        else:
            _say_table(_lines(bundle, found), say)
        for kind, ports in (("input", bundle.graph.inputs), ("output", bundle.graph.outputs)):
            for port in ports:
                say(f"{kind} {port_text(port)}")
        for line in totals_text(totals(bundle, found), True):
            say(line)
    else:
        _say_table(_groups(bundle), say)
        for line in totals_text(totals(bundle), False):
            say(line)
    for key, tensor in bundle.state.items():
        size = shape_text(tensor.record.shape)
        say(f"kept: {key.removeprefix(STATE)} {size} {tensor.record.dtype} (optimizer state)")
    for omitted in bundle.omitted:
        say(f"left out: {omitted.name} ({omitted.reason})")


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


def _say_table(table: Sequence[Sequence[str]], say: Callable[[str], None]) -> None:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


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
    cells = (row.layer, row.type, results(row), counted(row) or "0", work, sources, ", ".join(weights) or "-")
    return [shown(cell) for cell in (*cells, settings_text(row) or "-")]


def settings_text(row: Row) -> str:
    """The settings in a line; a layer that is used again is what it was."""
    return "as before" if row.again else ", ".join(f"{name} {text}" for name, text in row.settings.items())


def results(row: Row) -> str:
    """The shapes of what a layer gives."""
    return ", ".join(shape_text(result.shape) for result in row.results)


def counted(row: Row) -> str:
    """How many numbers it has."""
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
