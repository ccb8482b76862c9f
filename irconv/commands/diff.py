"""``irconv diff``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from irconv.commands.options import FILE, reading, taken
from irconv.commands.printing import progress
from irconv.shell import DIFFERENT, Command, print_json

_EXAMPLES = """
irconv diff model.h5 model.onnx --ignore renamed --atol 1e-6
irconv diff model.h5 model.irconv --json
irconv diff model.h5 model.irconv --a '--backend tensorflow'
"""


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("a", type=FILE)
@click.argument("b", type=FILE)
@click.option("--a", "flags_a", metavar="'FLAGS'", callback=reading, help="How to read A: flags of `inspect`, quoted.")
@click.option("--b", "flags_b", metavar="'FLAGS'", callback=reading, help="How to read B.")
@click.option("--rtol", type=click.FloatRange(0), default=0.0, help="Elements may differ by ATOL + RTOL |a|.")
@click.option("--atol", type=click.FloatRange(0), default=0.0, help="See --rtol; without both, bits have to be equal.")
@click.option(
    "--ignore",
    multiple=True,
    type=click.Choice(["changed", "dtype", "shape", "renamed", "folded", "missing", "added"]),
    help="A kind of difference that does not count; repeat for more.",
)
@click.option("--all", "everything", is_flag=True, help="List what is equal, too.")
@click.option("--html", type=click.Path(path_type=Path), metavar="PAGE", help="Write one self-contained page, too.")
@click.option("--force", is_flag=True, help="Replace the page where it exists.")
def diff(a: str, b: str, everything: bool, html: Path | None, force: bool, as_json: bool, **flags: Any) -> None:
    """Compare two models, whatever frameworks they come from. Exit code 0: the same; 1: different; 3: refused."""
    from irconv import api
    from irconv.options import DiffOptions

    if everything and as_json:
        raise click.UsageError("--json lists everything; --all is for the table.")
    if force and html is None:
        raise click.UsageError("--force replaces the page of --html, which is not given.")
    with progress("comparing") as bar:
        read_a, read_b = flags.pop("flags_a"), flags.pop("flags_b")
        compared = api.diff(a, b, taken(DiffOptions, flags), read_a, read_b, bar)
    if html is not None:
        from irconv.report.diff_page import write_page

        write_page(compared, html, force)
    if as_json:
        from irconv.comparison.document import document

        print_json(document(compared.report, compared.ignored))
    else:
        from irconv.report.diff import print_report

        print_report(compared.report, compared.ignored, everything)
    if not compared.same:
        sys.exit(DIFFERENT)
