"""Tells exported programs of PyTorch (``.pt2``) from its other archives, without what reads them."""

from __future__ import annotations

from pathlib import Path

from irconv.containers import zip as zips
from irconv.errors import DamagedFile, Refused


def recognises(path: Path) -> str:
    """Why a file is an exported program; see `irconv.frameworks.Reader`."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        if file.read(4) != zips.SIGNATURE:
            return ""
    try:
        return "is an archive of torch.export with archive_format" if _is_one(path) else ""
    except (DamagedFile, Refused):
        return ""


def _is_one(path: Path) -> bool:
    """Whether a zip is an archive of an exported program."""
    return any(name.rsplit("/", 1)[-1] == "archive_format" for name in zips.archive(path).members)
