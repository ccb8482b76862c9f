"""What a file may make a reader do, in proportion to its size: small files with large appetites are refused."""

from __future__ import annotations

UNPACKED, UNPACKED_TIMES = 64 * 2**20, 64
"""Bytes that compressed data may unpack to: so many, and so many times the bytes of the file."""


def unpacked(stored: int) -> int:
    """The most bytes that so many compressed ones may unpack to. Weights, and even masks of zeros and ones in 32 bits
    each, pack into a fiftieth at best; what packs into a thousandth is nothing but zeros.

    >>> unpacked(1_000_000) // 2**20
    125
    """
    return UNPACKED + UNPACKED_TIMES * stored
