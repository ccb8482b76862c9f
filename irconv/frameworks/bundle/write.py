"""Writes a bundle: manifest, weights, a README for people, and digests of all three."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from irconv.containers import safetensors, zip
from irconv.containers.files import Progress, sha256
from irconv.containers.outputs import Output
from irconv.frameworks.bundle.digests import DIGESTS, MANIFEST, README, own_files
from irconv.frameworks.bundle.readme import readme
from irconv.ir.bundle import Bundle
from irconv.ir.manifest import SourceFile
from irconv.ir.tensors import as_pairs
from irconv.options import WriteOptions

SHARD_BYTES = 5 * 10**9
"""Weights above this become numbered shards, as the ecosystem's loaders expect."""


def write(
    bundle: Bundle, output: Output, destination: Path, options: WriteOptions, progress: Progress | None = None
) -> list[Path]:
    """Write the folder, or the zip where the name ends so; the same bundle gives the same bytes."""
    if not destination.name.endswith(".zip"):
        _write_files(bundle, output.folder(destination, own_files), progress)
        return [destination]
    temporary = output.path(destination)
    with tempfile.TemporaryDirectory(dir=temporary.parent) as folder:
        _write_files(bundle, Path(folder), progress)
        zip.pack(Path(folder), temporary, destination.name.removesuffix(".zip"))
    return [destination]


def _write_files(bundle: Bundle, folder: Path, progress: Progress | None) -> None:
    bundle = _with_digests(bundle)
    if bundle.tensors:
        data = {key: as_pairs(tensor.data) for key, tensor in bundle.tensors.items()}
        safetensors.write_sharded(folder.joinpath, "weights", data, SHARD_BYTES, progress)
    (folder / MANIFEST).write_text(bundle.manifest().text(), encoding="utf-8")
    (folder / README).write_text(readme(bundle), encoding="utf-8")
    digests = [f"{sha256(path)}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / DIGESTS).write_text("".join(digests), encoding="utf-8")


def _with_digests(bundle: Bundle) -> Bundle:
    """The source record with the digests of the files, taken while they are still there."""
    if not bundle.paths:
        return bundle
    files = tuple(SourceFile(name=path.name, size=path.stat().st_size, sha256=sha256(path)) for path in bundle.paths)
    return replace(bundle, source=bundle.source.model_copy(update={"files": files}))
