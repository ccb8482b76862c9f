"""The two models of a check: which runtimes can run each, in which order they are tried, and the axes they take.

A kind of file is one row of `KINDS`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from irconv.containers.files import whole_output
from irconv.errors import IrconvError, MissingFact, Problems
from irconv.frameworks.onnx import write as onnx_write
from irconv.ir.bundle import Bundle
from irconv.options import WriteOptions
from irconv.verify import emitted
from irconv.verify.process import Declared, Loaded, Processes, SideFailed
from irconv.verify.runtimes import RUNTIMES, Runtime
from irconv.verify.slots import Slot, native_slots, source_slots

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

    @property
    def runnable(self) -> bool:
        """Whether irconv has read a graph."""
        return self.bundle is not None and self.bundle.graph is not None


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


@dataclass(frozen=True)
class Kind:
    """Files that a framework runs as they are."""

    name: str
    recognises: Callable[[Given], bool]
    ways: Callable[[Given, Problems], list[Way]]
    """How; what stands in the way of others is added to the problems."""


def opened(given: Given, processes: Processes, slot: int) -> Side:
    """The side, loaded by the first runtime that can: the file's own framework, else what irconv has read.

    Raises `MissingFact` with everything that was tried.
    """
    problems = Problems()
    kind = next((one for one in KINDS if one.recognises(given)), None)
    ways = kind.ways(given, problems) if kind else []
    for make in (lambda: ways, lambda: _as_read(given, processes, slot)):
        for way in make():
            try:
                loaded = processes.get(way.python, way.runtime.side, slot, way.variant).load(way.path, way.options)
            except SideFailed as error:
                problems.add(str(given.path), f"{_where(way)} could not run it: {error}", kind=MissingFact)
                continue
            notes = tuple(f"{problem.where}: {problem.what}" for problem in problems.all())
            inputs, outputs = _known(way.inputs, loaded.inputs), _known(way.outputs, loaded.outputs)
            return Side(given, loaded, inputs, outputs, way.own, notes)
    if given.bundle is None:
        problems.add(str(given.path), f"irconv cannot run it either: {given.unread}", kind=MissingFact)
    elif given.bundle.graph is None:
        what = "holds weights without a graph, so that there is nothing to run"
        remedy = given.bundle.graph_remedy("Give the model's own file; `irconv diff` compares weights.")
        problems.add(str(given.path), what, remedy, kind=MissingFact)
    problems.raise_any()
    raise AssertionError("every way that fails is a problem")


def _where(way: Way) -> str:
    return way.runtime.name if way.python == sys.executable else f"{way.runtime.name} ({way.python})"


def _known(said: Sequence[Slot], declared: Sequence[Declared]) -> tuple[Slot, ...]:
    """What is known of the inputs or outputs: what irconv knows, where it is of as many as the runtime has."""
    if said and (not declared or len(declared) == len(said)):
        return tuple(said)
    return tuple(Slot(one.name, one.shape, one.dtype, "") for one in declared)


def _missing(given: Given, runtime: Runtime, problems: Problems) -> None:
    problems.add(str(given.path), f"{runtime.name} is not installed", runtime.remedy(), kind=MissingFact)


# as irconv has read it --------------------------------------------------------------------------------------------


def _as_read(given: Given, processes: Processes, slot: int) -> list[Way]:
    """The bundle as ONNX, in onnxruntime where it is installed, else in numpy."""
    bundle = given.bundle
    if bundle is None or bundle.graph is None:
        return []
    return [bundle_way(bundle, processes.folder / f"read{slot}.onnx")]


def bundle_way(bundle: Bundle, path: Path) -> Way:
    """A bundle written as ONNX to a path, to be run. Raises `Refused` where ONNX cannot say it."""
    assert bundle.graph is not None, "the caller has looked"
    runtime = RUNTIMES["onnxruntime" if RUNTIMES["onnxruntime"].installed else "numpy"]
    if runtime.name == "numpy":
        path.write_bytes(onnx_write.to_bytes(bundle, execution=True))
    else:
        with whole_output(force=True) as output:
            onnx_write.write(bundle, output, path, WriteOptions(force=True))
    return Way(runtime, sys.executable, path, {}, *native_slots(bundle.graph), own=False)


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
            problems.add(str(given.path), what, f"Name a Python with that Keras in {runtime.variable}.", MissingFact)
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


KINDS = (
    Kind("onnx", _is_onnx, _onnx),
    Kind("keras", _is_keras, _keras),
    Kind("torch source", _defines("load"), _torch),
    Kind("theano source", _defines("build"), _theano),
)
"""Every kind of file that a framework runs as it is, and who runs it; what is none of these runs as irconv reads it."""


def read_side(path: Path, reader: str, read: Callable[[], Bundle]) -> Given:
    """A side, with what irconv reads it as; a file that it cannot read may still run in its own framework."""
    if emitted.functions(path) & _LOADERS:
        return Given(path, unread="it is Python source, which only its framework runs")
    try:
        return Given(path, read(), reader=reader)
    except IrconvError as error:
        return Given(path, None, "; ".join(str(problem) for problem in error.problems[:3]), reader)
