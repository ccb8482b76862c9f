"""The processes in which models run: one for each side and runtime, under the Python that has the framework.

What they answer is in `irconv.verification.workers`. They end with the `Processes` that started them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from irconv.data_classes import dataclass
from irconv.layout import Array

_SERVE = Path(__file__).with_name("workers") / "serve.py"
_ROOT = Path(__file__).resolve().parents[2]
_TAIL = 400
"""Characters of what a framework says that are shown."""


class SideFailed(Exception):
    """A framework could not load or run a model, or its process died; the text says why."""


@dataclass(frozen=True)
class Declared:
    """An input or output as a runtime describes it."""

    name: str
    shape: tuple[int | str | None, ...] | None
    """A symbol or None for a size that varies; None as a whole where the runtime does not say."""
    dtype: str


@dataclass(frozen=True)
class Loaded:
    """A model that a process has loaded."""

    process: Process
    name: str
    version: str
    inputs: tuple[Declared, ...]
    outputs: tuple[Declared, ...]
    precision: str
    """The floating type of the least precision that it calculates in; empty where the runtime does not say."""

    @property
    def runtime(self) -> str:
        """Name and version of the framework."""
        return f"{self.name} {self.version}".strip()

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """The outputs in order, from the inputs in order. Raises `SideFailed`."""
        return self.process.run(arrays)

    def names(self, arrays: Sequence[Array]) -> list[tuple[str, list[str] | None]]:
        """What the model makes on the way, in an order in which it may be made: the runtime's name of each value, and
        of those that it is made of (None where the runtime does not say). Raises `SideFailed`."""
        return self.process.names(arrays)

    def values(self, arrays: Sequence[Array], names: Sequence[str]) -> list[tuple[str, Array]]:
        """Some of these values, as far as the runtime gives them; they lie on the disk, not in memory, as long as they
        are looked at. Raises `SideFailed`."""
        return self.process.values(arrays, names)


class Process:
    """One process of one runtime; it holds one model at a time."""

    def __init__(self, python: str, side: str, folder: Path) -> None:
        self._folder = folder
        self._kept: tuple[Any, Loaded] | None = None
        self._printed: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        path = os.pathsep.join([str(_ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]).strip(os.pathsep)
        own = {"PYTHONPATH": path} if python == sys.executable else {}
        # a GPU calculates in TF32 and in an order of its own; agreement is judged on the processor
        environment = {**os.environ, **own, "CUDA_VISIBLE_DEVICES": "", "PYTHONWARNINGS": "ignore"}
        environment["PYTHONDONTWRITEBYTECODE"] = "1"  # beside a file that is not ours, or not yet in its place
        try:
            self._process = subprocess.Popen(
                [python, str(_SERVE), side],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._printed,
                env=environment,
                text=True,
            )
        except OSError as error:
            self._printed.close()
            raise SideFailed(f"{python} could not be started: {error.strerror or error}") from error

    @property
    def alive(self) -> bool:
        """Whether it still answers."""
        return self._process.poll() is None

    def load(self, path: Path, options: Mapping[str, Any]) -> Loaded:
        """Load a model in place of the one before, or keep it where it is the same. Raises `SideFailed`."""
        about = path.stat()
        key = (str(path), about.st_mtime_ns, about.st_size, dict(options))
        if self._kept is None or self._kept[0] != key:
            self._kept = None
            self._kept = (key, self._loaded(path, options))
        return self._kept[1]

    def _loaded(self, path: Path, options: Mapping[str, Any]) -> Loaded:
        found = self._ask({"do": "load", "path": str(path), "options": dict(options)})
        ports = {kind: tuple(_declared(one) for one in found[kind]) for kind in ("inputs", "outputs")}
        return Loaded(self, found["name"], found["version"], precision=found["precision"], **ports)

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """See `Loaded.run`."""
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            found = self._ask({"do": "run", "inputs": _saved(folder, arrays), "folder": folder, "names": None})
            return [np.load(file, allow_pickle=False) for file in found["outputs"]]

    def names(self, arrays: Sequence[Array]) -> list[tuple[str, list[str] | None]]:
        """See `Loaded.names`."""
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            found = self._ask({"do": "names", "inputs": _saved(folder, arrays), "folder": folder, "names": None})
            return [(name, takes) for name, takes in found["names"]]

    def values(self, arrays: Sequence[Array], names: Sequence[str]) -> list[tuple[str, Array]]:
        """See `Loaded.values`."""
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            inputs = _saved(folder, arrays)
            found = self._ask({"do": "values", "inputs": inputs, "folder": folder, "names": list(names)})
            return [(one["name"], _mapped(one["file"])) for one in found["values"]]

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None, "it is a pipe"
        assert self._process.stdout is not None, "it is a pipe"
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise SideFailed(f"its process ended (exit code {self._process.wait()}): {self._said()}")
        found: dict[str, Any] = json.loads(line)
        if "error" in found:
            raise SideFailed(_short(found["error"]))
        return found

    def _said(self) -> str:
        self._printed.seek(0)
        return _short(self._printed.read().decode("utf-8", "replace")) or "it said nothing"

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # of what was not written yet
                    pipe.close()
        self._printed.close()


class Processes:
    """The processes of one check, or of several that follow each other; a context manager that ends them all."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="irconv-verify-")
        self._running: dict[tuple[str, str, int, str], Process] = {}

    @property
    def folder(self) -> Path:
        """A folder that is removed with the processes."""
        return Path(self._folder.name)

    def get(self, python: str, side: str, slot: int, variant: str = "") -> Process:
        """The process of a runtime for one of the two sides, started where there is none. Raises `SideFailed`."""
        key = (python, side, slot, variant)
        running = self._running.get(key)
        if running is not None and not running.alive:
            running.close()
        if running is None or not running.alive:
            self._running[key] = Process(python, side, self.folder)
        return self._running[key]

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running.values():
            process.close()
        self._folder.cleanup()


def _mapped(file: str) -> Array:
    """An array whose numbers stay in its file, which goes when the array does."""
    try:
        found: Array = np.load(file, allow_pickle=False, mmap_mode="r")
    except ValueError:  # nothing can be mapped of an array without elements
        found = np.load(file, allow_pickle=False)
    return found


def _short(text: str) -> str:
    """What a framework says, on one line."""
    words = " ".join(text.split()).rstrip(".")
    return words if len(words) <= _TAIL else f"{words[: _TAIL // 2]} ... {words[-_TAIL // 2 :]}"


def _declared(one: Mapping[str, Any]) -> Declared:
    shape = one["shape"]
    symbols = one.get("symbols") or [""] * len(shape or ())
    sizes = (
        None if shape is None else tuple(s if s is not None else w or None for s, w in zip(shape, symbols, strict=True))
    )
    return Declared(one["name"], sizes, one["dtype"])


def _saved(folder: str, arrays: Sequence[Array]) -> list[str]:
    paths = []
    for number, array in enumerate(arrays):
        paths.append(str(Path(folder) / f"x{number}.npy"))
        np.save(paths[-1], array, allow_pickle=False)
    return paths
