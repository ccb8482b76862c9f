"""Small pictures as PNG, for pages that hold everything themselves."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from irconv.layout import Array

_ANCHORS = ((250, 250, 245), (254, 217, 118), (253, 141, 60), (227, 26, 28), (110, 0, 30))
"""Colours from nothing to the most: light to dark, so that it reads without colour, too."""


_SIGNED = ((26, 82, 158), (122, 176, 222), (247, 247, 242), (236, 140, 108), (160, 24, 36))
"""Colours from far below zero to far above."""


def heat_map(grid: Array) -> bytes:
    """A grid of numbers from 0 on as a picture with a pixel for each; the largest is the darkest."""
    most = float(grid.max()) if grid.size else 0.0
    levels = (grid / most * 255).round().astype(np.uint8) if most > 0 else np.zeros(grid.shape, np.uint8)
    return _picture(levels, _ANCHORS)


def signed_map(grid: Array) -> bytes:
    """A grid of numbers as a picture with a pixel for each: zero is light, the largest number of either sign darkest;
    what is no finite number is as light as zero."""
    known = np.where(np.isfinite(grid), grid, 0.0)
    most = float(np.abs(known).max()) if known.size else 0.0
    scaled = known / most if most > 0 else known
    return _picture((127.5 + 127.5 * scaled).round().astype(np.uint8), _SIGNED)


def _picture(levels: Array, anchors: Sequence[tuple[int, int, int]]) -> bytes:
    height, width = levels.shape
    lines = b"".join(b"\0" + row.tobytes() for row in levels)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)  # 8 bits a pixel, by palette
    chunks = ((b"IHDR", head), (b"PLTE", _palette(anchors)), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _palette(anchors: Sequence[tuple[int, int, int]]) -> bytes:
    colours: list[int] = []
    steps = 256 // (len(anchors) - 1)
    for low, high in pairwise(anchors):
        for step in range(steps):
            colours += [round(a + (b - a) * step / (steps - 1)) for a, b in zip(low, high, strict=True)]
    return bytes(colours)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
