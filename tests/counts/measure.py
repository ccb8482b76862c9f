"""Counts that do not depend on the machine: bytes moved, passes over the graph, modules imported, processes started."""

from __future__ import annotations

import concurrent.futures
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import irconv
from irconv.containers import hdf5_process
from irconv.frameworks.torch import blocks
from irconv.ir import inference
from irconv.ir.graph import Graph, Node
from irconv.options import WriteOptions

IO = Path("/proc/self/io")
"""What Linux counts of each process: the bytes of its reads and writes, from memory or disk alike."""


@dataclass(frozen=True)
class Bytes:
    """What a call read and wrote, the process of the HDF5 library included."""

    read: int
    written: int


def bytes_moved(call: Callable[[], object]) -> Bytes:
    """The bytes that a call moves; call it once before, so that imports and the HDF5 process are not counted."""
    before = _moved()
    call()
    after = _moved()
    return Bytes(after["rchar"] - before["rchar"], after["wchar"] - before["wchar"])


def _moved() -> Counter[str]:
    found: Counter[str] = Counter()
    workers = [Path(f"/proc/{process.pid}/io") for process in hdf5_process._RUNNING.values()]
    for path in (IO, *workers):
        found.update({key: int(value) for key, value in (line.split(": ") for line in path.read_text().splitlines())})
    return found


def convert(source: Path, destination: Path) -> None:
    """A conversion that may replace what is there."""
    irconv.convert(source, destination, write_options=WriteOptions(force=True))


@dataclass(frozen=True)
class Work:
    """How often a call did what takes as long as the graph is large."""

    types: int
    """Inferences of the types of all values."""
    passes: int
    """Times that all nodes of the graph were gone through."""
    blocks: int
    """Searches for repeated blocks."""


def work(call: Callable[[], object], depth: int) -> Work:
    """What a call does on a graph of `depth` nodes; graphs of less than half of them, such as bodies, do not count."""
    passes = 0
    plain = Graph.__getattribute__

    class Nodes(tuple[Node, ...]):
        def __iter__(self) -> Iterator[Node]:
            nonlocal passes
            passes += len(self) >= depth // 2
            return super().__iter__()

        def __reversed__(self) -> Iterator[Node]:
            return reversed(tuple(self))

    def counted(self: Graph, name: str) -> Any:
        found = plain(self, name)
        return Nodes(found) if name == "nodes" else found

    with _counted(inference.inferred) as types, _counted(blocks.structured) as searches:
        type.__setattr__(Graph, "__getattribute__", counted)
        try:
            call()
        finally:
            type.__delattr__(Graph, "__getattribute__")
    return Work(len(types), passes, len(searches))


@contextmanager
def _counted(function: Callable[..., Any]) -> Iterator[list[None]]:
    """The calls of a function inside the block, whatever module of irconv calls it."""
    calls: list[None] = []

    def instead(*given: Any, **named: Any) -> Any:
        calls.append(None)
        return function(*given, **named)

    modules = [module for name, module in sys.modules.items() if name.split(".")[0] == "irconv"]
    holders = [(module, name) for module in modules for name, held in vars(module).items() if held is function]
    for module, name in holders:
        setattr(module, name, instead)
    try:
        yield calls
    finally:
        for module, name in holders:
            setattr(module, name, function)


_WAITING = (threading.__file__, concurrent.futures.__path__[0])


def function_calls(call: Callable[[], object]) -> int:
    """How many functions a call calls in this thread, those written in C included; those by which it waits for other
    threads do not count: how often it is woken is the machine's doing."""
    count = 0

    def note(frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call") and not frame.f_code.co_filename.startswith(_WAITING)

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return count


_START = """
import json, sys
before = set(sys.modules)  # what the interpreter imports by itself, such as a sitecustomize
started = []
events = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system"}
sys.addaudithook(lambda event, given: started.append(str(given[:1])) if event in events else None)
from irconv.cli import main
main(sys.argv[1:], standalone_mode=False)
print(json.dumps({"modules": sorted(set(sys.modules) - before), "processes": started}))
"""


@dataclass(frozen=True)
class Start:
    """What a command line brings in before it is done."""

    modules: int
    """Modules of irconv."""
    packages: frozenset[str]
    """Of third parties."""
    processes: int
    """Without the ``uname`` that h5py asks when it is imported."""


def start(arguments: Sequence[str | Path]) -> Start:
    """What a command imports and starts, in a process of its own."""
    command = [sys.executable, "-c", _START, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    found = json.loads(result.stdout.splitlines()[-1])
    roots = {name.split(".")[0] for name in found["modules"]}
    foreign = {root for root in roots - set(sys.stdlib_module_names) if not root.startswith("_") and root != "irconv"}
    ours = sum(name.split(".")[0] == "irconv" for name in found["modules"])
    processes = sum("'uname'" not in started for started in found["processes"])
    return Start(ours, frozenset(foreign), processes)
