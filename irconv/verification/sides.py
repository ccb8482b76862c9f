"""The two models of a check: which runtimes can run each, in which order they are tried, and the axes they take.

A kind of file is one row of `KINDS`.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from irconv.containers.outputs import whole_output
from irconv.data_classes import dataclass
from irconv.errors import IrconvError, MissingFact, Problems
from irconv.frameworks.onnx import write as onnx_write
from irconv.frameworks.tensorflow import running
from irconv.ir.bundle import Bundle
from irconv.options import ReadOptions, WriteOptions, flag
from irconv.verification import emitted
from irconv.verification.process import Declared, Loaded, Processes, SideFailed
from irconv.verification.runtimes import RUNTIMES, Runtime
from irconv.verification.slots import Slot, Slots, native_slots, source_slots

_LOADERS = {"load", "build"}
"""What the Python files that irconv writes for PyTorch and Theano define."""


@dataclass(frozen=True)
class Given:
    """One side as it was asked for."""

    path: Path
    bundle: Bundle | None = None
    """What irconv reads it as; None where it cannot."""
    unread: str = ""
    """Why not."""
    reader: str = ""
    """The reader that recognises it."""
    options: ReadOptions = field(default_factory=ReadOptions)
    """How it was read."""
    edited: tuple[str, ...] = ()
    """Those of the options that read it as another function than the file alone says."""
    ports: tuple[Slots, Slots] | None = None
    """Its inputs and outputs, where whoever wrote it says them."""
    final: Path | None = None
    """The place that the file will have."""

    @property
    def name(self) -> str:
        """The file as the user knows it."""
        return str(self.final or self.path)


@dataclass(frozen=True)
class Way:
    """One way of running a side."""

    runtime: Runtime
    python: str
    path: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[Slot, ...] = ()
    """Where more is known of them than the runtime will say."""
    outputs: tuple[Slot, ...] = ()
    own: bool = True
    """Whether the file runs as it is, and not as irconv has read it."""
    side: str = ""
    """The module in `irconv.verification.workers`, where it is not the runtime's own."""
    variant: str = ""
    """What a process cannot change once it has begun, such as the backend of Keras."""


@dataclass(frozen=True)
class Side:
    """A model that is ready to run."""

    given: Given
    loaded: Loaded
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    own: bool
    """Whether its file runs as it is, and not as irconv has read it."""
    notes: tuple[str, ...]
    """What was tried before, and why it did not do."""

    @property
    def runtime(self) -> str:
        """Name and version of what runs it."""
        return self.loaded.runtime

    @property
    def stands_in(self) -> bool:
        """Whether another generation of its framework runs it than wrote it, and may take it for something else."""
        bundle = self.given.bundle
        written = bundle.source.version if self.own and self.given.reader == "keras" and bundle is not None else ""
        return bool(written) and written.split(".")[0] != self.loaded.version.split(".")[0]


@dataclass(frozen=True)
class Kind:
    """Files that a framework runs as they are."""

    name: str
    recognises: Callable[[Given], bool]
    ways: Callable[[Given, Problems], list[Way]]
    """How; what stands in the way of others is added to the problems."""
    honours: frozenset[str] = frozenset()
    """The options that choose one of the functions that the file itself has."""


def opened(given: Given, processes: Processes, slot: int, own: bool = True) -> Side:
    """The side, loaded by the first runtime that can: the file's own framework unless `own` is false, else what irconv
    has read.

    Raises `MissingFact` with everything that was tried.
    """
    problems = Problems()
    for way in _ways(given, problems, processes.folder / f"read{slot}.onnx", own):
        try:
            loaded = processes.get(way.python, way.side or way.runtime.side, slot, way.variant).load(
                way.path, way.options
            )
        except SideFailed as error:
            problems.add(given.name, f"{_where(way)} could not load it: {error}", kind=MissingFact)
            continue
        notes = tuple(f"{problem.where}: {problem.what}" for problem in problems.all())
        said = given.ports if given.ports and way.own else (way.inputs, way.outputs)
        return Side(given, loaded, _known(said[0], loaded.inputs), _known(said[1], loaded.outputs), way.own, notes)
    if given.bundle is None and given.unread:
        tried = "irconv cannot run it either" if problems else "cannot be run"
        problems.add(given.name, f"{tried}: {given.unread}", kind=MissingFact)
    elif given.bundle is not None and given.bundle.graph is None:
        problems.add(given.name, _NOTHING, given.bundle.graph_remedy("Give the model's own file."), kind=MissingFact)
    problems.raise_any()
    raise AssertionError("every way that fails is a problem")


