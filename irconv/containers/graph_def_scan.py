"""Reads messages with large constants without the constants: each is left out, and where it lies is noted instead.

A message is a row of fields, each with its number and, for most, its length; so large ones are passed over by seeking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field

from irconv.containers.files import SourceFile
from irconv.containers.varints import read_varint, varint
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile

LARGE = 1 << 16
"""Bytes from which a part of a message is looked into, and a constant left out."""
MOST_BYTES = 1 << 29
"""What may be left of a message, read into memory."""
_DEEPEST = 100  # what protocol buffers allow
_TAG = 24  # more than a field's number and its length take
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_OFFSET, _SIZE = 536870910, 536870911  # left_out_offset, left_out_size in tensorflow.proto

_INNER: Mapping[str, Mapping[int, str]] = {
    "SavedModel": {2: "MetaGraphDef"},
    "MetaGraphDef": {2: "GraphDef"},
    "GraphDef": {1: "NodeDef", 2: "FunctionDefLibrary"},
    "FunctionDefLibrary": {1: "FunctionDef"},
    "FunctionDef": {3: "NodeDef"},
    "NodeDef": {5: "AttrEntry"},
    "AttrEntry": {2: "AttrValue"},
    "AttrValue": {8: "TensorProto", 1: "ListValue"},
    "ListValue": {8: "TensorProto"},
}
"""Message -> the fields in which a large constant may lie."""
_RAW = {4, 5, 6}
"""The fields of a TensorProto whose bytes are those of the tensor: raw content, and packed floats and doubles."""
_OVERSIGHT = {"GraphDef": {5}, "MetaInfoDef": {2}}
"""Fields that irconv has no use for: source lines of the program that made the graph, the list of all operations."""


def _marked(offset: int, size: int) -> bytes:
    return varint(_OFFSET << 3) + varint(offset) + varint(_SIZE << 3) + varint(size)


@dataclass(frozen=True)
class Scheme:
    """Where the constants of a family of messages may lie, and how it is said of one that it was left out."""

    inner: Mapping[str, Mapping[int, str]]
    """Message -> the fields in which a large constant may lie."""
    raw: frozenset[int]
    """The fields of a TensorProto whose bytes are those of the tensor."""
    oversight: Mapping[str, set[int]]
    """Message -> fields that irconv has no use for."""
    mark: Callable[[int, int], bytes]
    """Offset and size of the bytes -> the field that stands in their place."""


TENSORFLOW = Scheme(_INNER, frozenset(_RAW), _OVERSIGHT, _marked)


@dataclass
class Left:
    """What is left of a message."""

    content: bytearray = field(default_factory=bytearray)
    large: list[tuple[int, int]] = field(default_factory=list)
    """Offset and size of each part that was left out."""


def without_constants(file: SourceFile, message: str, where: str, scheme: Scheme = TENSORFLOW) -> Left:
    """A whole file as a message without its large constants. Raises `DamagedFile`."""
    left = Left()
    try:
        left.content += _reduced(file, 0, file.size, message, left, 0, scheme)
    except ValueError as error:
        raise DamagedFile(where, f"expected a {message}: {error}") from error
    return left


def _reduced(file: SourceFile, start: int, end: int, message: str, left: Left, depth: int, scheme: Scheme) -> bytes:
    """A part of a file as a message without its large constants."""
    if end - start < LARGE or message not in (*scheme.inner, "TensorProto"):
        return _plain(file, start, end, message)
    inner, made = scheme.inner.get(message, {}), bytearray()
    if depth > _DEEPEST:
        raise ValueError("messages inside messages without end")
    position = copied = start
    while position < end:
        number, kind, body, stop = _field(file, position, end)
        large = kind == _LENGTH and stop - body >= LARGE
        if large and (number in inner or (message == "TensorProto" and number in scheme.raw)):
            made += _plain(file, copied, position, message)
            if number in inner:
                part = _reduced(file, body, stop, inner[number], left, depth + 1, scheme)
                made += varint(number << 3 | _LENGTH) + varint(len(part)) + part
            else:
                left.large.append((body, stop - body))
                made += scheme.mark(body, stop - body)
            copied = stop
        elif number in scheme.oversight.get(message, ()):
            made += _plain(file, copied, position, message)
            copied = stop
        if len(made) > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES} bytes besides its constants")
        position = stop
    return bytes(made + _plain(file, copied, end, message))


def _plain(file: SourceFile, start: int, end: int, message: str) -> bytes:
    if end - start > MOST_BYTES:
        raise ValueError(f"a part of {end - start} bytes that is no constant")
    content = bytearray(end - start)
    file.read_into(memoryview(content), start)
    return bytes(content)


def _field(file: SourceFile, position: int, end: int) -> tuple[int, int, int, int]:
    """The field at a position: its number, its kind, where its content begins and where it ends."""
    raw = bytearray(min(_TAG, end - position))
    file.read_into(memoryview(raw), position)
    head = bytes(raw)
    tag, used = read_varint(head, 0)
    number, kind = tag >> 3, tag & 7
    if kind == _LENGTH:
        size, used = read_varint(head, used)
    elif kind == _VARINT:
        _, after = read_varint(head, used)
        size = after - used
    elif kind in (_FIXED64, _FIXED32):
        size = 8 if kind == _FIXED64 else 4
    else:
        raise ValueError(f"a field of kind {kind} at byte {position}")
    body = position + used
    if body + size > end or number == 0:
        raise ValueError(f"field {number} at byte {position} goes beyond its message")
    return number, kind, body, body + size
