"""Outputs that appear whole or not at all, and replace nothing but what they may.

What is there already is only replaced with ``--force``, a file by a file, and a folder by a folder where irconv wrote
all that is in it; never what is being read, nor a device, FIFO or socket. Of several files of one output the last is
the one without which no reader takes the others: it is taken away first and placed last, so that a run that is killed
leaves the old files, the new ones, or a set that refuses to load.
"""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

from irconv.containers.kept_shards import KeptShards
from irconv.containers.renames import exchange, move_new
from irconv.containers.workspace import Workspace, alone_in
from irconv.data_classes import dataclass
from irconv.errors import OutputExists, OutputFailed, UnusedOption

Own: TypeAlias = Callable[[Path], Collection[str] | None]
"""The paths, below a folder and with ``/``, of the files that irconv wrote there; None for a folder that is not its."""

_EXISTS = "exists already"
_KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
_SEALED = ("manifest.json", "SHA256SUMS")
"""A folder with both is a bundle, which a file more would make unsound."""
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
_FEW = 3
_AT_ONCE = 16
"""Files of a folder that are flushed to the disk at a time."""


class Sources:
    """The files and folders that are being read, which no output replaces."""

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self._paths = [path for path in paths if path.exists()]
        self._identities = {(status.st_dev, status.st_ino) for status in map(os.stat, self._paths)}
        self._resolved = [path.resolve() for path in self._paths]
        self._folders = [path for path in self._resolved if path.is_dir()]

    def check(self, final: Path) -> None:
        """Raise `OutputFailed` where an output that exists is one of them, lies in one, or holds one."""
        with suppress(FileNotFoundError):  # a link that leads nowhere
            status = final.stat()
            if (status.st_dev, status.st_ino) in self._identities:
                raise OutputFailed(str(final), "is being read, and is not replaced", "Give another destination.")
        place = final.parent.resolve() / final.name
        for folder in self._folders:
            if place.is_relative_to(folder):
                what = f"lies in {folder}, which is being read, and is not replaced"
                raise OutputFailed(str(final), what, "Give another destination.")
        for path in self._resolved:
            if path.is_relative_to(place):
                what = f"holds {path}, which is being read, and is not replaced"
                raise OutputFailed(str(final), what, "Give another destination.")


@dataclass(frozen=True)
class _Entry:
    """A file or folder of the output, where it is written and where it goes."""

    temporary: Path
    final: Path
    own: Own | None
    """For a folder: what in one like it is irconv's own."""


