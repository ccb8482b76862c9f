"""Tells bundles from other files and folders, without what reads them: every reader is asked about every file."""

from __future__ import annotations

from pathlib import Path

from irconv.containers.zip import SIGNATURE

_MANIFEST, _ZIPPED = "manifest.json", ".irconv.zip"


def recognises(path: Path) -> str:
    """Why this is a bundle: a folder with a manifest, or a zip of one; empty where it is none."""
    if path.is_dir():
        return f"is a folder with {_MANIFEST}" if (path / _MANIFEST).is_file() else ""
    if not path.name.endswith(_ZIPPED):
        return ""
    with path.open("rb") as file:
        return f"is a zip whose name ends in {_ZIPPED}" if file.read(4) == SIGNATURE else ""
