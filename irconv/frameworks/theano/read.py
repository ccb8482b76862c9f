"""Theano and Lasagne: arrays with an architecture file as a model, without one as weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from irconv.edits import said_until, taught
from irconv.errors import Refused
from irconv.frameworks.theano import arrays, operands
from irconv.frameworks.theano.architecture import Architecture, load
from irconv.frameworks.theano.arrays import Arrays
from irconv.frameworks.theano.builder import Builder
from irconv.frameworks.theano.groups import groups
from irconv.frameworks.theano.normalise import normalise
from irconv.frameworks.theano.table import TABLE
from irconv.frameworks.theano.weights import Weights
from irconv.ir.bundle import Bundle
from irconv.ir.manifest import Fact, Omitted, SourceFile, SourceRecord, given_fact
from irconv.options import EDITS, OPAQUE, ReadOptions, refuse_unused
from irconv.translate.decode import without_unused

_UNUSED = "the architecture does not use it"


def read(path: Path, options: ReadOptions) -> Bundle:
    """The model that ``--arch``, or an ``arch.json`` in the folder of the arrays, describes; without either the arrays
    alone, in groups, and nothing is guessed.

    Raises `DamagedFile`, `MissingFact` for what the architecture leaves open, and `Refused`.
    """
    found, own = arrays.read(path), path / arrays.ARCHITECTURE
    said = options.arch or (own if own.is_file() else None)
    if said is not None:
        seen = Fact(name="architecture", value=said.name, evidence="in the folder")
        if options.arch:
            seen = given_fact("architecture", said.name, f"{own.name} in the folder" if own.is_file() else "")
        return _assemble(load(said, _more(options)), found, options, seen)
    refuse_unused(options, (*EDITS, *OPAQUE), "arrays without an architecture have no layers", "Give --arch, too.")
    if not found.found:
        held = ", ".join(list(found.others)[:5]) + (", ..." if len(found.others) > 5 else "")
        what = f"has no arrays of numbers, but {held}" if held else "has no arrays in it"
        raise Refused(str(path), what, "Give the file that holds the weights.")
    source = _source(found, "theano", "", ())
    tensors, grouped = groups(found)
    omitted = tuple(Omitted(name=name, reason=why) for name, why in found.others.items())
    return Bundle(source, tensors=tensors, groups=grouped, omitted=omitted, paths=found.paths)


def _more(options: ReadOptions) -> Callable[[str], bool]:
    """Whether layers of a kind that is none of the format are taken: a plugin's, or any that are to be kept."""
    own = {codec.native for codec in taught(TABLE, options)}
    return lambda kind: kind in own or (options.keep_opaque and not TABLE.knows(kind))


def _assemble(architecture: Architecture, found: Arrays, options: ReadOptions, seen: Fact) -> Bundle:
    where = seen.value
    weights = Weights(architecture, found, where)
    builder = normalise(architecture, weights, options)
    facts = (
        seen,
        Fact(name="floatX", value=architecture.floatX, evidence=f"stated in {where}"),
    )
    bundle = bundle_of(builder, _source(found, architecture.framework, architecture.version, facts))
    cut = weights.names_of(builder.skipped)
    reasons = {stored.name: said_until(options) if stored.name in cut else _UNUSED for stored in weights.unused()}
    omitted = [Omitted(name=name, reason=why) for name, why in {**reasons, **found.others}.items()]
    return replace(bundle, omitted=(*bundle.omitted, *omitted), paths=found.paths)


def bundle_of(builder: Builder, source: SourceRecord) -> Bundle:
    """The bundle of what was read, every array in it as its file has it. Raises `Refused`, naming every layer that
    cannot be carried over."""
    weights, options = builder.weights, builder.decoder.options
    builder.importer.problems.raise_any()
    bundle = builder.decoder.bundle(source, builder.outputs(options.until))
    if options.until:
        bundle = without_unused(bundle, said_until(options))
    return operands.run(bundle, weights.used, weights.joined, builder.architecture.floatX)


def _source(found: Arrays, framework: str, version: str, facts: tuple[Fact, ...]) -> SourceRecord:
    root = found.path if found.path.is_dir() else found.path.parent
    names = [(path, str(path.relative_to(root))) for path in found.paths]
    files = tuple(SourceFile(name=name, size=path.stat().st_size, sha256="") for path, name in names)
    storage = Fact(name="storage", value=found.storage, evidence="seen in the files")
    return SourceRecord(framework=framework, version=version, files=files, facts=(storage, *facts))
