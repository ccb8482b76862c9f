"""Run as a script: lets every writer, and every command that writes something else, write in forks of this process,
which are killed, and says what is left of it.

``python -m tests.frameworks.run_writer_kills FOLDER [RANDOM [SEED]]`` writes a model over an older one, and where
nothing is, and kills after every call that renames, links or removes, or at so many random moments for each
writer. It prints as JSON, for each kill: what the output's files are (``old``, ``new``, ``nothing``, ``refused`` where
they are no longer one or the other and do not load, else ``mixed``), and what the next run left that an undisturbed one
does not.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner

import irconv
from irconv.cli import main as cli
from irconv.containers.files import sha256
from irconv.frameworks import WRITERS
from irconv.ir.layers.activations import Relu, Tanh
from irconv.ir.layers.convolution import Linear
from irconv.options import ReadOptions, WriteOptions
from tests.containers import run_kills
from tests.helpers import Builder, numbers

CALLS = ("rename", "replace", "link", "unlink", "rmdir")
SETS = {"m.theano.h5", "m.py", "m.ckpt"}
"""Outputs of several files: a set may be left that does not load."""
_MAIN = {"m.ckpt": "m.ckpt.index"}
"""What readers open, where it is not the destination."""


#: Output -> the command that makes it, with the older or the newer model.
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "adopted.safetensors": ("adopt", "{model}", "--like", "{other}", "-o", "{out}"),
    "adopted.pt": ("adopt", "{model}", "--like", "{other}", "-o", "{out}"),
    "adopted.irconv": ("adopt", "{model}", "--like", "{other}", "-o", "{out}"),
    "renamed.safetensors": ("adopt", "{model}", "--rename", "^=net.", "-o", "{out}"),
    "y.npy": ("run", "{model}", "--input", "{x}", "--output", "{out}", "--runtime", "numpy"),
    "y.npz": ("run", "{model}", "--input", "{x}", "--output", "{out}", "--runtime", "numpy"),
    "page.html": ("inspect", "{model}", "--html", "{out}"),
    "diff.html": ("diff", "{other}", "{model}", "--html", "{out}"),
}


def targets() -> list[str]:
    """A destination for every suffix of every writer, but for second names of one format."""
    return [f"m{suffix}" for writer in WRITERS for suffix in writer.suffixes if suffix not in (".hdf5", ".pth")]


def model(old: bool) -> irconv.Bundle:
    """The older and the newer model have the same names and shapes, other weights and another activation."""
    builder = Builder(x=("N", 6)).add("one", Linear(), "x", kernel=numbers(7, 6) * (2 if old else 1))
    builder.add("act", Relu() if old else Tanh(), "one").add("two", Linear(), "act", kernel=numbers(5, 7) + old)
    return builder.build()


def digests(folder: Path) -> dict[str, str]:
    """What is in a folder, hidden things, too; HDF5 notes when it was written."""
    return {
        str(path.relative_to(folder)): sha256(path) if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


def loads(folder: Path, target: str) -> bool:
    """Whether what is there can be opened under the output's name."""
    path = folder / _MAIN.get(target, target)
    if target == "m.py":
        return path.exists()  # Python runs it
    arch = folder / "arch.json" if target == "m.theano.h5" else None
    try:
        irconv.read(path, ReadOptions(arch=arch))
    except irconv.IrconvError:
        return False
    return True


def state(folder: Path, target: str, old: dict[str, str], new: dict[str, str]) -> str:
    """What the visible files are."""
    found = {name: digest for name, digest in digests(folder).items() if not name.startswith(".irconv-")}
    for name, wanted in (("new", new), ("old", old), ("nothing", {})):
        if found == wanted:
            return name
    return "mixed" if loads(folder, target) else "refused" if target in SETS else f"part: {sorted(found)}"


