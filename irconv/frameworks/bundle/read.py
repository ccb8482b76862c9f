"""Reads a bundle, from its folder or its zip."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from irconv.containers import safetensors, shards
from irconv.errors import MALFORMED, BundleInvalid
from irconv.frameworks.bundle.digests import BLOCKS, MANIFEST, PROBE, REMEDY
from irconv.frameworks.bundle.files import Files, bundle_files
from irconv.ir.bundle import STATE, Bundle, Probed, Tensor
from irconv.ir.manifest import UNVERIFIED, Manifest, TensorRecord
from irconv.ir.tensors import LazyTensor, from_pairs
from irconv.ir.upgrade import upgrade
from irconv.ir.validate import validate
from irconv.options import ReadOptions

_WITHOUT_BLOCKS = "1.0"


def read(path: Path, options: ReadOptions) -> Bundle:
    """The bundle as it was written; tensors are lazy, and proved when they are read.

    Raises `BundleInvalid` (all reasons) and `DamagedFile`.
    """
    files = bundle_files(path, options.digests)
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
    if manifest.tensors and data["format"] != _WITHOUT_BLOCKS and files.raw(BLOCKS) is None:
        raise BundleInvalid(f"{path}: {BLOCKS}", "expected this file, which is missing", REMEDY)
    data_of = shards.read(files.open, files.text, "weights", str(path)) if manifest.tensors else {}
    missing, extra = sorted(set(manifest.tensors) - set(data_of)), sorted(set(data_of) - set(manifest.tensors))
    if missing or extra:
        raise BundleInvalid(where, f"and the weights differ: {(missing + extra)[:5]}")
    bundle = _bundle(manifest, data_of, _probe(manifest, files))
    if not options.digests and UNVERIFIED not in bundle.source.facts:
        source = bundle.source.model_copy(update={"facts": (*bundle.source.facts, UNVERIFIED)})
        bundle = replace(bundle, source=source)
    try:
        validate(bundle).raise_any()
    except MALFORMED as error:
        raise BundleInvalid(where, f"does not hold together: {error!r}") from error
    return bundle


def format_of(path: Path) -> str:
    """The format that a bundle says it is of."""
    try:
        found = json.loads(bundle_files(path, False).text(MANIFEST))
    except (ValueError, RecursionError) as error:
        raise BundleInvalid(f"{path}: {MANIFEST}", f"expected JSON, got {error}") from error
    return str(found.get("format")) if isinstance(found, dict) else ""


def _bundle(manifest: Manifest, data: dict[str, LazyTensor], probe: Probed | None) -> Bundle:
    tensors = {key: Tensor(record, from_pairs(data[key], record.dtype)) for key, record in manifest.tensors.items()}
    kept = (manifest.groups, manifest.omitted, manifest.checks, probe, manifest.meta)
    state = {key: tensors.pop(key) for key, record in manifest.tensors.items() if _is_state(key, record)}
    return Bundle(manifest.source, manifest.layers, manifest.graph, tensors, *kept, state=state)


def _is_state(key: str, record: TensorRecord) -> bool:
    return record.role == "optimizer" and key.startswith(STATE)


def _probe(manifest: Manifest, files: Files) -> Probed | None:
    """The probe with its arrays. Raises `BundleInvalid` where these, or the graph, are not what it says."""
    where, file = f"{files.path}: {PROBE}", files.raw(PROBE)
    if (manifest.probe is None) != (file is None):
        said = "has a probe" if manifest.probe else "has none"
        raise BundleInvalid(where, f"expected this file where {MANIFEST} has a probe and only there; it {said}", REMEDY)
    if manifest.probe is None or file is None:
        return None
    data, _ = safetensors.read(file)
    graph = manifest.graph
    ports = [{port.name for port in one} for one in (graph.inputs, graph.outputs)] if graph else [set(), set()]
    named = [set(manifest.probe.inputs), set(manifest.probe.outputs)]
    keys = [*manifest.probe.inputs.values(), *manifest.probe.outputs.values()]
    if named != ports or sorted(keys) != sorted(data):
        what = "expected an array for every input and output of the graph"
        raise BundleInvalid(
            where, f"{what}, got {', '.join(sorted(data)) or 'none'} for {', '.join(keys) or 'none'}", REMEDY
        )
    return Probed(manifest.probe, data)
