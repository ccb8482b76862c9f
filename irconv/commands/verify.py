"""``irconv verify``."""

from __future__ import annotations

import sys
from typing import Any

import click

from irconv.commands.options import FILE, reading
from irconv.shell import DIFFERENT, Command, print_json

_EXAMPLES = """
irconv verify model.onnx model.irconv
irconv verify model.h5 model.onnx --layers
irconv verify model.h5 model.irconv --input x.npy
"""


@click.command(cls=Command, examples=_EXAMPLES, runs=True)
@click.argument("a", type=FILE)
@click.argument("b", type=FILE)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    type=FILE,
    metavar="[NAME=]X",
    help="An input: .npy, .npz or an image, in the axes of either side; repeat for more. [default: random ones]",
)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="How many sets of random inputs.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    help="Largest difference over largest value. [default: by element type, 1e-5 for float32]",
)
@click.option("--layers", is_flag=True, help="Compare every layer, too, and name the first at which A and B part.")
@click.option("--a", "flags_a", metavar="'FLAGS'", callback=reading, help="How to read A: flags of `inspect`, quoted.")
@click.option("--b", "flags_b", metavar="'FLAGS'", callback=reading, help="How to read B.")
def verify(
    a: str,
    b: str,
    inputs: tuple[str, ...],
    seeds: int,
    tolerance: float | None,
    layers: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Run A and B, each in its own framework, on the same inputs, and compare what they predict.

    Python files that irconv wrote for PyTorch and Theano are run. Exit code 0: they agree; 1: they differ; 3: refused.
    """
    from irconv import api
    from irconv.report.verify import print_report
    from irconv.verification.given import read_given

    given = read_given(inputs) if inputs else None
    report = api.verify(a, b, given, seeds, tolerance, layers, flags["flags_a"], flags["flags_b"])
    if as_json:
        print_json(report.document())
    else:
        print_report(report)
    if not report.agree:
        sys.exit(DIFFERENT)
