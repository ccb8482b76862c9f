"""``irconv check``."""

from __future__ import annotations

import sys
from typing import Literal

import click

from irconv.commands.options import FILE
from irconv.shell import DIFFERENT, Command, print_json, print_problems, say

_EXAMPLES = """
irconv check model.irconv
irconv check model.irconv --runtime numpy
irconv check model.irconv --no-probe -q
"""


@click.command(cls=Command, examples=_EXAMPLES, runs=True)
@click.argument("bundle", type=FILE)
@click.option("--runtime", type=click.Choice(["onnxruntime", "numpy"]), help="What runs the probe, if there is one.")
@click.option("--no-probe", "probe", is_flag=True, flag_value=False, default=True, help="Do not run the probe.")
def check(bundle: str, runtime: Literal["onnxruntime", "numpy"] | None, probe: bool, as_json: bool) -> None:
    """Check a bundle: digests, schema, shapes, provenance, and that it predicts what its probe says."""
    from irconv import api
    from irconv.errors import BundleInvalid

    if runtime is not None and not probe:
        raise click.UsageError("--runtime runs the probe, which --no-probe leaves.")
    problems = api.check(bundle, runtime, probe)
    if as_json:
        print_json({"bundle": bundle, "problems": [vars(problem) for problem in problems]})
    if problems:
        print_problems(BundleInvalid(problems))
        sys.exit(DIFFERENT)
    say(f"{bundle}: sound")
