"""Which folders are irconv's own SavedModels: those that `--force` may replace."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

MADE_BY = "irconv"
"""Stands near the beginning of the graph, where TensorFlow notes the commit that it was built of."""
_HEAD = 1 << 12
GRAPH = "saved_model.pb"
VARIABLES = "variables/variables"
_SHARD = f"{VARIABLES}.data-00000-of-00001"


def own_files(folder: Path) -> Collection[str] | None:
    """The files of a SavedModel that irconv wrote; None for another's."""
    try:
        with (folder / GRAPH).open("rb") as file:
            written = f"{MADE_BY} ".encode() in file.read(_HEAD)
    except OSError:
        return None
    return {GRAPH, f"{VARIABLES}.index", _SHARD} if written else None
