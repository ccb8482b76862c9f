"""The floor: what any program in Python has to do that reads weights, turns them, and writes the same bytes.

``python -m benchmarks.floor MODEL FOLDER OUTPUT [turned] [checked]`` reads ``MODEL.raw`` tensor by tensor and writes
one file; with ``turned`` each matrix and kernel is written with its channels at the other end, with ``checked`` the
CRC32C of each tensor is computed before, as the formats demand that keep one. Like irconv it flushes the file to the
disk. ``python -m benchmarks.floor`` alone imports what reading a file takes.
"""

from __future__ import annotations

import json
import os
import sys
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

_ORDERS = {2: (1, 0), 4: (3, 2, 0, 1)}
_ROWS = 64
_BYTES = 2**20


def copied(source: BinaryIO, destination: BinaryIO, nbytes: int) -> None:
    """Write so many bytes as they are, through a buffer that fits the cache."""
    buffer = memoryview(bytearray(_BYTES))
    while nbytes:
        count = source.readinto(buffer[: min(_BYTES, nbytes)])  # type: ignore[attr-defined]
        destination.write(buffer[:count])
        nbytes -= count


def turned(source: BinaryIO, destination: BinaryIO, shape: tuple[int, ...]) -> None:
    """Write an array with its channels at the other end, some of its rows at a time."""
    array = np.fromfile(source, np.float32, prod(shape)).reshape(shape).transpose(_ORDERS[len(shape)])
    for row in range(0, len(array), _ROWS):
        destination.write(np.ascontiguousarray(array[row : row + _ROWS]).data)


def checked(source: BinaryIO, nbytes: int) -> None:
    """Compute the CRC of what comes next, and go back to its start."""
    import crc32c

    buffer, crc, start = memoryview(bytearray(_BYTES)), 0, source.tell()
    while nbytes:
        count = source.readinto(buffer[: min(_BYTES, nbytes)])  # type: ignore[attr-defined]
        crc = crc32c.crc32c(buffer[:count], crc)
        nbytes -= count
    source.seek(start)


def main(model: str, folder: Path, output: Path, turn: bool, check: bool) -> None:
    """Read, check, turn, write."""
    shapes = [tuple(shape) for shape in json.loads((folder / f"{model}.shapes").read_text())]
    with (folder / f"{model}.raw").open("rb", buffering=0) as source, output.open("xb") as destination:
        for shape in shapes:
            if check:
                checked(source, 4 * prod(shape))
            if turn and len(shape) in _ORDERS:
                turned(source, destination, shape)
            else:
                copied(source, destination, 4 * prod(shape))
        destination.flush()
        os.fsync(destination.fileno())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), "turned" in sys.argv[4:], "checked" in sys.argv[4:])
    else:
        import h5py  # noqa: F401
