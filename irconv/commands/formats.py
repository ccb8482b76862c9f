"""``irconv formats``."""

from __future__ import annotations

from typing import Any

import click

from irconv.shell import Command, print_json

_EXAMPLES = """
irconv formats
irconv formats --json
"""


@click.command(cls=Command, examples=_EXAMPLES)
def formats(as_json: bool) -> None:
    """List every reader and writer, and which runtimes are installed."""
    from importlib.util import find_spec

    from irconv.frameworks import readers, writers
    from irconv.verification.runtimes import RUNTIMES

    runtimes = {name: find_spec(name) is not None for name in ("onnxruntime", "torch", "tensorflow")}
    verifying = {name: runtime.found() for name, runtime in RUNTIMES.items()}
    if as_json:
        listed: dict[str, Any] = {
            "readers": [{"name": r.name, "description": r.description} for r in readers()],
            "writers": [{"name": w.name, "suffixes": w.suffixes, "description": w.description} for w in writers()],
            "runtimes": runtimes,
            "verify": verifying,
        }
        print_json(listed)
        return
    from irconv.report.formats import print_formats

    print_formats(readers(), writers(), runtimes, verifying)
