"""Writes a bundle: manifest, weights, a README for people, and digests of all three."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from irconv.containers import safetensors, shards, zip_plain
from irconv.containers.files import Progress, sha256
from irconv.containers.outputs import Output
from irconv.containers.verified import Digests, block_size, digests
from irconv.frameworks.bundle.digests import (
    BLOCKS,
    MANIFEST,
    PROBE,
    README,
    SUMS,
    blocks_text,
    is_weights,
    own_files,
    sums_text,
)
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
    prefix = destination.name.removesuffix(".zip")
    with tempfile.TemporaryDirectory(dir=temporary.parent) as folder:
        crcs = _write_files(bundle, Path(folder), progress, zipped=True)
        files = {f"{prefix}/{file.name}": file for file in Path(folder).iterdir()}
        zip_plain.pack(files, temporary, {f"{prefix}/{name}": crc for name, crc in crcs.items()})
    return [destination]


def _write_files(bundle: Bundle, folder: Path, progress: Progress | None, zipped: bool = False) -> dict[str, int]:
    """Write the files into a folder; returns the CRCs, as a zip has them, of those that hold weights."""
    bundle = _with_digests(bundle)
    proofs: dict[str, Digests] = {}
    if tensors := {**bundle.tensors, **bundle.state}:
        data = {key: as_pairs(tensor.data) for key, tensor in tensors.items()}
        shards.write(folder.joinpath, "weights", data, SHARD_BYTES, progress)
        sizes = {path: path.stat().st_size for path in sorted(folder.iterdir()) if is_weights(path.name)}
        block = block_size(sum(sizes.values()))
        proofs = {path.name: digests(path, zipped, block) for path in sizes}
        sized = {path.name: (size, proofs[path.name]) for path, size in sizes.items()}
        (folder / BLOCKS).write_text(blocks_text(sized), encoding="utf-8")
    if bundle.probe is not None:
        safetensors.write(folder / PROBE, bundle.probe.data)
    with (folder / MANIFEST).open("w", encoding="utf-8") as file:
        file.writelines(bundle.manifest().pieces())
    (folder / README).write_text(readme(bundle), encoding="utf-8")
    sums = {path.name: sha256(path) for path in folder.iterdir() if path.name not in proofs}
    sums |= {name: proof.whole for name, proof in proofs.items()}
    (folder / SUMS).write_text(sums_text(sums), encoding="utf-8")
    return {name: proof.crc for name, proof in proofs.items() if proof.crc is not None}


def _with_digests(bundle: Bundle) -> Bundle:
    """The source record with the digests of the files, taken while they are still there."""
    if not bundle.paths:
        return bundle
    files = tuple(SourceFile(name=path.name, size=path.stat().st_size, sha256=sha256(path)) for path in bundle.paths)
    return replace(bundle, source=bundle.source.model_copy(update={"files": files}))