class Kills:
    """The kills of one destination."""

    def __init__(self, root: Path, target: str) -> None:
        self.folder, self.target = root / "out", target
        self.models = {old: model(old) for old in (False, True)}
        self.took = 0.0
        """Seconds of the last run that was not killed at a moment."""
        self.clean = {old: self._clean(root / f"clean{old:d}", old) for old in (False, True)}

    def _clean(self, folder: Path, old: bool) -> dict[str, str]:
        folder.mkdir()
        self.write(old, folder)
        found = digests(folder)
        shutil.rmtree(folder)
        return found

    def write(self, old: bool, folder: Path) -> None:
        """Write one of the models."""
        irconv.write(self.models[old], folder / self.target, WriteOptions(force=True))

    def killed(self, over: bool, forked: Callable[[], int]) -> dict[str, Any]:
        """What a kill comes to; `forked` says how the process ended."""
        self.folder.mkdir()
        if over:
            self.write(True, self.folder)
        ended = forked()
        before = self.clean[True] if over else {}
        left = state(self.folder, self.target, before, self.clean[False])
        self.write(False, self.folder)
        then = digests(self.folder)
        more = sorted(name for name in then if then[name] != self.clean[False].get(name))
        missing = sorted(self.clean[False].keys() - then.keys())
        shutil.rmtree(self.folder)
        return {"target": self.target, "over": over, "ended": ended == 0, "left": left, "then": more + missing}

    def after_calls(self, over: bool) -> Iterator[dict[str, Any]]:
        """A kill after every call."""
        limit, ended = 1, False
        while not ended:
            found = self.killed(over, lambda: self._fork(lambda: run_kills.counting(limit, CALLS)))  # noqa: B023
            ended = found["ended"]
            yield found | {"when": f"call {limit}"}
            limit += 1

    def at_random(self, over: bool, count: int, dice: random.Random) -> Iterator[dict[str, Any]]:
        """Kills at random moments of a run."""
        self.killed(over, lambda: self._fork(lambda: None))
        for _ in range(count):
            moment = dice.uniform(0, self.took)
            found = self.killed(over, lambda: self._fork(lambda: None, moment))  # noqa: B023
            yield found | {"when": f"after {moment:.4f} s"}

    def _fork(self, prepare: Callable[[], object], moment: float | None = None) -> int:
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            prepare()
            self.write(False, self.folder)
            os._exit(0)
        if moment is not None:
            time.sleep(moment)
            os.kill(child, signal.SIGKILL)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if moment is None:
            self.took = time.monotonic() - began
        return ended


class CommandKills(Kills):
    """The kills of what a command writes that is not a converted model."""

    def __init__(self, root: Path, target: str) -> None:
        self.words = COMMANDS[target]
        self.inputs = root / "in"
        self.inputs.mkdir(exist_ok=True)
        for old in (False, True):
            irconv.write(model(old), self.inputs / f"{old:d}.irconv", WriteOptions(force=True))
        np.save(self.inputs / "x.npy", numbers(3, 6))
        super().__init__(root, target)
        assert self.clean[True] != self.clean[False], f"{target} says nothing of what was killed"

    def write(self, old: bool, folder: Path) -> None:
        """Run the command with one of the models."""
        places = {"model": self.inputs / f"{old:d}.irconv", "other": self.inputs / "0.irconv"}
        places |= {"x": self.inputs / "x.npy", "out": folder / self.target}
        words = [word.format(**places) for word in self.words]
        result = CliRunner().invoke(cli, [*words, "--force"])
        assert result.exit_code == 0 or words[0] == "diff", result.output


def main(root: Path, count: int = 0, seed: int = 0) -> None:
    os.fsync = lambda descriptor: None  # a killed process loses nothing that it has written
    found: list[dict[str, Any]] = []
    dice = random.Random(seed)
    for target in [*targets(), *COMMANDS]:
        kills = CommandKills(root, target) if target in COMMANDS else Kills(root, target)
        for over in (True, False) if count or target in SETS else (True,):
            found += kills.at_random(over, count, dice) if count else kills.after_calls(over)
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
