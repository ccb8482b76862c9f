"""The pipeline, composed once: read, write, convert, check, run. The command line only prints what these return."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np

from irconv.boundary import bounded
from irconv.containers import first_bytes
from irconv.containers.files import Progress
from irconv.containers.outputs import Output, check_free, whole_output
from irconv.containers.watch import check_unchanged, keeping, note, watched
from irconv.errors import (
    BundleInvalid,
    DamagedFile,
    IrconvError,
    MissingFact,
    NoSuchFile,
    OutputExists,
    Problem,
    Problems,
    Refused,
    UnknownFormat,
    UnusedOption,
)
from irconv.frameworks import OF_EVERY_WRITER, Made, Reader, Writer, merged_groups, readers, refuse_unmerged, writers
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Port
from irconv.ir.manifest import Fact, given_fact
from irconv.keywords import refuse_unknown, taken
from irconv.layout import Array
from irconv.log import told
from irconv.options import AdoptOptions, DiffOptions, ReadOptions, WriteOptions, flag, given, refuse_unused, unused

if TYPE_CHECKING:  # comparisons take long to import, and conversions need none
    from typing_extensions import Unpack

    from irconv.adoption.result import Adoption
    from irconv.align import Alignment
    from irconv.codec import NativeModel, Table
    from irconv.comparison.compare import Comparison
    from irconv.frameworks.torch.live import Module
    from irconv.keywords import Converting, Reading, Writing
    from irconv.verification.given import Inputs
    from irconv.verification.report import Report
    from irconv.verification.sides import Given

Runtime = Literal["onnxruntime", "numpy"]

_Judge = Callable[[Bundle, Output | None, Made], tuple["Report", ...]]
"""Checks what was written, still under its temporary names, or a bundle before it is written."""


@dataclass(frozen=True)
class Written:
    """What a conversion made: the files, data first, and the ports with the axes they were given."""

    format: str
    files: tuple[Path, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    dialect: str = ""
    """The version of the format that the model is spelt for, where there are several."""
    told: tuple[Fact, ...] = ()
    """What the user stated of the source against what its file says, and what was assumed."""
    checked: tuple[Report, ...] = ()
    """What `convert` found with `verify`, one report for each runtime."""


@bounded
def read(path: str | Path | bytes | BinaryIO, options: ReadOptions | None = None, **facts: Unpack[Reading]) -> Bundle:
    """The model in a file or folder as a bundle; tensors are read when they are needed.

    `facts` are the fields of `ReadOptions`, such as ``arch="model.json"``. Of bytes, and of a file that is open for
    reading bytes, the content says whose they are; all tensors of them are read at once, into memory.

    Raises `UnknownFormat` where no reader, or more than one, recognises the content, `UnusedOption` for what the reader
    does not honour, `DamagedFile` for a file that changes while it is read, and what the reader raises.
    """
    options, unknown = taken(options or ReadOptions(), facts)
    refuse_unknown(unknown, ReadOptions)
    if not isinstance(path, str | Path):
        return _read_bytes(path, options)
    path = _existing(Path(path))
    with keeping():
        reader = _reader(path, options.source_format)
        _refuse(_unread(reader, options))
        return _read(reader, path, options)


def _read_bytes(source: bytes | BinaryIO, options: ReadOptions) -> Bundle:
    """The model in bytes or an open file, through a file of its own that is gone when everything has been read."""
    from irconv.containers.passing import in_a_file, in_memory

    with in_a_file(source) as path:
        return in_memory(read(path, options))


def _read(reader: Reader, path: Path, options: ReadOptions) -> Bundle:
    begin = perf_counter()
    bundle = _checked(reader, path, options)
    made_by = " ".join(part for part in (bundle.source.framework, bundle.source.version) if part)
    told("%s: read as %s, made by %s, in %.0f ms", path, reader.name, made_by, 1000 * (perf_counter() - begin))
    for fact in bundle.source.facts:
        told("fact %s: %.200s (%s)", fact.name, fact.value, fact.evidence)
    return bundle


def _checked(reader: Reader, path: Path, options: ReadOptions) -> Bundle:
    with watched() as seen:
        for source in (path, *options.paths):
            if source.is_file():
                note(source)
        bundle = reader.read(path, options)
        check_unchanged(seen)
    if options.source_format:
        bundle = _noted(bundle, reader, path)
    bundle = replace(bundle, opened=dict(seen))
    if _edits(options):  # what was checked and predicted is another function
        bundle = replace(bundle, checks=(), probe=None)
    if bundle.graph is None:
        reason = "weights without a graph have no inputs"
        refuse_unused(options, ("input_shape",), reason, bundle.graph_remedy("Leave it out."))
        return bundle
    if options.input_shape and reader.sizes:
        from irconv.passes import given_sizes

        bundle = given_sizes.run(bundle, options.input_shape)
    from irconv.ir.inference import check_types

    check_types(bundle)
    if bundle.graph is not None and not bundle.graph.outputs:
        raise DamagedFile(f"{path}: model", "expected at least one output, got none")
    if not reader.naive:
        return bundle
    # only weights with a module of the user's own come from a reader of weights as a graph of calls
    return _laid_out(bundle, reader.graphs or options.module is not None)


def _laid_out(bundle: Bundle, graphs: bool) -> Bundle:
    """The bundle in one layout, and its arithmetic as layers where it is one that was exported."""
    # The passes need classes of layers, whose import takes longer than reading weights alone.
    from irconv.passes import channels_last

    if graphs:
        from irconv.passes import recompose
        from irconv.passes.recompose import attention

        # once where the graph's own axes are, and once more for what stood on two sides of a transpose
        bundle = recompose.run(channels_last.run(recompose.run(bundle)))
        return attention.run(bundle) if bundle.source.framework == "tensorflow" else bundle
    return channels_last.run(bundle)


@bounded
def from_torch(
    module: Module,
    example_inputs: Sequence[object],
    keywords: Mapping[str, object] | None = None,
    dynamic_shapes: object = None,
) -> Bundle:
    """A live PyTorch module as a bundle, through ``torch.export``: what it computes in evaluation mode.

    `example_inputs`, `keywords` and `dynamic_shapes` are those of ``torch.export.export``. The weights are copied, and
    the module is left as it is. Raises `MissingFact` where PyTorch is missing, and `Refused` where the export fails,
    or naming every call that irconv has no rule for.
    """
    from irconv.frameworks.torch.live_read import from_module

    return _laid_out(from_module(module, example_inputs, keywords, dynamic_shapes), True)


@bounded
def from_keras(model: object) -> Bundle:
    """A live Keras model as a bundle: Keras 2, tf.keras or Keras 3, on any backend. The weights are copied.

    Keras saves the model in a temporary folder, and irconv reads what it saved. Raises `Refused` where Keras cannot
    save it, and naming every layer that irconv has no rule for.
    """
    from irconv.containers.passing import in_memory, named
    from irconv.frameworks.keras.live import saved

    with saved(model) as (path, backend), named(path, str(getattr(model, "name", "model"))):
        return in_memory(read(path, ReadOptions(backend=backend)))


@bounded
def to_keras(bundle: Bundle) -> Any:
    """A bundle as a live Keras model, by the Keras that is installed; images come channels-last, as Keras takes them.

    irconv writes the model in a temporary folder, and Keras loads it. Raises `MissingFact` where Keras is missing, and
    `Refused` naming every layer that Keras cannot express.
    """
    from irconv.frameworks.keras.live import loaded

    return loaded(lambda path: write(bundle, path))


@bounded
def to_torch(bundle: Bundle) -> Module:
    """A bundle as a live PyTorch module in evaluation mode, without files; images come channels-first.

    Its state dict has the keys that ``m.py`` would have: those of the source where that was PyTorch's. Raises
    `MissingFact` where PyTorch is missing, and `Refused` naming every layer that PyTorch cannot express.
    """
    from irconv.frameworks.torch.live_write import to_module

    return to_module(bundle)


def _noted(bundle: Bundle, reader: Reader, path: Path) -> Bundle:
    """The bundle with a note of what else the file was recognised as, where the user said whose it is."""
    others = {r.name: why for r in readers() if r is not reader and not r.unmarked and (why := r.recognises(path))}
    if not others or (reader.recognises(path) and not reader.unmarked):
        return bundle
    against = "; ".join(f"{name}, as it {why}" for name, why in others.items())
    facts = (*bundle.source.facts, given_fact("format", reader.name, against))
    return replace(bundle, source=bundle.source.model_copy(update={"facts": facts}))


@bounded
def write(
    bundle: Bundle,
    path: str | Path,
    options: WriteOptions | None = None,
    progress: Progress | None = None,
    **wishes: Unpack[Writing],
) -> Written:
    """Write a bundle in the format that the suffix or ``target_format`` names; it appears whole or not at all.

    `wishes` are the fields of `WriteOptions`, such as ``force=True``.

    Raises `Refused` naming every layer the format cannot express, `UnusedOption`, `DamagedFile` where a file that the
    bundle was read from has changed since, and `OutputFailed`, also where one of those would be replaced.
    """
    options, unknown = taken(options or WriteOptions(), wishes)
    refuse_unknown(unknown, WriteOptions)
    return _write(bundle, Path(path), options, progress, (), None)


def _write(
    bundle: Bundle,
    path: Path,
    options: WriteOptions,
    progress: Progress | None,
    sources: Iterable[Path],
    judge: _Judge | None,
) -> Written:
    sources, begin = (*sources, *bundle.opened), perf_counter()
    if options.meta:
        from irconv.frameworks.bundle.meta import described

        bundle = replace(bundle, meta=described(options.meta, bundle.meta))
    writer = _writer(path, options.target_format)
    _refuse(_unwritten(writer, options))
    _check_free(bundle, path, options, sources)
    if bundle.graph is None and bundle.source.framework == "theano" and not writer.archives:
        what = "holds arrays without an architecture, so that nothing but a bundle can be written"
        remedy = "Say with --arch what they are the weights of; `irconv sketch` begins such a file."
        raise MissingFact(", ".join(file.name for file in bundle.source.files), what, remedy)
    if not writer.loops and bundle.graph is not None:
        from irconv.passes import unroll_scans

        bundle = unroll_scans.run(bundle)
    if options.merge:
        from irconv.execute import execute
        from irconv.ir.kept import noted
        from irconv.passes import fold_constants

        def evaluate(part: Bundle) -> dict[str, Array]:
            return execute(part, {}, "numpy")

        bundle = noted(bundle, merged_groups(fold_constants.run(bundle, evaluate), evaluate))
    else:
        refuse_unmerged(bundle)
    if options.io == "source" and not writer.archives:
        from irconv.passes import boundary

        bundle = boundary.to_source_axes(bundle)
    reports: tuple[Report, ...] = ()
    if judge is not None and writer.archives:
        reports = judge(bundle, None, Made([path]))
        bundle = replace(bundle, checks=tuple(report.record() for report in reports))
    with whole_output(options.force, options.dry_run, sources) as output, _writable_names():
        files = writer.write(bundle, output, path, options, progress)
        made = files if isinstance(files, Made) else Made(files)
        if judge is not None and not writer.archives:
            reports = judge(bundle, output, made)
        check_unchanged(bundle.opened)
    graph = bundle.graph
    ports = made.ports or ((graph.inputs, graph.outputs) if graph else ((), ()))
    inputs, outputs = ports
    dialect = f" in the dialect {made.dialect}" if made.dialect else ""
    told("%s: written as %s%s, in %.0f ms", path, writer.name, dialect, 1000 * (perf_counter() - begin))
    facts = (*bundle.source.to_tell(), *_lost(bundle, writer))
    return Written(writer.name, tuple(made), inputs, outputs, made.dialect, facts, checked=reports)


def _check_free(bundle: Bundle, path: Path, options: WriteOptions, sources: Iterable[Path]) -> None:
    """Raise `OutputFailed` where the destination is not free, or `Refused` with all else that stands in the way."""
    problems = Problems()
    with problems.collect():
        check_free(path, options.force, sources)
    if problems and not options.force and path.parent.is_dir():
        with problems.collect():
            _write(bundle, path, replace(options, force=True, dry_run=True, meta=()), None, sources, None)
    problems.raise_any()


def _lost(bundle: Bundle, writer: Writer) -> tuple[Fact, ...]:
    """What training needs of the model and the output does not say; a bundle and the model's own framework keep it."""
    if writer.archives or writer.name.split("-")[0] == bundle.source.framework or bundle.graph is None:
        return ()
    return tuple(
        fact.model_copy(update={"evidence": f"acts in training alone, and {writer.name} does not say it"})
        for fact in bundle.source.training()
    )


