"""Reads ONNX models of any opset into bundles; the weights stay where they are until they are written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from irconv.containers import onnx_model
from irconv.containers.onnx_model import OnnxFile
from irconv.frameworks.onnx.own import native
from irconv.frameworks.onnx.reading import noted
from irconv.frameworks.onnx.reading.baked import Baked, check_model
from irconv.frameworks.onnx.reading.model import ModelReader
from irconv.ir.bundle import Bundle
from irconv.ir.manifest import Fact, SourceFile, SourceRecord, baked_fact
from irconv.options import ReadOptions

__all__ = ["native", "read"]


def read(path: Path, options: ReadOptions) -> Bundle:
    """The model's graph, naively.

    Raises `DamagedFile`, and `Refused` naming every node that cannot be carried over.
    """
    file = onnx_model.read(path)
    reader, bundle = _read(file, options)
    paths = (path, *(beside.path for beside in file.beside.values()))
    files = tuple(SourceFile(name=part.name, size=part.stat().st_size, sha256="") for part in paths)
    version = f"{file.model.producer_name} {file.model.producer_version}".strip()
    # sizes that met while it was read are facts of the bundle's own already
    source = bundle.source.model_copy(update={"version": version, "files": files})
    return noted.run(replace(bundle, source=source, paths=paths), file, reader.notes, reader.values)


def _read(file: OnnxFile, options: ReadOptions) -> tuple[ModelReader, Bundle]:
    """What has been read, with open sizes as numbers where a node takes one number alone."""
    facts: list[Fact] = []
    while True:
        reader = ModelReader(file, options, {fact.name: int(fact.value) for fact in facts})
        try:
            outputs = reader.read()
            told = (*reader.facts, *facts, *reader.keeping.told(reader.importer.problems))
            source = SourceRecord(framework="onnx", version="", files=(), facts=told)
            bundle = reader.importer.bundle(source, outputs)
            checked = check_model(bundle, reader.where)
        except Baked as found:
            facts.append(baked_fact(found.symbol, found.size, found.where))
            continue
        source = bundle.source.model_copy(update={"facts": (*bundle.source.facts, *checked)})
        return reader, replace(bundle, source=source)
