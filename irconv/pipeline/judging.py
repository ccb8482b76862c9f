"""What checks and probes are given: a model with the file it is in, also where only its own framework reads that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from irconv.errors import BundleInvalid, IrconvError, MissingFact, Problem, Problems, UnknownFormat, UnusedOption
from irconv.frameworks import Reader, readers
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Port
from irconv.ir.manifest import Fact
from irconv.layout import Array
from irconv.options import ReadOptions, WriteOptions, given, unused
from irconv.pipeline.choice import beyond_reader, existing, must_exist, reader_of, refuse
from irconv.pipeline.reading import edits, read_model

if TYPE_CHECKING:
    from irconv.verification.sides import Given


def side(path: Path, options: ReadOptions) -> Given:
    """A side of a check, with what irconv reads it as; a file that it cannot read may run in its own framework."""
    from irconv.verification.sides import Given, framework_alone

    path = existing(path)
    alone = framework_alone(path)
    found = None if alone else next((reader for reader in readers() if reader.recognises(path)), None)
    if found is None and options.source_format is None:
        reason = alone or "no reader recognises its content"
        if asked := [*given(options)]:
            raise UnusedOption(unused(options, asked, f"irconv does not read {path}: {reason}"))
        return Given(path, unread=reason)
    reader = reader_of(path, options.source_format)
    refuse([*beyond_reader(reader, options)])
    try:
        return Given(path, read_model(reader, path, options), "", reader.name, options, edits(options))
    except IrconvError as error:
        if edits(options):
            raise
        unread = "; ".join(str(problem).rstrip(".") for problem in error.problems[:3])
        return Given(path, None, unread, reader.name, options)


def probed(path: Path, bundle: Bundle, reader: Reader, reading: ReadOptions, writing: WriteOptions) -> Bundle:
    """The bundle with the probe that is asked for. Raises what `irconv.verification.probing` raises."""
    from irconv.verification import probing
    from irconv.verification.given import read_given
    from irconv.verification.sides import Given

    if writing.probe_output and not writing.probe_input:
        raise MissingFact("--probe-output", "expected the inputs, too", "Give them with --probe-input.")
    if bundle.graph is None:
        remedy = bundle.graph_remedy("Read the model's own file.")
        raise MissingFact("--probe", "expected a model, got weights without a graph, which cannot be run", remedy)
    inputs = read_given(writing.probe_input) if writing.probe_input else None
    if inputs is not None and writing.probe_output:
        return replace(bundle, probe=probing.stated(bundle, inputs, read_given(writing.probe_output)))
    given = Given(path, bundle, reader=reader.name, options=reading, edited=edits(reading))
    return replace(bundle, probe=probing.recorded(given, inputs))


def probe_fact(bundle: Bundle) -> Fact:
    """Whose predictions the probe of a bundle keeps."""
    from irconv.verification import probing

    assert bundle.probe is not None, "it has just been made"
    record = bundle.probe.record
    if record.runtime == probing.GIVEN:
        return Fact(name="probe", value=record.runtime, evidence="inputs and outputs were given, nothing was run")
    framework = bundle.source.framework
    evidence = f"as irconv reads it; {framework} itself did not run it" if record.as_read else "which ran the source"
    return Fact(name="probe", value=record.runtime, evidence=evidence)


def unsound(path: Path, runtime: Literal["onnxruntime", "numpy"] | None, probe: bool) -> list[Problem]:
    """See `irconv.api.check`."""
    from irconv.frameworks.bundle import kind
    from irconv.frameworks.bundle import read as bundle_read
    from irconv.frameworks.bundle.check import digest_problems, located
    from irconv.ir.validate import validate

    must_exist(path)
    if not kind.recognises(path):
        what = "expected a bundle: a folder with manifest.json, or its zip"
        raise UnknownFormat(str(path), what, "irconv convert makes one of any model.")
    problems, bundle = Problems(), None
    with problems.collect():
        digest_problems(path).raise_any()
    changed = any(problem.where.endswith(("README.md", "manifest.json")) for problem in problems.all())
    with problems.collect():
        bundle = bundle_read.read(path, ReadOptions(digests=False))
        validate(bundle).raise_any()
        if changed:
            located(path, bundle).raise_any()
    if bundle is None or bundle.probe is None or not probe:
        return list(problems.all())
    from irconv.verification.probing import problems as predicted_otherwise

    with problems.collect():
        for problem in predicted_otherwise(bundle, runtime):
            problems.add(problem.where, problem.what, problem.remedy, BundleInvalid)
    return list(problems.all())


def in_order(ports: Sequence[Port], arrays: Sequence[Array] | Array) -> dict[str, Array]:
    """The inputs by name: arrays in the order of the ports; of a model with one input that array itself, or lists of
    numbers, too. Raises `MissingFact`."""
    if not isinstance(arrays, list | tuple) or (len(ports) == 1 and not any(hasattr(a, "__array__") for a in arrays)):
        arrays = [np.asarray(arrays)]
    if len(ports) != len(arrays):
        names = ", ".join(port.name for port in ports)
        raise MissingFact("inputs", f"expected {len(ports)} ({names}), got {len(arrays)}")
    return {port.name: np.asarray(array) for port, array in zip(ports, arrays, strict=True)}
