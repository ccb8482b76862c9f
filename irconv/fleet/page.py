"""The summary of a fleet as one page that needs nothing else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from irconv import __version__
from irconv.fleet.job import OUTCOMES, Row
from irconv.report.page import dim, document, named, text

_MOST = 5000
"""Rows that are listed; the table has all."""
_NAMES = re.compile(r"'[^']*'|\"[^\"]*\"|\d+")


def page(rows: Sequence[Row], title: str) -> str:
    """The page's text."""
    return document(title, "fleet_page", _body(rows, title))


def counts(rows: Sequence[Row]) -> dict[str, int]:
    """How many rows came to what, in the order of `OUTCOMES`."""
    found = Counter(row.outcome for row in rows)
    return {outcome: found[outcome] for outcome in OUTCOMES if found[outcome]}


def reasons(rows: Sequence[Row]) -> list[tuple[str, str, int, Row]]:
    """The classes of what was not ok, most frequent first: outcome and class, the reason without its names, how many,
    and an example."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.outcome != "ok":
            found.setdefault((f"{row.outcome}: {row.reason}", _kind(row)), []).append(row)
    listed = [(kind, what, len(those), those[0]) for (kind, what), those in found.items()]
    return sorted(listed, key=lambda one: (-one[2], one[0], one[1]))


def _kind(row: Row) -> str:
    """The first reason, without where it was found and what it names there."""
    line = row.message.split("\n", 1)[0]
    for part in (row.source, row.destination):
        line = line.replace(part, "") if part else line
    what = line.rpartition(": ")[2] if line.count(": ") else line
    return _NAMES.sub("...", what)[:200]


def _body(rows: Sequence[Row], title: str) -> Iterator[str]:
    yield f"<h1>{named(title)} {dim(f'by irconv {__version__}')}</h1>"
    seconds, most = sum(row.seconds for row in rows), max((row.peak_mb for row in rows), default=0)
    said = [f"{len(rows)} jobs: " + ", ".join(f"{count} {kind}" for kind, count in counts(rows).items())]
    said.append(f"{seconds:.0f} seconds of processes in all, {most:.0f} MB at most")
    errors = [row.error for row in rows if row.error is not None]
    if errors:
        said.append(f"{len(errors)} verified, the largest difference {max(errors):.1e} of the largest value")
    yield f'<ul class="said">{"".join(f"<li>{text(line)}</li>" for line in said)}</ul>'
    if found := reasons(rows):
        heads = "".join(f"<th>{head}</th>" for head in ("jobs", "class", "reason", "such as"))
        yield f"<h2>Reasons</h2><table><thead><tr>{heads}</tr></thead>"
        for kind, what, count, example in found:
            cells = (text(count), text(kind), text(what), named(example.source))
            yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        yield "</table>"
    yield from _rows(rows)


def _rows(rows: Sequence[Row]) -> Iterator[str]:
    words = "Part of a name, outcome or reason"
    yield f'<h2>Jobs</h2><form class="tools"><input type="search" id="words" aria-label="{words}" '
    yield f'placeholder="{words}">'
    yield '<span id="found" class="dim" role="status"></span></form>'
    heads = ("source", "target", "outcome", "error", "seconds", "MB", "reason")
    yield f"<table><thead><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr></thead><tbody>"
    for row in sorted(rows, key=lambda row: row.outcome == "ok")[:_MOST]:
        error = "" if row.error is None else f"{row.error:.1e}"
        cells = (
            named(row.source),
            text(row.target),
            f'<span class="{row.outcome.replace(" ", "-")}">{text(row.outcome)}</span>',
            text(error),
            text(f"{row.seconds:.1f}"),
            text(f"{row.peak_mb:.0f}"),
            text(row.message.split("\n", 1)[0][:400]),
        )
        words = text(f"{row.source} {row.target} {row.outcome} {row.reason}".lower())
        yield f'<tr data-words="{words}">{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
    yield "</tbody></table>"
    if len(rows) > _MOST:
        yield f"<p>{text(f'{len(rows) - _MOST} more are in results.csv')}</p>"
