"""``irconv upgrade``."""

from __future__ import annotations

import click

from irconv.commands.options import FILE
from irconv.shell import Command, print_json, say

_EXAMPLES = """
irconv upgrade old.irconv -o new.irconv
irconv upgrade old.irconv.zip -o new.irconv
"""


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("bundle", type=FILE)
@click.option("-o", "--output", required=True, type=FILE, metavar="NEW.irconv", help="Where today's bundle goes.")
@click.option("--force", is_flag=True, help="Replace the output where it exists.")
def upgrade(bundle: str, output: str, force: bool, as_json: bool) -> None:
    """Write a bundle of an older format in today's. The numbers stay bit for bit what they are.

    Older bundles are read as they are, too; a newer irconv reads every format before it.
    """
    from irconv import api

    before, after = api.upgrade(bundle, output, force)
    if as_json:
        print_json({"files": [output], "before": before, "after": after})
    say(f"wrote {output}: format {after}, {'as' if before == after else before} before")
