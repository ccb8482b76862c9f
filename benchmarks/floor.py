"""The floor: what any program in Python has to do that reads weights, turns them, and writes the same bytes.

``python -m benchmarks.floor MODEL FOLDER OUTPUT [turned] [crc32] [crc32c]`` reads ``MODEL.raw`` tensor by tensor and
writes one file; with ``turned`` each matrix and kernel is written with its channels at the other end, with ``crc32`` or
``crc32c`` the sum of each tensor is computed, as the formats demand that keep one: zips (``.keras``, ``.pt``) and
TensorFlow's checkpoints. Like irconv it flushes the file to the disk. ``python -m benchmarks.floor`` alone imports what
reading a file takes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np

Sums: TypeAlias = Sequence[Callable[[memoryview, int], int]]

_ORDERS = {2: (1, 0), 4: (3, 2, 0, 1)}
_ROWS = 64
_BYTES = 2**20


def summing(name: str) -> Callable[[memoryview, int], int]:
    """The function that adds bytes to a sum."""
    if name == "crc32":
        from zlib import crc32

        return crc32
    from crc32c import crc32c

    return crc32c


def copied(source: BinaryIO, destination: BinaryIO, nbytes: int, sums: Sums) -> None:
    """Write so many bytes as they are, through a buffer that fits the cache."""
    buffer = memoryview(bytearray(_BYTES))
    values = [0] * len(sums)
    while nbytes:
        count = source.readinto(buffer[: min(_BYTES, nbytes)])  # type: ignore[attr-defined]
        values = [add(buffer[:count], value) for add, value in zip(sums, values, strict=True)]
        destination.write(buffer[:count])
        nbytes -= count


def turned(source: BinaryIO, destination: BinaryIO, shape: tuple[int, ...], sums: Sums) -> None:
    """Write an array with its channels at the other end, some of its rows at a time."""
    whole = np.fromfile(source, np.float32, prod(shape)).reshape(shape)
    for add in sums:
        add(memoryview(whole).cast("B"), 0)
    array = whole.transpose(_ORDERS[len(shape)])
    for row in range(0, len(array), _ROWS):
        destination.write(np.ascontiguousarray(array[row : row + _ROWS]).data)


def main(model: str, folder: Path, output: Path, words: Sequence[str]) -> None:
    """Read, add up, turn, write."""
    shapes = [tuple(shape) for shape in json.loads((folder / f"{model}.shapes").read_text())]
    sums = [summing(word) for word in words if word != "turned"]
    with (folder / f"{model}.raw").open("rb", buffering=0) as source, output.open("xb") as destination:
        for shape in shapes:
            if "turned" in words and len(shape) in _ORDERS:
                turned(source, destination, shape, sums)
            else:
                copied(source, destination, 4 * prod(shape), sums)
        destination.flush()
        os.fsync(destination.fileno())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
    else:
        import h5py  # noqa: F401
