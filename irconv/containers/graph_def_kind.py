"""Which of TensorFlow's messages a file holds, told by its first bytes alone, binary or text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from irconv.containers.varints import read_varint

Kind = Literal["GraphDef", "MetaGraphDef", "SavedModel"]

SAVED_MODEL = "saved_model.pb", "saved_model.pbtxt"
FIRST_FIELDS: Mapping[bytes, Kind] = {
    b"node": "GraphDef",
    b"versions": "GraphDef",
    b"meta_info_def": "MetaGraphDef",
    b"graph_def": "MetaGraphDef",
    b"saved_model_schema_version": "SavedModel",
}
FIRST_WORD = re.compile(rb"\s*(?:#[^\n]*\n\s*)*(\w+)\s*[:{]")


def kind_of(path: Path) -> Kind | None:
    """Which message a file holds, by its first fields, as binary or as text; None for anything else."""
    with path.open("rb") as file:
        head = file.read(1 << 12)
        size = file.seek(0, 2)
    if (word := FIRST_WORD.match(head)) and word[1] in FIRST_FIELDS:
        return FIRST_FIELDS[word[1]]
    return _binary_kind(head, size)


def _binary_kind(head: bytes, size: int) -> Kind | None:
    """By what the first field holds. A SavedModel begins with its version, then a MetaGraphDef; a GraphDef with a node,
    which is a name and an operation; a MetaGraphDef with a list of operations, with tags, or with versions."""
    try:
        tag, position = read_varint(head, 0)
        if tag == _VERSION:
            number, position = read_varint(head, position)
            outer, first, _ = _opened(head, position, size)
            # An ONNX model begins with a version and a text, too, but no text begins with a line feed.
            return "SavedModel" if number == 1 and outer == _SECOND and first in _META else None
        tag, first, position = _opened(head, 0, size)
        if tag == _FIRST_FIELD and first == _FIRST_FIELD:
            name, position = _bytes(head, position)
            tag, position = read_varint(head, position)
            return "GraphDef" if _NAME.match(name) and tag == _SECOND and _OP.match(_bytes(head, position)[0]) else None
        if tag == _FIRST_FIELD and first in _INFO:
            return "MetaGraphDef"
        return "MetaGraphDef" if tag == _SECOND and first == _FIRST_FIELD else None
    except ValueError:
        return None


_VERSION, _FIRST_FIELD, _SECOND = 0x08, 0x0A, 0x12
_META, _INFO = (0x0A, 0x12), (0x12, 0x22, 0x2A, 0x32, 0x38)
_NAME, _OP = re.compile(rb"[A-Za-z0-9.][A-Za-z0-9_.\\/>:-]*\Z"), re.compile(rb"[A-Za-z_>][A-Za-z0-9_>]*\Z")


def _opened(head: bytes, position: int, size: int) -> tuple[int, int, int]:
    """The tag of a field that holds a message, the first tag in it, and what is behind that. Raises `ValueError`."""
    tag, position = read_varint(head, position)
    length, position = read_varint(head, position)
    if not 0 < length <= size - position:
        raise ValueError("beyond the file")
    return tag, *read_varint(head, position)


def _bytes(head: bytes, position: int) -> tuple[bytes, int]:
    size, position = read_varint(head, position)
    return head[position : position + size], position + size