@contextmanager
def _writable_names() -> Iterator[None]:
    """Raise `Refused` for a name that no text file can hold: Python has half characters, UTF-8 has not."""
    try:
        yield
    except UnicodeEncodeError as error:
        text = str(error.object)
        name = re.split(r'["\n]', text[: error.start])[-1] + re.split(r'["\n]', text[error.start :])[0]
        what = "holds half of a character (a lone surrogate), which this format cannot write"
        raise Refused(f"the name {name!r}", what, "Give it another name at its source.") from error


@bounded
def convert(
    source: str | Path,
    destination: str | Path,
    read_options: ReadOptions | None = None,
    write_options: WriteOptions | None = None,
    progress: Progress | None = None,
    verify: bool = False,
    **options: Unpack[Converting],
) -> Written:
    """Read one file and write another; `options` are the fields of `ReadOptions` and `WriteOptions`.

    With `verify` both are run, each in its own framework where that is installed, before anything appears under its
    name. Raises what `read` and `write` raise, what is wrong with the destination together with all other reasons. With
    `verify` also `Disagreement`, whose reports say how far apart they are, and `MissingFact` for what cannot be run.
    """
    reading, others = taken(read_options or ReadOptions(), options)
    writing, unknown = taken(write_options or WriteOptions(), others)
    refuse_unknown(unknown, ReadOptions, WriteOptions)
    destination, sources = Path(destination), (Path(source), *reading.paths)
    problems, writer, found = Problems(), None, None
    with problems.collect():
        writer = _writer(destination, writing.target_format)
        check_free(destination, writing.force, sources)
    with problems.collect(), keeping():
        path = _existing(Path(source))
        reader = _reader(path, reading.source_format)
        _refuse([*_unread(reader, reading), *(_unwritten(writer, writing) if writer else ())])
        found = _read(reader, path, reading)
    if writer is None or found is None:
        problems.raise_any()
    assert writer is not None
    assert found is not None, "else a problem has been raised"
    if problems:  # said once more, with all that stands in the way of writing
        return _stored(found, reader.graphs, writer, destination, writing, None, sources, None)
    bundle = _probed(path, found, reader, reading, writing)
    judging = None
    if verify:
        from irconv.verification.conversion import judge
        from irconv.verification.sides import Given

        given = Given(path, bundle, reader=reader.name, options=reading, edited=_edits(reading))
        judging = judge(given, destination, writer, read)
    return _stored(bundle, reader.graphs, writer, destination, writing, progress, sources, judging)


