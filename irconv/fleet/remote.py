"""Sources and destinations with an address (``s3://``, ``gs://``, ``hf://``, ``https://``, ``zip://...::...``).

fsspec reads and writes them; it is imported here alone, inside of functions. A source is fetched into a folder that is
gone when this process is, by ranges where the store has them, each of them tried again where the store is busy. What
is fetched stays there for the next target of the same source, as long as there is room.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from irconv.containers.workspace import Workspace
from irconv.data_classes import dataclass
from irconv.errors import IrconvError, MissingFact, NoSuchFile, OutputExists, OutputFailed, Refused
from irconv.fleet.job import Found, Job

_BLOCK = 16 * 2**20
_AT_ONCE = 4
_MOST = 200 * 2**30
"""Bytes that a source may have."""
_ROOM = 20 * 2**30
"""Bytes of sources that are kept."""
_TRIES, _PAUSE = 6, 0.25
_RANGED = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "hf", "http", "https"})
_LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, NotImplementedError, ImportError)
"""What trying again does not change."""
_R = TypeVar("_R")


def _store(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it. Raises `MissingFact` naming what is not installed."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        what = "expected the package fsspec, which reads addresses and is not installed"
        raise MissingFact(address, what, "pip install 'irconv[remote]'.") from error
    try:
        found, path = url_to_fs(address)
    except ImportError as error:
        remedy = "Install that package; 'irconv[remote]' has those of s3 and http."
        raise MissingFact(address, f"expected a package that is not installed: {error}".rstrip("."), remedy) from error
    except ValueError as error:
        raise MissingFact(address, f"expected an address that fsspec knows, got: {error}") from error
    return found, str(path)


def _tried(address: str, act: Callable[[], _R]) -> _R:
    """What an act of a store gives, tried again with longer and longer pauses where the store does not answer."""
    for attempt in range(_TRIES):
        try:
            return act()
        except FileNotFoundError as error:
            raise NoSuchFile(address, "there is no such file or folder") from error
        except _LASTING as error:
            raise OutputFailed(address, f"the store refuses it: {error}") from error
        except Exception as error:
            if attempt == _TRIES - 1:
                said = " ".join(str(error).split())[:300] or type(error).__name__
                raise OutputFailed(address, f"the store did not answer after {_TRIES} tries: {said}") from error
            time.sleep(_PAUSE * 2**attempt)
    raise AssertionError("it was returned or raised")


def expanded(pattern: str) -> list[str]:
    """The addresses that a pattern matches, in order; an address without one is itself."""
    head = pattern.split("::", maxsplit=1)[0]
    if not any(mark in head for mark in "*?["):
        return [pattern]
    store, path = _store(pattern)
    found = sorted(_tried(pattern, lambda: store.glob(path)))
    behind = pattern[len(head) :]
    return [f"{store.unstrip_protocol(one) if not behind else f'zip://{one}'}{behind}" for one in found]


def exists(address: str) -> bool:
    """Whether something is there."""
    store, path = _store(address)
    return bool(_tried(address, lambda: store.exists(path)))


def stamp(address: str) -> str:
    """What changes whenever the file does, as far as the store says; empty where it says nothing."""
    store, path = _store(address)
    try:
        about = _tried(address, lambda: store.info(path))
    except (NoSuchFile, OutputFailed):
        return ""
    return _stamped(about)


def _stamped(about: dict[str, Any]) -> str:
    marks = ("ETag", "etag", "md5Hash", "checksum", "CRC", "sha256", "LastModified", "mtime", "created", "updated")
    said = {mark: str(about[mark]) for mark in marks if about.get(mark)}
    if not said:
        return ""
    return hashlib.sha256(json.dumps([about.get("size"), said]).encode()).hexdigest()[:16]


def name(address: str) -> str:
    """The last part of an address, as a name of a file. Raises `Refused` for one that is none."""
    found = address.split("::", maxsplit=1)[0].split("?", maxsplit=1)[0].rstrip("/").rpartition("/")[2]
    if found in ("", ".", "..") or "\\" in found or not found.isprintable():
        raise Refused(address, "expected an address that ends in the name of a file")
    return found


# what is fetched ---------------------------------------------------------------------------------------------------


@dataclass
class _Kept:
    path: Path
    size: int
    users: int = 0


class _Cache:
    """What was fetched; the least recently used goes first. The next process removes what a killed one has left."""

    def __init__(self) -> None:
        self._space = Workspace(Path(tempfile.gettempdir()))
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._lock, self._number = threading.Lock(), 0
        self._fetching: dict[tuple[str, str], threading.Lock] = {}

    @contextmanager
    def fetched(self, address: str) -> Iterator[Path]:
        """The source, here, as long as the block runs."""
        store, path = _store(address)
        about = _tried(address, lambda: store.info(path))
        key = address, _stamped(about) or str(time.time())
        with self._lock:
            alone = self._fetching.setdefault(key, threading.Lock())
        with alone:
            with self._lock:
                found = self._kept.get(key)
            if found is None:
                found = self._fetch(address, store, path, about)
            with self._lock:
                self._kept[key] = found
                self._kept.move_to_end(key)
                found.users += 1
        try:
            yield found.path
        finally:
            with self._lock:
                found.users -= 1
                self._make_room()

    def _fetch(self, address: str, store: Any, path: str, about: dict[str, Any]) -> _Kept:
        with self._lock:
            self._number += 1
            folder = self._space.new / str(self._number)
        folder.mkdir()
        target = folder / name(address)
        if about.get("type") == "directory":
            size = _fetch_folder(address, store, path, target)
        else:
            size = _fetch_file(address, store, path, about.get("size"), target)
        return _Kept(target, size)

    def _make_room(self) -> None:
        for key, kept in list(self._kept.items()):
            if sum(one.size for one in self._kept.values()) <= _ROOM:
                return
            if not kept.users:
                shutil.rmtree(kept.path.parent, ignore_errors=True)
                del self._kept[key]

    def scratch(self) -> Path:
        """A folder for what is made."""
        return Path(tempfile.mkdtemp(dir=self._space.new))

    def remove(self) -> None:
        """Remove all of it."""
        self._space.remove()


@cache
def _cache(process: int) -> _Cache:
    import atexit

    made = _Cache()
    atexit.register(made.remove)
    return made


@contextmanager
def fetched(address: str) -> Iterator[Path]:
    """A file or folder with an address, here, as long as the block runs.

    Raises `MissingFact`, `NoSuchFile`, `OutputFailed` where the store does not answer, `Refused` for what is too large.
    """
    with _cache(os.getpid()).fetched(address) as path:
        yield path


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for what is made here and goes elsewhere."""
    folder = _cache(os.getpid()).scratch()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fetch_folder(address: str, store: Any, path: str, target: Path) -> int:
    found = _tried(address, lambda: store.find(path, detail=True))
    size = 0
    for one, about in found.items():
        inside = one[len(path) :].strip("/").split("/")
        if not one.startswith(path) or any(part in ("", ".", "..") or "\\" in part for part in inside):
            raise Refused(address, f"expected names of files inside of it, got {one!r}")
        place = target.joinpath(*inside)
        place.parent.mkdir(parents=True, exist_ok=True)
        size += _fetch_file(f"{address}/{'/'.join(inside)}", store, one, about.get("size"), place)
    return size


