"""``irconv plugin``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from irconv.commands.options import FILE, READING_OPTIONS, taken, with_options
from irconv.errors import Refused
from irconv.shell import Command, print_json, say

_EXAMPLES = """
irconv plugin own.h5 -o plugin.py
irconv plugin own.h5 -o plugin.py --force
"""


_OTHERS = (
    "A plugin can be written by hand for ops of TensorFlow (docs/plugins.md). A PyTorch module of your own is read "
    "with --module FILE.py:Class, or from torch.export's .pt2."
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("src", type=FILE)
@click.option("-o", "--output", required=True, type=FILE, metavar="PLUGIN.py", help="Where the plugin goes.")
@click.option("--force", is_flag=True, help="Replace the output where it exists.")
@with_options(READING_OPTIONS)
def plugin(src: str, output: str, force: bool, as_json: bool, **flags: Any) -> None:
    """Begin a plugin for the layers of SRC that irconv has no rule for, to be completed by hand.

    It has a class and a codec for each class of the file, with the settings and weights found there, and raises until
    each says what it computes. Complete it, and give it with --plugin.
    """
    from irconv import api
    from irconv.containers.outputs import whole_output
    from irconv.options import ReadOptions
    from irconv.report.spelt import skeleton, unknown

    options = taken(ReadOptions, flags)
    found = api.native(src, options)
    if found is None:
        what = "expected a model of Keras, or a graph of ONNX with operators that irconv has no rule for"
        raise Refused(src, what, _OTHERS)
    text = skeleton(*found, Path(src).name)
    if not text:
        raise Refused(src, "every layer of it has a rule, so that it needs no plugin")
    with whole_output(force, sources=[Path(src), *options.paths]) as whole:
        whole.path(Path(output)).write_text(text, encoding="utf-8")
    classes = list(unknown(*found))
    if as_json:
        print_json({"files": [output], "classes": classes})
    say(f"wrote {output}: {len(classes)} to complete: {', '.join(classes)}")
