"""Which folders are irconv's own: those that `--force` may replace."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from irconv.errors import MALFORMED
from irconv.frameworks.theano.architecture import FORMAT

_SAID = b"written by irconv"
_HEAD = 1 << 14
_MOST_TEXT = 1 << 28


def own_files(folder: Path) -> Collection[str] | None:
    """The files of a ``.theano`` folder that irconv wrote: what arch.json names, and the two texts; None for another.

    Its model.py says whose it is in its first lines; a folder with an arch.json alone is its user's.
    """
    source, architecture = folder / "model.py", folder / "arch.json"
    try:
        with source.open("rb") as file:
            if _SAID not in file.read(_HEAD):
                return None
        if architecture.stat().st_size > _MOST_TEXT:
            return None
        data = json.loads(architecture.read_bytes())
        if data["format"] != FORMAT:
            return None
        files = [place["file"] for place in data["weights"]["arrays"].values()]
        return {"model.py", "arch.json", *files} if all(isinstance(name, str) for name in files) else None
    except (OSError, RecursionError, *MALFORMED):
        return None
