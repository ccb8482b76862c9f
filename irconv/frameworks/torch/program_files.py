"""Tells exported programs of PyTorch (``.pt2``) from its other archives, without what reads them."""

from __future__ import annotations

from pathlib import Path

from irconv.containers import zip as zips
from irconv.errors import DamagedFile, Refused

FIRST = "serialized_exported_program.json"
"""The member that holds the graph in archives of PyTorch 2.1 to 2.7."""


def recognises(path: Path) -> str:
    """Why a file is an exported program; see `irconv.frameworks.Reader`."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        if file.read(4) != zips.SIGNATURE:
            return ""
    try:
        mark = _mark(path)
        return f"is an archive of torch.export with {mark}" if mark else ""
    except (DamagedFile, Refused):
        return ""


def _mark(path: Path) -> str:
    """The member that says that a zip is an archive of an exported program."""
    members = zips.archive(path).members
    if any(name.rsplit("/", 1)[-1] == "archive_format" for name in members):
        return "archive_format"
    return FIRST if FIRST in members else ""
