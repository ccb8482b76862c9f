"""``irconv convert``."""

from __future__ import annotations

import sys
from typing import Any

import click

from irconv.commands.options import FILE, READING_OPTIONS, WRITING_OPTIONS, taken, with_options
from irconv.commands.printing import progress, shape, tell
from irconv.errors import Disagreement
from irconv.shell import DIFFERENT, Command, print_json, print_problems, reasons, say
from irconv.terminal import pasted

_EXAMPLES = """
irconv convert model.h5 model.onnx
irconv convert model.onnx model.py --dry-run
irconv convert model.h5 model.irconv --meta author=me
irconv convert weights/ model.keras --arch arch.json
"""


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("src", type=FILE)
@click.argument("dst", type=FILE)
@with_options(READING_OPTIONS)
@with_options(WRITING_OPTIONS)
@click.option(
    "--verify", is_flag=True, help="Run both, each in its own framework; write nothing where they differ (exit code 1)."
)
def convert(src: str, dst: str, verify: bool, as_json: bool, **flags: Any) -> None:
    """Convert SRC to DST; DST's suffix chooses the format (see `irconv formats`)."""
    from irconv import api
    from irconv.options import ReadOptions, WriteOptions

    read, write = taken(ReadOptions, flags), taken(WriteOptions, flags)
    try:
        with progress("writing") as bar:
            written = api.convert(src, dst, read, write, bar, verify)
    except Disagreement as error:
        if as_json:
            checked = [report.document() for report in error.reports]
            print_json({"files": [], "checked": checked, "exit_code": DIFFERENT, "reasons": reasons(error)})
        print_problems(error)
        sys.exit(DIFFERENT)
    if as_json:
        print_json(_document(written, verify))
    tell(written.told)
    for path in written.files:
        dialect = f" for {written.dialect}" if written.dialect else ""
        say(f"{'would write' if write.dry_run else 'wrote'} {path}{dialect}")
    for kind, port in _ports(written):
        turned = f", {port.source_axes} in the source" if port.axes != port.source_axes else ""
        axes = f" {port.axes}" if port.axes else ""
        made_by = f", which is {port.value}" if kind == "output" and port.value != port.name else ""
        said = f"{kind} {port.name}: {port.dtype} {shape(port.shape)}{axes}{turned}{made_by}"
        say(pasted(said), err=True)
    if written.checked:
        from irconv.report.verify import print_checked

        print_checked(written.checked)


def _ports(written: Any) -> list[tuple[str, Any]]:
    return [("input", port) for port in written.inputs] + [("output", port) for port in written.outputs]


def _document(written: Any, verified: bool) -> dict[str, Any]:
    described = [{"kind": kind, **port.model_dump(mode="json")} for kind, port in _ports(written)]
    files = [str(path) for path in written.files]
    document = {"format": written.format, "dialect": written.dialect, "files": files, "ports": described}
    document["told"] = [fact.model_dump(mode="json") for fact in written.told]
    document = {key: value for key, value in document.items() if value or key not in ("dialect", "told")}
    return document | ({"checked": [report.document() for report in written.checked]} if verified else {})