class Output:
    """The files of one output, written in a hidden folder beside their places and moved there at the end."""

    def __init__(self, force: bool, sources: Iterable[Path] = (), asked: str = "") -> None:
        """`asked` says what is converted from what and how, where finished shards are to outlive a run that fails."""
        self.force = force
        self._asked = asked
        self._kept: list[KeptShards] = []
        self._sources = Sources(sources)
        self._entries: list[_Entry] = []
        self._spaces: dict[Path, Workspace] = {}

    def path(self, final: Path) -> Path:
        """The temporary path of a file. The last one asked for is the one that all the others need.

        Raises `OutputFailed` where `final` exists and may not be replaced, or its folder does not exist.
        """
        return self._path(final, None)

    def folder(self, final: Path, own: Own) -> Path:
        """A temporary folder, made; raises as `path`. `own` tells irconv's own folders of this kind from others."""
        temporary = self._path(final, own)
        temporary.mkdir()
        return temporary

    def kept_shards(self, final: Path) -> KeptShards | None:
        """Where finished shards of an output wait for the others, if they are to. Raises as `KeptShards` does."""
        if not self._asked:
            return None
        self._kept.append(KeptShards(final, self._asked))
        return self._kept[-1]

    def refuse_resuming(self) -> None:
        """Raise `UnusedOption` where finished shards are to outlive the run, and there is one file alone."""
        if self._asked:
            what = "has no effect: all weights go into one file"
            raise UnusedOption("--resume", what, "Leave it out, or give a smaller --shard-size.")

    @property
    def goes_on(self) -> bool:
        """Whether the next run goes on where this one fails."""
        return bool(self._kept)

    def staged(self, final: Path) -> Path:
        """Where a file or folder of the output lies until it is moved to its place; all of one folder lie together."""
        return next(entry.temporary for entry in self._entries if entry.final == final)

    def finish(self) -> None:
        """Move everything to its place, or, where that fails, everything back."""
        for entry in self._entries:
            _flush(entry.temporary)
        undo: list[Callable[[], object]] = []
        with alone_in(self._spaces), _uninterrupted():
            try:
                self._place(undo)
            except BaseException:
                for step in reversed(undo):
                    with suppress(OSError):
                        step()
                raise
        self._free_kept(done=True)
        self.discard()

    def discard(self) -> None:
        """Remove what is left of the temporary files."""
        for space in self._spaces.values():
            space.remove()
        self._spaces.clear()
        self._entries.clear()
        self._free_kept(done=False)

    def _free_kept(self, done: bool) -> None:
        while self._kept:
            self._kept.pop().remove(done)

    def named(self, temporary: object) -> str:
        """The output that an error is about, which knows it by its temporary name or not at all."""
        for entry in self._entries:
            if f"{temporary}/".startswith(f"{entry.temporary}/"):
                return f"{entry.final}{str(temporary).removeprefix(str(entry.temporary))}"
        return str(temporary or (self._entries[-1].final if self._entries else "output"))

    def _path(self, final: Path, own: Own | None) -> Path:
        check_place(final, self.force, self._sources, own)
        if final in {entry.final for entry in self._entries}:
            raise OutputFailed(str(final), "two outputs would have this name", "Give the destination another suffix.")
        if final.parent not in self._spaces:
            self._spaces[final.parent] = Workspace(final.parent)
        self._entries.append(_Entry(self._spaces[final.parent].new / final.name, final, own))
        return self._entries[-1].temporary

    def _place(self, undo: list[Callable[[], object]]) -> None:
        for entry in self._entries:  # much may have happened since they were asked for
            check_place(entry.final, self.force, self._sources, entry.own)
        if len(self._entries) > 1 and os.path.lexists(self._entries[-1].final):
            self._take_away(self._entries[-1].final, undo)
        for entry in self._entries:
            self._put(entry, undo)
            _flush_folder(entry.final.parent)

    def _take_away(self, final: Path, undo: list[Callable[[], object]]) -> None:
        kept = self._spaces[final.parent].old / final.name
        os.rename(final, kept)
        undo.append(lambda: move_new(kept, final))
        _flush_folder(final.parent)

    def _put(self, entry: _Entry, undo: list[Callable[[], object]]) -> None:
        temporary, final = entry.temporary, entry.final
        if not (self.force and os.path.lexists(final)):
            try:
                move_new(temporary, final)
            except FileExistsError as error:
                raise OutputFailed(str(final), f"{_EXISTS}: it was made meanwhile") from error
            undo.append(lambda: os.rename(final, temporary))
            return
        seen = os.lstat(final)
        if exchange(temporary, final):
            undo.append(lambda: exchange(temporary, final))
            if not os.path.samestat(seen, os.lstat(temporary)):
                raise OutputFailed(str(final), "was replaced by something else meanwhile")
        elif entry.own is None:
            kept = self._spaces[final.parent].old / final.name
            with suppress(OSError):  # a file system without links: then nothing to go back to
                os.link(final, kept, follow_symlinks=False)
            os.replace(temporary, final)
            undo.append(lambda: os.replace(kept, final))
        else:  # nothing is there for a moment; the next run puts back what is aside, should this one end here
            aside = self._spaces[final.parent].aside / final.name
            os.rename(final, aside)
            undo.append(lambda: os.rename(aside, final))
            move_new(temporary, final)
            undo.append(lambda: os.rename(final, temporary))


@contextmanager
def whole_output(force: bool, dry_run: bool = False, sources: Iterable[Path] = (), asked: str = "") -> Iterator[Output]:
    """Files written inside the block appear together at its end, or not at all if it raises or is only tried.

    `sources` are what is being read, and is never replaced; see `Output` for what is `asked`.
    """
    output = Output(force, sources, "" if dry_run else asked)
    try:
        yield output
        if not dry_run:
            output.finish()
    except OutputFailed:  # which may be Python's own FileExistsError, too
        raise
    except OSError as error:
        remedy = "What is finished is kept: give the same command again." if output.goes_on else ""
        what = f"could not be written: {error.strerror or error}"
        raise OutputFailed(output.named(error.filename), what, remedy) from error
    finally:
        output.discard()


