"""``irconv run``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from irconv.commands.options import FILE, READING_OPTIONS, taken, with_options
from irconv.commands.printing import shape, tell
from irconv.shell import Command, print_json, say

_EXAMPLES = """
irconv run model.h5 --input x.npy
irconv run model.h5 --input x.npy --output y.npy
irconv run model.onnx --input batch.npz --output y.npz --runtime numpy
irconv run model.irconv --input digit.png --output y.npy
"""


@click.command(cls=Command, examples=_EXAMPLES, runs=True)
@click.argument("model", type=FILE)
@click.option(
    "--input",
    "arrays",
    multiple=True,
    required=True,
    type=FILE,
    metavar="[NAME=]X",
    help="An input: .npy, .npz or an image; repeat for more. One .npz has all of them by name.",
)
@click.option(
    "-o",
    "--output",
    type=FILE,
    metavar="Y.npy|Y.npz",
    help="Where the outputs go, .npz for several. Without it they are printed, long ones in part.",
)
@click.option("--runtime", type=click.Choice(["onnxruntime", "numpy"]), help="[default: onnxruntime where installed]")
@click.option(
    "--io",
    type=click.Choice(["native", "source"]),
    default="source",
    show_default=True,
    help="Axes of the arrays: as the source had them, or channels-first.",
)
@click.option(
    "--pixels",
    type=click.FloatRange(0, min_open=True),
    metavar="MAX",
    help="What white is in an image that is an input of floats. [default: 255 for a model that divides it, else 1]",
)
@click.option("--force", is_flag=True, help="Replace the output where it exists.")
@with_options(READING_OPTIONS)
def run(
    model: str,
    arrays: tuple[str, ...],
    output: str | None,
    force: bool,
    pixels: float | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Predict with MODEL, any file that irconv reads, without its framework."""
    from irconv import api
    from irconv.containers.arrays import check_output, input_paths, write_outputs
    from irconv.options import ReadOptions
    from irconv.verification.given import read_given
    from irconv.verification.pictures import as_arrays

    options = taken(ReadOptions, flags)
    given, sources = read_given(arrays), [Path(model), *options.paths, *input_paths(arrays)]
    if output is not None:
        check_output(Path(output), force, sources)
    bundle = api.read(model, options)
    tell(bundle.source.to_tell())
    inputs, notes = as_arrays(bundle, given, flags["io"], pixels)
    for note in notes:
        say(note, err=True)
    results = api.run(bundle, inputs, flags["runtime"], flags["io"])
    if output is not None:
        write_outputs(Path(output), results, force, sources)
    if as_json:
        described = [{"name": k, "dtype": str(v.dtype), "shape": list(v.shape)} for k, v in results.items()]
        print_json({"files": [output] if output is not None else [], "outputs": described, "notes": notes})
    for name, array in results.items():
        say(f"{name}: {array.dtype} {shape(array.shape)}", err=True)
        if output is None:
            for line in str(array).splitlines():
                say(line)
    if output is not None:
        say(f"wrote {output}")
