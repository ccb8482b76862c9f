"""``irconv textconv``."""

from __future__ import annotations

from typing import Any

import click

from irconv.commands.options import FILE, READING_OPTIONS, taken, with_options
from irconv.shell import Command, print_json, say

_EXAMPLES = """
irconv textconv model.h5
irconv textconv model.onnx
"""


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("model", type=FILE)
@with_options(READING_OPTIONS)
def textconv(model: str, as_json: bool, **flags: Any) -> None:
    """Print MODEL as lines of text, the same for every format: a textconv driver for git (see docs/diff.md)."""
    from irconv import api
    from irconv.comparison.text import lines
    from irconv.options import ReadOptions

    found = [*lines(api.read(model, taken(ReadOptions, flags)))]
    if as_json:
        print_json({"model": model, "lines": found})
    for line in found:
        say(line)
