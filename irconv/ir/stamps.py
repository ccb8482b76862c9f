"""What the system says of a file that changes whenever the file does."""

from __future__ import annotations

import os

from irconv.data_classes import dataclass


@dataclass(frozen=True)
class Stamp:
    """Which file it is, its size, and when its content and its record were last changed (nanoseconds)."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @staticmethod
    def of(status: os.stat_result) -> Stamp:
        """The stamp in what ``stat`` returns."""
        return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
