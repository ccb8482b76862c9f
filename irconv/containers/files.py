"""Positioned reads from files that are read, and positioned writes of tensors to files that are written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from functools import partial
from math import prod
from pathlib import Path
from threading import Lock
from typing import TypeAlias

import numpy as np

from irconv.containers.watch import note
from irconv.data_classes import dataclass
from irconv.errors import DamagedFile
from irconv.ir.dtypes import item_size, numpy_dtype
from irconv.ir.tensors import LazyTensor, Sink
from irconv.layout import Array, Box
from irconv.tiles import runs

MEMORY_BUDGET = 128 * 2**20
"""Bytes of tensor data that writing holds in memory at a time, whatever the size of the model."""

_SMALL, _TOGETHER, _MANY = 1 << 15, 1 << 18, 1 << 9
"""Bytes of a job that is done together with others, and how many bytes and jobs are together."""

_RUNS = Lock()
"""Held while many short runs are read or written: the interpreter runs one thread at a time, and two that call the
system in turn wake each other at every call, which takes longer than the call."""

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all)."""


Named: TypeAlias = Path | str | tuple[Path, str]
"""What a file is called in messages; a part of one by the file and its own name."""


class SourceFile:
    """A file, or a region of one, opened for positioned reads from many threads.

    It is closed when nothing refers to it any more. Offsets count from the start of the region.
    """

    checksum: int | None = None
    """CRC-32 of all of it, where the container says so and reading checks it."""

    def __init__(self, path: Path, start: int = 0, size: int | None = None) -> None:
        self._named: Named = path
        self._start = start
        self._descriptor = os.open(path, os.O_RDONLY)
        status = os.fstat(self._descriptor)
        note(path, status)
        whole = status.st_size
        self.size = whole - start if size is None else size
        if start < 0 or self.size < 0 or start + self.size > whole:
            raise DamagedFile(
                str(path), f"expected {self.size} bytes at offset {start}, but the file has {whole} bytes"
            )

    @property
    def path(self) -> Path:
        """Where it is; of a part of a file, with the name of the part."""
        named = self._named  # put together when it is asked for: a file may have a hundred thousand parts
        return Path(f"{named[0]}: {named[1]}" if isinstance(named, tuple) else named)

    def __del__(self) -> None:
        if (descriptor := getattr(self, "_descriptor", None)) is not None:
            os.close(descriptor)

    def read_runs(self, buffer: memoryview, offsets: Sequence[int]) -> None:
        """Cut the buffer into as many equal runs as there are offsets, and fill each from its own.

        Raises `DamagedFile` where the file ends before.
        """
        length, descriptor, base = len(buffer) // len(offsets), self._descriptor, self._start
        with _RUNS if len(offsets) > 1 else nullcontext():
            for start, offset in zip(range(0, len(buffer), length or 1), offsets, strict=False):
                run = buffer[start : start + length]
                if os.preadv(descriptor, [run], base + offset) != length:
                    self.read_into(run, offset)

    def place(self, start: int, count: int) -> tuple[int, int] | None:
        """The open file and where these bytes begin in it, for the system to copy; None where they have to be read."""
        return self._descriptor, self._start + start

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill the buffer from a position. Raises `DamagedFile` where the file ends before."""
        done = 0
        while done < len(buffer):
            count = os.preadv(self._descriptor, [buffer[done:]], self._start + offset + done)
            if count == 0:
                raise DamagedFile(
                    str(self.path), f"expected {len(buffer)} bytes at offset {offset}, but the file ends at {self.size}"
                )
            done += count


class BytesFile(SourceFile):
    """Bytes in memory, read as a file."""

    def __init__(self, content: bytes | bytearray, where: Named) -> None:
        self._named, self.size, self._content = where, len(content), memoryview(content)

    def place(self, start: int, count: int) -> tuple[int, int] | None:
        """See `SourceFile.place`."""
        return None

    def read_runs(self, buffer: memoryview, offsets: Sequence[int]) -> None:
        """See `SourceFile.read_runs`."""
        length = len(buffer) // len(offsets)
        for start, offset in zip(range(0, len(buffer), length or 1), offsets, strict=False):
            self.read_into(buffer[start : start + length], offset)

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """See `SourceFile.read_into`."""
        if offset + len(buffer) > self.size:
            raise DamagedFile(str(self.path), f"expected {len(buffer)} bytes at {offset}, but there are {self.size}")
        buffer[:] = self._content[offset : offset + len(buffer)]


@dataclass(frozen=True, slots=True)
class FileBytes:
    """A C-ordered array stored contiguously in a file."""

    file: SourceFile
    offset: int
    dtype: str
    shape: tuple[int, ...]
    big_endian: bool = False

    def __post_init__(self) -> None:
        nbytes = prod(self.shape) * item_size(self.dtype)
        if self.offset < 0 or self.offset + nbytes > self.file.size:
            raise DamagedFile(
                str(self.file.path),
                f"expected {nbytes} bytes at offset {self.offset}, but the file has {self.file.size} bytes",
                "The file is truncated or its header is wrong; fetch it again.",
            )

    def read(self, atoms: tuple[int, ...], box: Box) -> Array:
        """See `irconv.ir.tensors.Source.read`."""
        size = item_size(self.dtype)
        lengths = [stop - start for start, stop in box]
        raw = np.empty(prod(lengths) * size, np.uint8)
        _, positions = runs(atoms, box)
        self.file.read_runs(raw.data, [self.offset + position * size for position in positions])
        stored = numpy_dtype(self.dtype)
        array = raw.view(stored.newbyteorder(">") if self.big_endian else stored)
        return array.astype(stored, copy=False).reshape(lengths)

    def checksum(self) -> int | None:
        """The CRC-32 of its bytes, where its file says so and holds nothing else."""
        whole = self.offset == 0 and prod(self.shape) * item_size(self.dtype) == self.file.size
        return self.file.checksum if whole and not self.big_endian else None

    def copy_to(self, sink: Sink, offset: int, start: int, stop: int) -> bool:
        """See `irconv.ir.tensors.Copied`."""
        size = item_size(self.dtype)
        if not isinstance(sink, OutputFile) or (self.big_endian and size > 1):
            return False
        return sink.copy(self.file, self.offset + start * size, (stop - start) * size, offset)


class OutputFile:
    """A file being written at given positions from many threads."""

    def __init__(self, path: Path, existing: bool = False) -> None:
        """A new file, or one whose framing a library has written already."""
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR if existing else os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        self._turn = Lock()  # the system lets one thread at a time write to a file: others ask for it over and over

    def write_runs(self, data: Array, offsets: Sequence[int]) -> None:
        """See `irconv.ir.tensors.Sink.write_runs`."""
        view, descriptor = data.reshape(-1).view(np.uint8).data, self._descriptor
        length = len(view) // len(offsets)
        with self._turn, _RUNS if len(offsets) > 1 else nullcontext():
            for start, offset in zip(range(0, len(view), length), offsets, strict=True):
                run = view[start : start + length]
                if os.pwrite(descriptor, run, offset) != length:
                    self.write_bytes(run, offset)

    def write_bytes(self, data: memoryview | bytes, offset: int) -> None:
        """Write bytes at a position."""
        view = memoryview(data)
        done = 0
        while done < len(view):
            done += os.pwrite(self._descriptor, view[done:], offset + done)

    def copy(self, file: SourceFile, start: int, count: int, offset: int) -> bool:
        """Let the system copy bytes of another file, which spares two copies in memory; False where it cannot."""
        if not hasattr(os, "copy_file_range") or (place := file.place(start, count)) is None:
            return False
        descriptor, base = place
        done = 0
        with self._turn:
            while done < count:
                try:
                    copied = os.copy_file_range(descriptor, self._descriptor, count - done, base + done, offset + done)
                except OSError:  # not between these file systems; a full disk fails again when the bytes are written
                    return False
                if copied == 0:  # the file has become shorter, which reading it will say
                    return False
                done += copied
        return True

    def close(self) -> None:
        """Close; what is an output is flushed to the disk before it goes to its place."""
        os.close(self._descriptor)


def write_tensors(
    file: OutputFile, placed: Sequence[tuple[LazyTensor, int]], progress: Progress | None = None, share: int = 1
) -> None:
    """Write tensors at their offsets, tile by tile on all cores, holding at most `MEMORY_BUDGET` bytes, of which so
    many calls have a `share` at a time."""
    workers = min(8, os.cpu_count() or 1)
    tile_bytes = MEMORY_BUDGET // (2 * workers * share)
    total = sum(tensor.nbytes for tensor, _ in placed)
    done = 0
    jobs = _together(job for tensor, offset in placed for job in tensor.jobs(file, offset, tile_bytes))
    if len(placed) == 1 and total < _SMALL:
        _each([job for _, job in jobs])
        if progress:
            progress(total, total)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: dict[Future[None], int] = {}
        for nbytes, job in jobs:
            if len(waiting) >= 2 * workers:
                done += _drain(waiting, FIRST_COMPLETED)
                if progress:
                    progress(done, total)
            waiting[pool.submit(job)] = nbytes
        while waiting:
            done += _drain(waiting, FIRST_COMPLETED)
            if progress:
                progress(done, total)


def _together(jobs: Iterable[tuple[int, Callable[[], None]]]) -> Iterator[tuple[int, Callable[[], None]]]:
    """The same jobs, small ones as one: to hand a job to another thread takes longer than to write a few numbers."""
    small: list[Callable[[], None]] = []
    held = 0
    for nbytes, job in jobs:
        if nbytes > _SMALL:
            yield nbytes, job
            continue
        small.append(job)
        held += nbytes
        if held > _TOGETHER or len(small) == _MANY:
            yield held, partial(_each, small)
            small, held = [], 0
    if small:
        yield held, partial(_each, small)


def _each(jobs: Sequence[Callable[[], None]]) -> None:
    for job in jobs:
        job()


def _drain(waiting: dict[Future[None], int], when: str) -> int:
    """Wait for some jobs, raise what they raised, and return the bytes they wrote."""
    finished, _ = wait(waiting, return_when=when)
    for future in finished:
        future.result()
    return sum(waiting.pop(future) for future in finished)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return (
            hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _sha256(file.read)
        )


def _sha256(read: Callable[[int], bytes]) -> str:
    """What `hashlib.file_digest` does, for Python 3.10, which lacks it."""
    digest = hashlib.sha256()
    while block := read(2**20):
        digest.update(block)
    return digest.hexdigest()