def check_free(final: Path, force: bool, sources: Iterable[Path] = ()) -> None:
    """Raise `OutputFailed` where an output, file or folder, may not be written in any case."""
    _check(final, force, Sources(sources))


def check_place(final: Path, force: bool, sources: Sources, own: Own | None) -> None:
    """Raise `OutputFailed` where a file, or with `own` a folder, may not be written."""
    status = _check(final, force, sources)
    if status is None:
        return
    if not stat.S_ISDIR(status.st_mode):
        if own is not None:
            raise OutputFailed(str(final), "is no folder, and none is put in its place", "Remove it first.")
        return
    if own is None:
        raise OutputFailed(str(final), "is a folder, which no file replaces", "Move it away, or give another name.")
    names = own(final)
    if names is None:
        raise OutputFailed(str(final), "is a folder that irconv did not write, and is kept", "Move it away first.")
    expected = {*names, *(str(parent) for name in names for parent in Path(name).parents)}
    more = [name for name in _entries(final) if name not in expected]
    if more:
        listed = ", ".join(more[:_FEW]) + (f" and {len(more) - _FEW} more" if len(more) > _FEW else "")
        raise OutputFailed(str(final), f"holds more than irconv wrote: {listed}", "Move that away first.")


def _check(final: Path, force: bool, sources: Sources) -> os.stat_result | None:
    """What is at a place, or None. Raises `OutputFailed` where it may not be replaced, whatever by."""
    if not final.parent.is_dir():
        raise OutputFailed(str(final), f"the folder {final.parent} does not exist", "Make it first.")
    if all((final.parent / name).is_file() for name in _SEALED):
        what = f"lies in {final.parent}, which is a bundle and holds nothing else"
        raise OutputFailed(str(final), what, "Give another destination.")
    try:
        status = final.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OutputFailed(str(final), f"could not be looked at: {error.strerror}") from error
    if not force:
        raise OutputExists(str(final), _EXISTS, "Give --force to replace it.")
    sources.check(final)
    behind = status
    if stat.S_ISLNK(status.st_mode):
        with suppress(OSError):  # a link that leads nowhere is replaced as one to a file: what it names is kept
            behind = final.stat()
        if stat.S_ISDIR(behind.st_mode):
            raise OutputFailed(str(final), "is a link to a folder, and is kept", "Remove it first.")
    kind = _KINDS.get(stat.S_IFMT(behind.st_mode))
    if kind is not None:
        raise OutputFailed(str(final), f"is {kind}, and is kept", "Give the name of a file.")
    if not behind.st_mode & 0o222:
        raise OutputFailed(str(final), "is read-only, and is kept", "Make it writable, or remove it first.")
    return status


def _entries(folder: Path) -> list[str]:
    """Every file, folder and link below a folder; what is no plain file or folder by a name that nothing has."""
    found: list[str] = []
    for place, folders, files in os.walk(folder):
        for name in sorted([*folders, *files]):
            path = Path(place, name)
            plain = stat.S_IFMT(path.lstat().st_mode) == (stat.S_IFDIR if name in folders else stat.S_IFREG)
            found.append(str(path.relative_to(folder)) + ("" if plain else " (no plain file)"))
    return found


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Signals that would end the program wait until the block has ended."""
    waiting: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # Python handles signals in the main thread alone
        yield
        return

    def later(number: int, frame: FrameType | None) -> None:
        waiting.append(number)

    before: dict[int, Any] = {}
    for number in (getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)):
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            before[number] = signal.signal(number, later)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in waiting:
            signal.raise_signal(number)


def _flush(path: Path) -> None:
    """Make sure a file, or everything in a folder, is on the disk. Many files are waited for at once, as the system
    writes what is asked for together together."""
    if not path.is_dir():
        _flush_file(path)
        return
    folders = [path]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for folder in folders:  # to which its own are added
            inside = sorted(folder.iterdir())
            folders += [entry for entry in inside if entry.is_dir()]
            list(pool.map(_flush_file, [entry for entry in inside if not entry.is_dir()]))
    for folder in reversed(folders):
        _flush_folder(folder)


def _flush_file(path: Path) -> None:
    with path.open("rb") as opened:
        os.fsync(opened.fileno())


def _flush_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
