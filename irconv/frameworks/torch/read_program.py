"""Reads exported programs (``.pt2``) into bundles, without PyTorch and without their pickles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from irconv.containers import exported_program
from irconv.frameworks.torch.aten.program import ProgramReader
from irconv.ir.bundle import Bundle
from irconv.ir.manifest import SourceFile, SourceRecord
from irconv.options import ReadOptions


def read(path: Path, options: ReadOptions) -> Bundle:
    """The program's graph, naively.

    Raises `DamagedFile`, and `Refused` naming every call that cannot be carried over.
    """
    program = exported_program.read(path)
    reader = ProgramReader(program, options, path.name)
    outputs = reader.read()
    files = (SourceFile(name=path.name, size=path.stat().st_size, sha256=""),)
    source = SourceRecord(framework="torch", version=program.version, files=files, facts=reader.facts())
    return replace(reader.importer.bundle(source, outputs), paths=(path,))