def refuse_weights(a: Given, b: Given) -> None:
    """Raise `MissingFact` where a side holds weights alone, with the command that compares tensors."""
    problems = Problems()
    for given in (a, b):
        if given.bundle is not None and given.bundle.graph is None and not any(k.recognises(given) for k in KINDS):
            own = given.bundle.graph_remedy("Give the model's own file.").rstrip(".")
            remedy = f"{own}, or compare the tensors: irconv diff {shlex.quote(a.name)} {shlex.quote(b.name)}"
            problems.add(given.name, _NOTHING, remedy, kind=MissingFact)
    problems.raise_any()


_NOTHING = "holds weights without a graph, so that there is nothing to run"


def _where(way: Way) -> str:
    return way.runtime.name if way.python == sys.executable else f"{way.runtime.name} ({way.python})"


def _known(said: Sequence[Slot], declared: Sequence[Declared]) -> tuple[Slot, ...]:
    """What is known of the inputs or outputs: what irconv knows, where it is of as many as the runtime has."""
    if said and (not declared or len(declared) == len(said)):
        return tuple(said)
    return tuple(Slot(one.name, one.shape, one.dtype, "") for one in declared)


def _missing(given: Given, runtime: Runtime, problems: Problems) -> None:
    problems.add(given.name, f"{runtime.name} is not installed", runtime.remedy(), kind=MissingFact)


def _ways(given: Given, problems: Problems, path: Path, own: bool) -> Iterator[Way]:
    """The file in its own framework, then what irconv has read, written as ONNX to a path: in onnxruntime, in numpy."""
    kind = next((one for one in KINDS if one.recognises(given)), None)
    edited = [flag(name) for name in given.edited if kind is None or name not in kind.honours]
    if edited:
        what = f"runs as irconv reads it with {', '.join(edited)}, which the file alone does not say"
        problems.add(given.name, what, kind=MissingFact)
    elif kind is not None and own:
        yield from kind.ways(given, problems)
    bundle = given.bundle
    if bundle is not None and bundle.graph is not None:
        for name in READ_IN:
            if RUNTIMES[name].installed:
                with problems.collect():
                    yield bundle_way(bundle, path, name)


READ_IN = ("onnxruntime", "numpy")


def bundle_way(bundle: Bundle, path: Path, name: str) -> Way:
    """A bundle written as ONNX to a path, to be run by a runtime. Raises `Refused` where ONNX cannot say it."""
    assert bundle.graph is not None, "the caller has looked"
    if name == "numpy":
        path.write_bytes(onnx_write.to_bytes(bundle, execution=True))
    else:
        with whole_output(force=True) as output:
            onnx_write.write(bundle, output, path, WriteOptions(force=True))
    return Way(RUNTIMES[name], sys.executable, path, {}, *native_slots(bundle.graph), own=False)


# files that a framework runs as they are --------------------------------------------------------------------------


def _is_onnx(given: Given) -> bool:
    return given.path.is_file() and (given.reader == "onnx" or given.path.suffix == ".onnx")


def _onnx(given: Given, problems: Problems) -> list[Way]:
    names = [name for name in ("onnxruntime", "numpy") if RUNTIMES[name].installed]
    if "onnxruntime" not in names:
        _missing(given, RUNTIMES["onnxruntime"], problems)
    return [Way(RUNTIMES[name], sys.executable, given.path) for name in names]


def _is_keras(given: Given) -> bool:
    alone = given.bundle is not None and given.bundle.graph is None
    return given.reader == "keras" and not alone and given.path.suffix != ".json"


def _keras(given: Given, problems: Problems) -> list[Way]:
    """In a configured Keras, then in this Python's where it is of the file's own generation or may stand in for it."""
    runtime = RUNTIMES["keras"]
    source = given.bundle.source if given.bundle is not None else None
    written = source.version if source else ""
    backend = next((fact.value for fact in source.facts if fact.name == "backend"), "") if source else ""
    pythons = runtime.configured()
    old = written[:1] in ("1", "2")
    if not runtime.installed:
        if not pythons:
            _missing(given, runtime, problems)
    elif written.startswith("1") or (old and backend != "tensorflow"):
        if not pythons:
            what = f"today's Keras reads what Keras {written} on {backend} wrote as another function"
            problems.add(given.name, what, f"Name a Python with that Keras in {runtime.variable}.", MissingFact)
    else:
        pythons = [*pythons, sys.executable] if old else [sys.executable, *pythons]
    minor = written.split(".")[1:2]
    tensorflows = written.endswith("-tf") or (written.startswith("2") and bool(minor) and int(minor[0]) >= 4)
    variant = backend if backend == "theano" else ""
    options = {"tensorflow": tensorflows, "backend": variant}
    graph = given.bundle.graph if given.bundle is not None else None
    ports = source_slots(graph) if graph is not None else ((), ())
    return [Way(runtime, python, given.path, options, *ports, variant=variant) for python in pythons]


