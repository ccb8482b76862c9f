"""Tells models of ONNX by how they begin, without the package that reads them."""

from __future__ import annotations

from pathlib import Path

from irconv.containers.graph_def_kind import kind_of

CORE_ML = ".mlmodel"
"""The suffix of a kind of model that begins as ONNX models do."""


def recognises(path: Path) -> str:
    """Why a file is a model of ONNX; see `irconv.frameworks.Reader`."""
    if not path.is_file() or path.suffix == CORE_ML or not _looks_like_one(path):
        return ""
    return "begins as a ModelProto of ONNX does"


def _looks_like_one(path: Path) -> bool:
    """Whether a file begins as ONNX models do: with the number of the format, then a producer or a graph."""
    with path.open("rb") as file:
        head = file.read(3)
    # ir_version (field 1, a number of one byte), then another field of ModelProto; a SavedModel of TensorFlow has a
    # version, too, and then a message where ONNX has a text
    begins = len(head) == 3 and head[0] == 0x08 and 0 < head[1] < 0x40 and head[2] in _NEXT_TAGS
    return begins and kind_of(path) != "SavedModel"


_NEXT_TAGS = frozenset(number << 3 | kind for number, kind in ((2, 2), (3, 2), (4, 2), (5, 0), (6, 2), (7, 2), (8, 2)))
