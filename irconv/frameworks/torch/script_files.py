"""Tells TorchScript from other archives of PyTorch, without what reads it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

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
        mark = mark_of(zips.Archive(path).members)
    except (DamagedFile, Refused):
        return ""
    return f"is a TorchScript archive with {mark}" if mark else ""


def mark_of(members: dict[str, zips.Member]) -> str:
    """The member that says that an archive is TorchScript; empty where none does."""
    paths = [PurePosixPath(name) for name in members]
    if any(path.name == "archive_format" for path in paths):
        return ""
    code = any(path.suffix == ".py" and "code" in path.parts for path in paths)
    marks = [str(path) for path in paths if path.name == "constants.pkl" or (path.name == "model.json" and code)]
    return marks[0] if marks else ""