def _stored(
    bundle: Bundle,
    exported: bool,
    writer: Writer,
    destination: Path,
    writing: WriteOptions,
    progress: Progress | None,
    sources: Iterable[Path],
    judging: _Judge | None,
) -> Written:
    """Write a bundle; what its graph computes of its own constants is stored where a target's layers need it so: of an
    exported graph at once, of a model only where it cannot be written as it is. Raises what `_write` raises."""
    if not writer.stored or bundle.graph is None or writing.merge or exported:
        writing = replace(writing, merge=writing.merge or (exported and writer.stored and bundle.graph is not None))
        return _write(bundle, destination, writing, progress, sources, judging)
    try:
        return _write(bundle, destination, writing, progress, sources, judging)
    except Refused as error:
        try:
            return _write(bundle, destination, replace(writing, merge=True), progress, sources, judging)
        except OutputExists as alone:  # the rest was cured
            raise alone from None
        except IrconvError:
            raise error from None


def _probed(path: Path, bundle: Bundle, reader: Reader, reading: ReadOptions, writing: WriteOptions) -> Bundle:
    """The bundle with the probe that is asked for. Raises what `irconv.verification.probing` raises."""
    if not (writing.probe or writing.probe_input or writing.probe_output):
        return bundle
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
    given = Given(path, bundle, reader=reader.name, options=reading, edited=_edits(reading))
    return replace(bundle, probe=probing.recorded(given, inputs))


