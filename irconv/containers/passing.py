"""Files that are there for a moment alone: what comes as bytes, and tensors that stay when their file goes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from irconv.containers.files import sha256
from irconv.errors import IrconvError, MissingFact, Problem
from irconv.ir.bundle import Bundle, Tensor
from irconv.ir.manifest import SourceFile
from irconv.ir.tensors import InMemory, LazyTensor, Source
from irconv.layout import Array

_BYTES = "<bytes>"


@contextmanager
def in_a_file(source: bytes | BinaryIO) -> Iterator[Path]:
    """A file with these bytes while the block runs; errors speak of what was given.

    Raises `MissingFact` for what are no bytes, and no file that is open for reading them.
    """
    name = str(getattr(source, "name", "") or "") if not isinstance(source, bytes | bytearray | memoryview) else ""
    given = name if name and not name.isdigit() else _BYTES  # a pipe is called by its number
    with TemporaryDirectory(prefix="irconv-") as folder:
        path = Path(folder) / (Path(given).name if given != _BYTES else "model")
        with path.open("wb") as file:
            if isinstance(source, bytes | bytearray | memoryview):
                file.write(source)
            elif hasattr(source, "read"):
                _copy(source, file, given)
            else:
                kind = type(source).__name__
                raise MissingFact("source", f"expected a path, bytes or a file open for reading bytes, got {kind}")
        with named(path, given):
            yield path


@contextmanager
def named(path: Path, given: str) -> Iterator[None]:
    """Errors of the block speak of what was given, and not of the file that stands for it."""
    try:
        yield
    except IrconvError as error:
        error.problems = tuple(_named(problem, path, given) for problem in error.problems)
        raise


def _copy(source: BinaryIO, file: BinaryIO, given: str) -> None:
    try:
        shutil.copyfileobj(source, file)
    except (TypeError, UnicodeDecodeError) as error:
        what = "expected a file open for reading bytes, got one for text"
        raise MissingFact(given, what, "Open it with 'rb'.") from error


def _named(problem: Problem, path: Path, given: str) -> Problem:
    where, what, remedy = (text.replace(str(path), given) for text in (problem.where, problem.what, problem.remedy))
    return Problem(where, what, remedy)


def in_memory(bundle: Bundle) -> Bundle:
    """The bundle with all of its tensors read, so that the files which it was read from may go."""
    read: dict[int, tuple[Source, InMemory]] = {}

    def kept(data: LazyTensor) -> LazyTensor:
        if id(data.source) not in read:
            read[id(data.source)] = data.source, InMemory(_whole(data))
        return LazyTensor(read[id(data.source)][1], data.changes)

    tensors = {key: Tensor(tensor.record, kept(tensor.data)) for key, tensor in bundle.tensors.items()}
    state = {key: Tensor(tensor.record, kept(tensor.data)) for key, tensor in bundle.state.items()}
    probe = bundle.probe
    if probe is not None:
        probe = replace(probe, data={key: kept(data) for key, data in probe.data.items()})
    files = tuple(SourceFile(name=p.name, size=p.stat().st_size, sha256=sha256(p)) for p in bundle.paths)
    source = bundle.source.model_copy(update={"files": files or bundle.source.files})
    return replace(bundle, source=source, tensors=tensors, state=state, probe=probe, paths=(), opened={})


def _whole(data: LazyTensor) -> Array:
    return LazyTensor(data.source).numpy()
