"""Reads exported programs (``.pt2``) into bundles, without PyTorch and without their pickles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from irconv.containers import exported_program
from irconv.containers.exported_program import Program
from irconv.containers.zip import Archive
from irconv.frameworks.torch import first_programs, random_slopes
from irconv.frameworks.torch.aten.program import ProgramReader
from irconv.frameworks.torch.program_files import FIRST
from irconv.ir.bundle import Bundle
from irconv.ir.kept import TIED
from irconv.ir.manifest import Omitted, SourceFile, SourceRecord
from irconv.options import ReadOptions


def read(path: Path, options: ReadOptions) -> Bundle:
    """The program's graph, naively.

    Raises `DamagedFile`, and `Refused` naming every call that cannot be carried over.
    """
    files = (SourceFile(name=path.name, size=path.stat().st_size, sha256=""),)
    archive = Archive(path)
    program = first_programs.read(path, archive) if FIRST in archive.members else exported_program.read(path)
    return bundle_of(program, options, path.name, files, (path,))


def bundle_of(
    program: Program, options: ReadOptions, name: str, files: tuple[SourceFile, ...], paths: tuple[Path, ...]
) -> Bundle:
    """A program's graph, naively; `name` is that of its file, or what stands for one."""
    reader = ProgramReader(program, options, name)
    outputs = reader.read()
    source = SourceRecord(framework="torch", version=program.version, files=files, facts=reader.facts())
    bundle = reader.importer.bundle(source, outputs)
    read = {tensor.record.source.name for tensor in bundle.tensors.values() if tensor.record.source is not None}
    listed = {item.name for item in bundle.omitted} | read
    first = {id(data): key for key, data in program.weights.items() if key in read}
    rest = {key: data for key, data in program.weights.items() if key not in listed}
    unread = [_unread(key, first.get(id(data))) for key, data in rest.items()]
    return random_slopes.told(replace(bundle, paths=paths, omitted=(*bundle.omitted, *unread)))


def _unread(key: str, other: str | None) -> Omitted:
    return Omitted(name=key, reason="inference does not read it" if other is None else f"{TIED}{other}")