def _fetch_file(address: str, store: Any, path: str, size: int | None, target: Path) -> int:
    if size is not None and size > _MOST:
        raise Refused(address, f"has {size} bytes; at most {_MOST} are fetched", "Fetch it yourself.")
    protocols = {store.protocol} if isinstance(store.protocol, str) else set(store.protocol)
    if size is not None and protocols & _RANGED:
        _by_ranges(address, store, path, size, target)
        return size
    return _tried(address, lambda: _whole(address, store, path, target))


def _by_ranges(address: str, store: Any, path: str, size: int, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    def fetch(start: int) -> None:
        stop = min(start + _BLOCK, size)
        data = _tried(address, lambda: store.cat_file(path, start=start, end=stop))
        if len(data) != stop - start:
            what = f"expected {stop - start} bytes at {start}, got {len(data)}: it has changed"
            raise OutputFailed(address, what)
        while data:
            done = os.pwrite(descriptor, data, start)
            data, start = data[done:], start + done

    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(fetch, range(0, size, _BLOCK)))
    finally:
        os.close(descriptor)


def _whole(address: str, store: Any, path: str, target: Path) -> int:
    """A file of a store without ranges, from its beginning to its end."""
    done = 0
    with store.open(path, "rb") as source, target.open("wb") as file:
        while block := source.read(_BLOCK):
            done += len(block)
            if done > _MOST:
                raise Refused(address, f"has more than the {_MOST} bytes that are fetched", "Fetch it yourself.")
            file.write(block)
    return done


# what is put -------------------------------------------------------------------------------------------------------


def check_free(job: Job) -> None:
    """Raise `OutputExists` where something has the destination's address and may not be replaced."""
    if not job.write.force and exists(job.destination):
        raise OutputExists(job.destination, "exists already", "Give --force to replace it.")


def put(files: Sequence[str], destination: str) -> tuple[str, ...]:
    """Put files beside the destination, in their order: the one without which no reader takes the others last. Where
    one fails, those that are there already are taken away. Raises `OutputFailed`, naming
    those that stay."""
    store, path = _store(destination)
    folder = path.rpartition("/")[0]
    done: list[str] = []
    try:
        for file in map(Path, files):
            parts = sorted(part for part in file.rglob("*") if part.is_file()) if file.is_dir() else [file]
            for part in parts:
                place = f"{folder}/{part.relative_to(file.parent).as_posix()}"
                _tried(destination, lambda part=part, place=place: store.put_file(str(part), place))  # type: ignore[misc]
                done.append(place)
    except BaseException as error:
        if stay := [place for place in done if not _removed(store, place)]:
            what = f"{error} What is there already could not be taken away: {', '.join(stay)}"
            raise OutputFailed(destination, what, "Remove it.") from error
        raise
    return tuple(store.unstrip_protocol(f"{folder}/{Path(file).name}") for file in files)


def _removed(store: Any, place: str) -> bool:
    try:
        _tried(place, lambda: store.rm_file(place))
    except IrconvError:
        return False
    return True


def about(found: Found, job: Job, here: Job) -> Found:
    """An answer that speaks of addresses, and not of the files that stood for them."""
    message = found.message
    for given, stood in ((job.source, here.source), (job.destination, here.destination)):
        if given and given != stood:
            message = message.replace(stood, given)
    return replace(found, message=message, stamp=stamp(job.source) if job.source != here.source else found.stamp)
