"""Run as a script: writes outputs in forks of itself that end, as if killed, after each call that changes the disk.

Prints, as JSON, for each kind of output, with and without an old one, and each way to rename: what is left after every
kill, and after the next run.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from irconv.containers import renames
from irconv.containers.outputs import whole_output

CALLS = ("rename", "replace", "link", "unlink", "rmdir", "mkdir", "fsync")
KINDS = ("file", "folder", "set")
KILLED = 9


def write(kind: str, folder: Path, text: str) -> None:
    with whole_output(force=True) as output:
        if kind == "folder":
            made = output.folder(folder / "m", lambda _: {"a", "b"})
            for name in ("a", "b"):
                (made / name).write_text(text)
        else:
            for name in ("data", "more", "m") if kind == "set" else ("m",):
                output.path(folder / name).write_text(text)


def counting(limit: int, calls: Sequence[str] = CALLS) -> list[int]:
    """Let the process end after so many calls of these kinds; the list counts them."""
    done = [0]

    def wrapped(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            made = call(*args, **options)
            done[0] += 1
            if done[0] == limit:
                os._exit(KILLED)
            return made

        return counted

    for name in calls:
        setattr(os, name, wrapped(getattr(os, name)))
    if (system := renames._system()) is not None:
        call = wrapped(system)
        renames._system = lambda: call  # type: ignore[assignment]
    return done


def forked(kind: str, folder: Path, limit: int) -> bool:
    """Write in a fork that ends after so many calls; whether it came to its end."""
    child = os.fork()
    if child == 0:
        counting(limit)
        write(kind, folder, "new")
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def visible(folder: Path) -> dict[str, str]:
    files = {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}
    return {name: text for name, text in sorted(files.items()) if not name.startswith(".irconv-")}


def main(root: Path) -> None:
    os.fsync = lambda descriptor: None  # counted, but a killed process loses nothing that it has written
    found = []
    whole = renames._system
    for system in ("renameat2", "without"):
        renames._system = whole if system == "renameat2" else lambda: None  # type: ignore[assignment]
        for kind in KINDS:
            for old in (False, True):
                limit, ended = 1, False
                while not ended:
                    folder = root / "out"
                    folder.mkdir()
                    if old:
                        write(kind, folder, "old")
                    ended = forked(kind, folder, limit)
                    left = visible(folder)
                    with whole_output(force=True) as output:  # the next run, of something else
                        output.path(folder / "other").write_text("x")
                    (folder / "other").unlink()
                    after = {str(p.relative_to(folder)) for p in folder.rglob("*")}
                    case = {"system": system, "kind": kind, "old": old, "limit": limit, "ended": ended}
                    found.append({**case, "left": left, "then": visible(folder), "all": sorted(after)})
                    shutil.rmtree(folder)
                    limit += 1
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
