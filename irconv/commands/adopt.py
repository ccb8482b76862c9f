"""``irconv adopt``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from irconv.commands.options import FILE, READING_OPTIONS, taken, with_options
from irconv.shell import DIFFERENT, Command, print_json

_EXAMPLES = """
irconv adopt model.h5 --like theirs.safetensors -o mine.safetensors
irconv adopt model.h5 --like theirs.safetensors --plan map.json
irconv adopt theirs.safetensors --rename 'dense=head' -o renamed.safetensors
"""


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("src", type=FILE)
@click.option("--like", "target", type=FILE, metavar="TARGET", help="FILE.py:CLASS, which is run, or a file.")
@click.option("-o", "--output", type=FILE, metavar="OUT", help="Where the target's weights go.")
@click.option(
    "--flatten",
    multiple=True,
    metavar="LAYER=HxWxC",
    help="Height, width and channels of the image that a layer takes flattened.",
)
@click.option("--partial", is_flag=True, help="Leave as it is what one side alone has.")
@click.option(
    "--map",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="MAP.json",
    help="Which layer is which, where nothing else says it.",
)
@click.option(
    "--plan", "planned", type=FILE, metavar="MAP.json", help="Write such a map for editing, instead of weights."
)
@click.option(
    "--rename", multiple=True, metavar="REGEX=NAME", help="What names of SRC are called in TARGET; repeat for more."
)
@click.option("--verify", is_flag=True, help="Run SRC and TARGET on the same random inputs, layer by layer.")
@click.option("--force", is_flag=True, help="Replace OUT where it exists.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@with_options(READING_OPTIONS)
def adopt(src: str, target: str | None, output: str | None, planned: str | None, as_json: bool, **flags: Any) -> None:
    """Put the weights of SRC into TARGET, a network of your own: by graph, shape, order and names, never by a guess.

    Without --like, --rename alone changes names. Exit code 1: with --verify, the two compute something else.
    """
    from irconv import api
    from irconv.options import AdoptOptions, ReadOptions, WriteOptions, given
    from irconv.report import adoption

    options, said, writing = (taken(kind, flags) for kind in (AdoptOptions, ReadOptions, WriteOptions))
    if target is None:
        if not options.rename or output is None or planned or given(options).keys() - {"rename"}:
            raise click.UsageError("Give --like TARGET, or --rename and -o alone.")
        names = api.rename(src, options.rename, output, said, writing)
        if as_json:
            print_json({"renamed": names, "files": [output]})
        adoption.print_renames(names, output)
        return
    if planned is not None:
        found = api.plan(src, target, planned, options, said, writing)
        if as_json:
            print_json({"plan": planned, **adoption.plan_counts(found)})
        adoption.print_plan(found, planned)
        return
    if output is None:
        raise click.UsageError("Give -o OUT, or --plan MAP.json.")
    adopted = api.adopt(src, target, output, options, said, writing)
    if as_json:
        print_json(adopted.document())
    else:
        adoption.print_adoption(adopted, writing.dry_run)
    if adopted.parts:
        sys.exit(DIFFERENT)
