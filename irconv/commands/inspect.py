"""``irconv inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from irconv.commands.options import FILE, READING_OPTIONS, taken, with_options
from irconv.errors import IrconvError, Refused
from irconv.shell import Command, print_json, say

if TYPE_CHECKING:
    from irconv.ir.bundle import Bundle
    from irconv.options import ReadOptions

_EXAMPLES = """
irconv inspect model.h5
irconv inspect model.onnx --layer dense
irconv inspect model.h5 --tensor dense.kernel
irconv inspect model.irconv --json
"""


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("src", type=FILE)
@click.option("--layer", metavar="NAME", help="Show all of one layer: settings, weights, shapes, what it was.")
@click.option("--tensor", metavar="NAME", help="Show all of one tensor, by its name here or in the file: numbers, too.")
@click.option("--html", type=click.Path(path_type=Path), metavar="PAGE", help="Write one self-contained page.")
@click.option("--force", is_flag=True, help="Replace the page where it exists.")
@with_options(READING_OPTIONS)
def inspect(
    src: str, layer: str | None, tensor: str | None, html: Path | None, force: bool, as_json: bool, **flags: Any
) -> None:
    """Show layers, parameters, layouts and shapes of SRC, and what is not known.

    On a terminal the table is a tree of modules; in a pipe every layer has one line, with its settings and weights.
    """
    from irconv import api
    from irconv.options import ReadOptions

    if sum(what is not None for what in (layer, tensor, html)) > 1:
        raise click.UsageError("Give one of --layer, --tensor and --html.")
    if force and html is None:
        raise click.UsageError("--force replaces the page of --html, which is not given.")
    options = taken(ReadOptions, flags)
    if html is not None:
        from irconv.containers.outputs import check_free

        check_free(html, force, [Path(src), *options.paths])
    plain = html is None and layer is None and tensor is None and not as_json
    try:
        bundle = api.read(src, options)
    except Refused:
        if plain:
            _spelt(src, options)
        raise
    if html is not None:
        from irconv.report.model_page import write_page

        write_page(bundle, html, force)
        if as_json:
            print_json({"files": [str(html)]})
        say(f"wrote {html}")
    elif layer is not None or tensor is not None:
        _closer(bundle, layer, tensor, as_json)
    elif as_json:
        print_json(bundle.manifest().model_dump(mode="json"))
    else:
        from irconv.report.inspect import print_bundle

        print_bundle(bundle)


def _spelt(src: str, options: ReadOptions) -> None:
    """Show what the model has though some layers have no rule; nothing where that is not why it was refused."""
    from irconv import api
    from irconv.report.spelt import print_spelt

    try:
        found = api.native(src, options)
    except IrconvError:
        return
    if found is not None:
        print_spelt(*found)


def _closer(bundle: Bundle, layer: str | None, tensor: str | None, as_json: bool) -> None:
    from irconv.report import closer

    if layer is not None:
        made = closer.layer_document(bundle, layer) if as_json else closer.layer_lines(bundle, layer)
    else:
        assert tensor is not None, "one of them is given"
        made = closer.tensor_document(bundle, tensor) if as_json else closer.tensor_lines(bundle, tensor)
    if isinstance(made, dict):
        print_json(made)
        return
    for line in made:
        say(line)