@bounded
def verify(
    a: str | Path,
    b: str | Path,
    inputs: Inputs | None = None,
    seeds: int = 3,
    tolerance: float | None = None,
    layers: bool = False,
    read_a: ReadOptions | None = None,
    read_b: ReadOptions | None = None,
) -> Report:
    """Run two models, each in its own framework where that is installed, on the same inputs; compare the predictions.

    `inputs` are given by name or in order, in the axes of either side; else they are random, one set for each seed, and
    respect the model. `tolerance` is relative to the largest value of an output; without it the element type decides.
    With `layers` what both make on the way is compared, too, and the first layer at which they part is named.
    `read_a` and `read_b` are facts of reading them. What Python files of PyTorch and Theano hold is run.

    Raises `MissingFact` where a side cannot be run, with all that was tried, and `UnknownFormat`.
    """
    from irconv.verification.check import Request, check
    from irconv.verification.process import Processes

    sides = [_side(Path(a), read_a or ReadOptions()), _side(Path(b), read_b or ReadOptions())]
    with Processes() as processes:
        return check(sides[0], sides[1], Request(inputs, seeds, tolerance, layers), processes)


def _side(path: Path, options: ReadOptions) -> Given:
    """A side of a check, with what irconv reads it as; a file that it cannot read may run in its own framework."""
    from irconv.verification.sides import Given, framework_alone

    path = _existing(path)
    alone = framework_alone(path)
    found = None if alone else next((reader for reader in readers() if reader.recognises(path)), None)
    if found is None and options.source_format is None:
        reason = alone or "no reader recognises its content"
        if asked := [*given(options)]:
            raise UnusedOption(unused(options, asked, f"irconv does not read {path}: {reason}"))
        return Given(path, unread=reason)
    reader = _reader(path, options.source_format)
    _refuse([*_unread(reader, options)])
    try:
        return Given(path, _read(reader, path, options), "", reader.name, options, _edits(options))
    except IrconvError as error:
        if _edits(options):
            raise
        unread = "; ".join(str(problem).rstrip(".") for problem in error.problems[:3])
        return Given(path, None, unread, reader.name, options)


