"""Tells TorchScript from other archives of PyTorch, without what reads it."""

from __future__ import annotations

from pathlib import Path

from irconv.containers import zip as zips
from irconv.errors import DamagedFile, Refused


def recognises(path: Path) -> str:
    """Why a file is TorchScript; see `irconv.frameworks.Reader`."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        if file.read(4) != zips.SIGNATURE:
            return ""
    try:
        mark = mark_of(zips.archive(path).members)
    except (DamagedFile, Refused):
        return ""
    return f"is a TorchScript archive with {mark}" if mark else ""


def mark_of(members: dict[str, zips.Member]) -> str:
    """The member that says that an archive is TorchScript; empty where none does."""
    names = {path: path.rpartition("/")[2] for path in members}
    if "archive_format" in names.values():
        return ""
    code = any(path.endswith(".py") and "code" in path.split("/") for path in names)
    marks = [path for path, name in names.items() if name == "constants.pkl" or (name == "model.json" and code)]
    return marks[0] if marks else ""
