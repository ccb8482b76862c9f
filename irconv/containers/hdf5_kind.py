"""Tells HDF5 from other files, without what reads it: every reader is asked about every file."""

from __future__ import annotations

from pathlib import Path

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"


def recognises(path: Path) -> bool:
    """Whether the file begins as HDF5 does (after a user block of 512, 1024, ... bytes, too).

    A zip does not, even where the file of weights in it lies at such a place.
    """
    with path.open("rb") as file:
        if file.read(len(_ZIP)) == _ZIP:
            return False
        size = path.stat().st_size
        offset = 0
        while offset < size:
            file.seek(offset)
            if file.read(len(SIGNATURE)) == SIGNATURE:
                return True
            offset = max(512, offset * 2)
    return False