#: The facts of reading that choose another function than the one that the file's framework runs.
_EDITS = (
    "until",
    "replace",
    "plugins",
    "key",
    "ema",
    "inputs",
    "outputs",
    "signature",
    "tags",
    "fix",
    "arch",
    "module",
)


def _edits(options: ReadOptions) -> tuple[str, ...]:
    return tuple(name for name in given(options) if name in _EDITS)


@bounded
def check(path: str | Path, runtime: Runtime | None = None, probe: bool = True) -> list[Problem]:
    """Everything wrong with a bundle on disk: digests, schema, shapes, provenance, and what it predicts of its probe.

    An empty list is a sound bundle. `runtime` runs the probe: onnxruntime where it is installed, else numpy; without
    `probe` it is not run. Raises `UnknownFormat` where the path is no bundle.
    """
    from irconv.frameworks.bundle import read as bundle_read
    from irconv.frameworks.bundle.check import digest_problems, located
    from irconv.ir.validate import validate

    path = Path(path)
    _must_exist(path)
    if not bundle_read.recognises(path):
        raise UnknownFormat(str(path), "expected a bundle: a folder with manifest.json, or its zip")
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


@bounded
def run(
    model: str | Path | Bundle,
    inputs: Mapping[str, Array] | Sequence[Array] | Array,
    runtime: Runtime | None = None,
    io: Literal["native", "source"] = "source",
    options: ReadOptions | None = None,
) -> dict[str, Array]:
    """Predict without the model's framework; outputs come back by port name.

    Inputs are given by port name, in order, or as the one array that a model with one input takes. With `io` "source"
    inputs and outputs have the axes that the source framework used (such as NHWC), with "native" the bundle's (NCHW).
    `runtime` is onnxruntime where it is installed, else numpy (onnx's reference evaluator). Raises `MissingFact` for
    inputs that do not fit, and `DamagedFile` where a file of the model has changed since it was read.
    """
    from irconv.execute import execute

    bundle = model if isinstance(model, Bundle) else read(model, options)
    if bundle.graph is None:
        remedy = bundle.graph_remedy("Read the model's own file.")
        raise MissingFact("model", "holds weights without a graph, which cannot be run", remedy)
    if io == "source":
        from irconv.passes import boundary

        bundle = boundary.to_source_axes(bundle)
    assert bundle.graph is not None
    listed = [inputs] if isinstance(inputs, np.ndarray) else inputs
    named = listed if isinstance(listed, Mapping) else _in_order(bundle.graph.inputs, listed)
    results = execute(bundle, named, runtime)
    check_unchanged(bundle.opened)
    return results


