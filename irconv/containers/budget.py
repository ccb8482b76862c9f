"""What a file may make a reader do, in proportion to its size: small files with large appetites are refused."""

from __future__ import annotations

TEXT, TEXT_TIMES = 8 * 2**20, 32
"""Bytes that a compressed JSON or pickle may unpack to, of which every one may become an object of a hundred bytes."""
UNPACKED, UNPACKED_TIMES = 64 * 2**20, 64
"""Bytes that compressed data may unpack to: so many, and so many times the bytes of the file."""


NODES, BYTES_OF_NODE = 5000, 16
"""Nodes that the functions and loops of a graph may be written out into: so many, and one for every so many bytes."""


def nodes(stored: int) -> int:
    """The most nodes that a graph in a file of so many bytes may be written out into.

    >>> nodes(0), nodes(1_600_000)
    (5000, 105000)
    """
    return NODES + stored // BYTES_OF_NODE


def unpacked(stored: int) -> int:
    """The most bytes that so many compressed ones may unpack to. Weights, and even masks of zeros and ones in 32 bits
    each, pack into a fiftieth at best; what packs into a thousandth is nothing but zeros.

    >>> unpacked(1_000_000) // 2**20
    125
    """
    return UNPACKED + UNPACKED_TIMES * stored


def text(stored: int) -> int:
    """The most bytes that a compressed text of so many may unpack to.

    >>> text(1_000_000) // 2**20
    38
    """
    return TEXT + TEXT_TIMES * stored
