"""Reads a bundle, from its folder or its zip."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from irconv.containers import safetensors, zip
from irconv.containers.files import SourceFile
from irconv.errors import MALFORMED, BundleInvalid
from irconv.frameworks.bundle.digests import MANIFEST
from irconv.ir.bundle import Bundle, Tensor
from irconv.ir.manifest import Manifest
from irconv.ir.tensors import LazyTensor, from_pairs
from irconv.ir.upgrade import upgrade
from irconv.ir.validate import validate
from irconv.options import ReadOptions

_ZIPPED = ".irconv.zip"


@dataclass(frozen=True)
class Files:
    """The files of a bundle, wherever they lie."""

    path: Path
    members: dict[str, zip.Member] | None
    """None for a folder."""

    def names(self) -> Iterable[str]:
        """The names of all files."""
        return sorted(self.members) if self.members is not None else sorted(p.name for p in self.path.iterdir())

    def open(self, name: str) -> SourceFile | None:
        """A file, or None where there is none of this name."""
        if self.members is not None:
            member = self.members.get(name)
            return SourceFile(self.path, member.offset, member.size) if member else None
        path = self.path / name
        return SourceFile(path) if path.is_file() else None

    def text(self, name: str) -> str:
        """A small file as text. Raises `BundleInvalid` where it is missing or no UTF-8."""
        file = self.open(name)
        if file is None:
            raise BundleInvalid(f"{self.path}: {name}", "expected this file, which is missing")
        content = bytearray(file.size)
        file.read_into(memoryview(content), 0)
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise BundleInvalid(f"{self.path}: {name}", f"expected text, got {error}") from error


def recognises(path: Path) -> str:
    """Why this is a bundle: a folder with a manifest, or a zip of one; empty where it is none."""
    if path.is_dir():
        return f"is a folder with {MANIFEST}" if (path / MANIFEST).is_file() else ""
    if not path.name.endswith(_ZIPPED):
        return ""
    with path.open("rb") as file:
        return f"is a zip whose name ends in {_ZIPPED}" if file.read(4) == zip.SIGNATURE else ""


def read(path: Path, options: ReadOptions) -> Bundle:
    """The bundle as it was written; tensors are lazy. Raises `BundleInvalid` (all reasons) and `DamagedFile`."""
    files = bundle_files(path)
    where = f"{path}: {MANIFEST}"
    try:
        data = json.loads(files.text(MANIFEST))
    except (ValueError, RecursionError) as error:
        raise BundleInvalid(where, f"expected JSON, got {error}") from error
    try:
        manifest = Manifest.model_validate(upgrade(data, where))
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise BundleInvalid(where, f"does not fit the format: {'; '.join(problems[:10])}") from error
    data_of = safetensors.read_sharded(files.open, files.text, "weights", str(path)) if manifest.tensors else {}
    missing, extra = sorted(set(manifest.tensors) - set(data_of)), sorted(set(data_of) - set(manifest.tensors))
    if missing or extra:
        raise BundleInvalid(where, f"and the weights differ: {(missing + extra)[:5]}")
    bundle = _bundle(manifest, data_of)
    try:
        validate(bundle).raise_any()
    except MALFORMED as error:
        raise BundleInvalid(where, f"does not hold together: {error!r}") from error
    return bundle


def bundle_files(path: Path) -> Files:
    """The files of a bundle's folder or zip; in a zip they may lie in one folder of any name."""
    if path.is_dir():
        return Files(path, None)
    found = zip.members(path)
    folders = {PurePosixPath(name).parent for name in found}
    if len(folders) > 1:
        raise BundleInvalid(
            str(path), f"expected one folder in the archive, got {', '.join(sorted(map(str, folders)))}"
        )
    return Files(path, {PurePosixPath(name).name: member for name, member in found.items()})


def _bundle(manifest: Manifest, data: dict[str, LazyTensor]) -> Bundle:
    tensors = {key: Tensor(record, from_pairs(data[key], record.dtype)) for key, record in manifest.tensors.items()}
    kept = (manifest.groups, manifest.omitted, manifest.checks)
    return Bundle(manifest.source, manifest.layers, manifest.graph, tensors, *kept)
