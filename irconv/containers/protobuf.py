"""Protocol buffer messages of which a part is streamed from lazy tensors instead of being built in memory.

A message is the concatenation of its fields, in any order, and a submessage stands behind its length; so a large
message can be written as small pieces of bytes with raw tensor data between them, at positions known beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from irconv.containers.files import OutputFile, Progress, write_tensors
from irconv.containers.varints import varint
from irconv.ir.tensors import LazyTensor

Pieces: TypeAlias = list[bytes | LazyTensor]

_LENGTH_DELIMITED = 2


def field(number: int, content: Pieces) -> Pieces:
    """A length-delimited field made of pieces."""
    return [varint(number << 3 | _LENGTH_DELIMITED) + varint(size(content)), *content]


def size(pieces: Sequence[bytes | LazyTensor]) -> int:
    """Bytes the pieces take."""
    return sum(len(piece) if isinstance(piece, bytes) else piece.nbytes for piece in pieces)


def write(path: Path, pieces: Pieces, progress: Progress | None = None) -> None:
    """Write a message; tensors are streamed in tiles."""
    file = OutputFile(path)
    try:
        offset = 0
        placed: list[tuple[LazyTensor, int]] = []
        for piece in pieces:
            if isinstance(piece, bytes):
                file.write_bytes(piece, offset)
                offset += len(piece)
            else:
                placed.append((piece, offset))
                offset += piece.nbytes
        write_tensors(file, placed, progress)
    finally:
        file.close()


def join(pieces: Pieces) -> bytes:
    """The message in memory."""
    return b"".join(piece if isinstance(piece, bytes) else piece.numpy().tobytes() for piece in pieces)