@bounded
def diff(
    a: str | Path | Bundle,
    b: str | Path | Bundle,
    options: DiffOptions | None = None,
    read_a: ReadOptions | None = None,
    read_b: ReadOptions | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare two models, of one framework or of two, in the IR's layouts: every tensor and every layer has a status.

    Raises what `read` raises, for both files at once, and `MissingFact` for options that say nothing.
    """
    from irconv.comparison.compare import compare

    options = options or DiffOptions()
    problems, sides = Problems(), []
    for model, said in ((a, read_a), (b, read_b)):
        with problems.collect():
            sides.append(model if isinstance(model, Bundle) else read(model, said))
    problems.raise_any()
    names = ("a", "b")
    if not isinstance(a, Bundle) and not isinstance(b, Bundle):
        names = str(a), str(b)
    return compare(sides[0], sides[1], names, options, progress)


@bounded
def adopt(
    source: str | Path | Bundle,
    target: str | Path | Bundle | Module,
    output: str | Path | None = None,
    options: AdoptOptions | None = None,
    read_options: ReadOptions | None = None,
    write_options: WriteOptions | None = None,
) -> Adoption:
    """Put the weights of one network into the places of another: the user's own, whatever its names.

    `target` is a file that irconv reads, whose names, shapes and layouts are wanted; a live PyTorch module, which gets
    the weights unless `output` is given; or ``file.py:Class``, for which the file is run. Raises `Refused` and
    `MissingFact` with every reason where anything is in doubt, and what `read` and `write` raise.
    """
    from irconv.adoption import run

    options, reading, writing = (
        options or AdoptOptions(),
        read_options or ReadOptions(),
        write_options or WriteOptions(),
    )
    return run.adopt(source, target, output, options, reading, writing, read, write)


def plan(
    source: str | Path | Bundle,
    target: str | Path | Bundle | Module,
    output: str | Path,
    options: AdoptOptions | None = None,
    read_options: ReadOptions | None = None,
    write_options: WriteOptions | None = None,
) -> Alignment:
    """Write what `adopt` would decide, and what it would not, as a map to be edited and given to it (``--map``)."""
    from irconv.adoption import run

    found = run.sides(source, target, options or AdoptOptions(), read_options or ReadOptions(), read)
    run.plan(found, Path(output), write_options or WriteOptions())
    return found.aligned.alignment


def rename(
    source: str | Path | Bundle,
    rules: Sequence[str],
    output: str | Path,
    read_options: ReadOptions | None = None,
    write_options: WriteOptions | None = None,
) -> dict[str, str]:
    """Write the weights of a file as a state dict under other names, ``REGEX=NAME`` for each rule.

    Returns old name -> new name. Raises `MissingFact` for a rule that matches nothing, `Refused` for doubled names.
    """
    from irconv.adoption import renaming

    bundle = source if isinstance(source, Bundle) else read(source, read_options)
    return renaming.rename(bundle, rules, Path(output), write_options or WriteOptions())


@bounded
def upgrade(source: str | Path, output: str | Path, force: bool = False) -> tuple[str, str]:
    """Write a bundle in today's format; returns the format it had and the one it has.

    Raises `UnknownFormat` for what is no bundle, and what `read` and `write` raise.
    """
    from irconv.frameworks.bundle.read import format_of

    source = _existing(Path(source))
    if _reader(source, None).name != "irconv":
        raise UnknownFormat(str(source), "expected a bundle of irconv", "irconv convert makes one of any model.")
    before = format_of(source)
    written = write(read(source), output, WriteOptions(force=force, target_format="irconv"))
    return before, format_of(written.files[0])


@bounded
def native(source: str | Path, options: ReadOptions | None = None) -> tuple[NativeModel, Table] | None:
    """The model as its framework spells it, layer by layer, and the rules that would read it: also one with layers that
    irconv has no rule for. None where the reader of such files cannot say it.

    Raises what `read` raises before it looks layers up.
    """
    path, options = _existing(Path(source)), options or ReadOptions()
    with keeping():
        reader = _reader(path, options.source_format)
        _refuse(_unread(reader, options))
        return reader.native(path, options)


@bounded
def sketch(weights: str | Path, output: str | Path, force: bool = False) -> list[str]:
    """Write a first ``theano-arch/1`` file for bare arrays, to be completed by hand; returns what is open or assumed.

    Raises `UnknownFormat` for what holds no bare arrays, and `OutputFailed`.
    """
    from irconv.frameworks.theano import arrays
    from irconv.frameworks.theano.sketch import sketched

    weights, output = Path(weights), Path(output)
    _must_exist(weights)
    if not arrays.recognises(weights):
        raise UnknownFormat(str(weights), "expected bare arrays: HDF5, npz, npy, a pickle, or a folder of these")
    text, notes = sketched(weights, output)
    with whole_output(force, sources=[weights]) as whole:
        whole.path(output).write_text(text, encoding="utf-8")
    return notes


def _in_order(ports: Sequence[Port], arrays: Sequence[Array]) -> dict[str, Array]:
    if len(ports) != len(arrays):
        names = ", ".join(port.name for port in ports)
        raise MissingFact("inputs", f"expected {len(ports)} ({names}), got {len(arrays)}")
    return {port.name: np.asarray(array) for port, array in zip(ports, arrays, strict=True)}


def _unread(reader: Reader, options: ReadOptions) -> list[Problem]:
    """What the user asks of a reader that does not do it."""
    names = given(options).keys() - {"source_format", *reader.options}
    return unused(options, names, f"what is read as {reader.name} has no use for it", _honoured(reader.options))


def _unwritten(writer: Writer, options: WriteOptions) -> list[Problem]:
    """What the user asks of a writer that does not do it."""
    names = given(options).keys() - {*OF_EVERY_WRITER, *writer.options}
    return unused(options, names, f"what is written as {writer.name} has no use for it", _honoured(writer.options))


def _honoured(names: Sequence[str]) -> str:
    return f"Leave it out; what has an effect here: {', '.join(map(flag, names))}." if names else ""


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise UnusedOption(problems)


def _existing(path: Path) -> Path:
    """The path, or a file of the checkpoint that is called so. Raises `UnknownFormat` where there is neither."""
    if not path.exists():
        from irconv.containers.checkpoint_files import standing_for

        path = standing_for(path)
    _must_exist(path)
    return path


def _must_exist(path: Path) -> None:
    if not path.exists():
        raise NoSuchFile(str(path), "there is no such file or folder")
    if not (path.is_file() or path.is_dir()):
        raise UnknownFormat(str(path), "expected a file or a folder, got a device, FIFO or socket")


def _reader(path: Path, name: str | None) -> Reader:
    if name is not None:
        found = next((reader for reader in readers() if reader.name == name), None)
        if found is None:
            raise UnknownFormat(f"--from {name}", f"expected one of {', '.join(r.name for r in readers())}")
        return found
    for unmarked in (False, True):
        claims = {r.name: (r, why) for r in readers() if r.unmarked is unmarked and (why := r.recognises(path))}
        if len(claims) > 1:
            said = "; ".join(f"{name}, as it {why}" for name, (_, why) in claims.items())
            remedy = f"Give {' or '.join(f'--from {name}' for name in claims)}."
            raise UnknownFormat(str(path), f"expected one reader to claim it, got {said}", remedy)
        if claims:
            found, why = next(iter(claims.values()))
            told("%s: is for the reader %s, as it %s", path, found.name, why)
            return found
    seems, remedy = first_bytes.described(path)
    if seems:
        raise UnknownFormat(str(path), "no reader recognises its content", f"It {seems}. {remedy}".rstrip())
    known = "; ".join(reader.description for reader in readers())
    raise UnknownFormat(str(path), "no reader recognises its content", f"irconv reads: {known}.")


def _writer(path: Path, name: str | None) -> Writer:
    if name is not None:
        found = next((writer for writer in writers() if writer.name == name), None)
        if found is None:
            raise UnknownFormat(f"--to {name}", f"expected one of {', '.join(w.name for w in writers())}")
        return found
    found = next((writer for writer in writers() if path.name.lower().endswith(writer.suffixes)), None)
    if found is None:
        suffixes = ", ".join(suffix for writer in writers() for suffix in writer.suffixes)
        raise UnknownFormat(str(path), f"expected a name that ends in one of {suffixes}", "Or give --to FORMAT.")
    return found
