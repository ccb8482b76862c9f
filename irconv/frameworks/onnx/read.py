"""Reads ONNX models of any opset into bundles; the weights stay where they are until they are written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from irconv.containers import onnx_model
from irconv.frameworks.onnx.reading.model import ModelReader
from irconv.ir.bundle import Bundle
from irconv.ir.manifest import SourceFile, SourceRecord
from irconv.options import ReadOptions


def read(path: Path, options: ReadOptions) -> Bundle:
    """The model's graph, naively.

    Raises `DamagedFile`, and `Refused` naming every node that cannot be carried over.
    """
    file = onnx_model.read(path)
    reader = ModelReader(file, options)
    outputs = reader.read()
    paths = (path, *(beside.path for beside in file.beside.values()))
    files = tuple(SourceFile(name=part.name, size=part.stat().st_size, sha256="") for part in paths)
    version = f"{file.model.producer_name} {file.model.producer_version}".strip()
    source = SourceRecord(framework="onnx", version=version, files=files, facts=tuple(reader.facts))
    return replace(reader.importer.bundle(source, outputs), paths=paths)