def _defines(name: str) -> Callable[[Given], bool]:
    def recognises(given: Given) -> bool:
        return name in emitted.functions(given.path)

    return recognises


def _torch(given: Given, problems: Problems) -> list[Way]:
    runtime = RUNTIMES["torch"]
    if not runtime.installed:
        _missing(given, runtime, problems)
        return []
    return [Way(runtime, sys.executable, given.path, {}, *emitted.ports(given.path))]


def _theano(given: Given, problems: Problems) -> list[Way]:
    runtime = RUNTIMES["theano"]
    if not runtime.pythons():
        _missing(given, runtime, problems)
    return [Way(runtime, python, given.path) for python in runtime.pythons()]


def _is_torch(given: Given) -> bool:
    return given.reader == "torch" and (given.bundle is None or given.bundle.graph is not None)


def _unpickled(given: Given, problems: Problems) -> list[Way]:
    """PyTorch would have to import and call what the file names: it runs as irconv reads it, or not at all."""
    what = "is not given to PyTorch, which would run what it names"
    problems.add(given.name, what, "Convert it to .py, and give that.", kind=MissingFact)
    return []


def _is_program(given: Given) -> bool:
    return given.reader == "torch-program"


def _program(given: Given, problems: Problems) -> list[Way]:
    """In PyTorch, which gets a copy without anything that it would execute."""
    runtime = RUNTIMES["torch"]
    if not runtime.installed:
        _missing(given, runtime, problems)
        return []
    graph = given.bundle.graph if given.bundle is not None else None
    ports = source_slots(graph) if graph is not None else ((), ())
    return [Way(runtime, sys.executable, given.path, {}, *ports, side="program_side")]


def _is_tensorflow(given: Given) -> bool:
    bundle = given.bundle
    graph = bundle is None or bundle.graph is not None or any(fact.name == "graph" for fact in bundle.source.facts)
    return given.reader == "tensorflow" and graph


def _tensorflow(given: Given, problems: Problems) -> list[Way]:
    """In a configured TensorFlow 1, and in this Python's, which has sessions of TensorFlow 1; first in the generation
    that wrote the graph."""
    runtime = RUNTIMES["tensorflow"]
    if not runtime.pythons():
        _missing(given, runtime, problems)
        return []
    try:
        found = running.entry(given.path, given.options)
    except IrconvError as error:
        for problem in error.problems:
            problems.add(given.name, f"does not say what {runtime.name} is to run: {problem.what}", problem.remedy)
        return []
    graph = given.bundle.graph if given.bundle is not None else None
    ports = source_slots(graph) if graph is not None else ((), ())
    pythons = runtime.pythons() if not found.version.startswith("2") else runtime.pythons()[::-1]
    return [Way(runtime, python, found.graph, _entered(found), *ports) for python in pythons]


def _entered(found: running.Entry) -> dict[str, Any]:
    """How a graph is entered, for the worker."""
    feeds = [
        {
            "name": feed.name,
            "value": feed.value,
            "dtype": feed.dtype,
            "shape": [size if isinstance(size, int) else None for size in feed.shape],
            "symbols": ["" if isinstance(size, int) else size for size in feed.shape],
        }
        for feed in found.feeds
    ]
    return {
        "kind": found.kind,
        "tags": list(found.tags),
        "checkpoint": str(found.checkpoint.absolute()) if found.checkpoint else None,
        "feeds": feeds,
        "fetches": [{"name": fetch.name, "value": fetch.value} for fetch in found.fetches],
        "fixed": dict(found.fixed),
        "averages": dict(found.averages),
    }


KINDS = (
    Kind("onnx", _is_onnx, _onnx),
    Kind("keras", _is_keras, _keras),
    Kind("theano source", _defines("build"), _theano),  # which defines load as well
    Kind("torch source", _defines("load"), _torch),
    Kind("torch", _is_torch, _unpickled),
    Kind("torch program", _is_program, _program),
    Kind("tensorflow", _is_tensorflow, _tensorflow, running.HONOURED),
)
"""Every kind of file that a framework runs as it is, and who runs it; what is none of these runs as irconv reads it."""


def framework_alone(path: Path) -> str:
    """Why only its framework runs a file, and irconv reads nothing of it; empty for any other file."""
    return "it is Python source, which only its framework runs" if emitted.functions(path) & _LOADERS else ""
