"""``irconv sketch``."""

from __future__ import annotations

import click

from irconv.commands.options import FILE
from irconv.shell import Command, print_json, say

_EXAMPLES = """
irconv sketch weights/ -o sketched.json
irconv sketch weights/ -o sketched.json --force
"""


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("weights", type=FILE)
@click.option("-o", "--output", required=True, type=FILE, metavar="ARCH.json", help="Where the architecture goes.")
@click.option("--force", is_flag=True, help="Replace the output where it exists.")
def sketch(weights: str, output: str, force: bool, as_json: bool) -> None:
    """Begin an architecture file for bare arrays, to be completed by hand: what is open or assumed is marked."""
    from irconv import api

    notes = api.sketch(weights, output, force)
    if as_json:
        print_json({"files": [output], "notes": notes})
    for line in notes:
        say(line, err=True)
    say(f"wrote {output}")
