"""What irconv does, function by function: read, write, convert, check, run. The command line only prints what these
return; how they are composed is `irconv.pipeline`'s."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from irconv import keywords
from irconv.boundary import bounded
from irconv.containers.files import Progress
from irconv.containers.watch import check_unchanged, keeping
from irconv.errors import MissingFact, Problem, Problems, UnknownFormat
from irconv.ir.bundle import Bundle
from irconv.keywords import Readable, Runtime
from irconv.layout import Array
from irconv.options import AdoptOptions, DiffOptions, ReadOptions, WriteOptions
from irconv.pipeline.choice import beyond_reader, existing, must_exist, path_of, reader_of, refuse
from irconv.pipeline.reading import laid_out, read_file
from irconv.pipeline.written import Written

if TYPE_CHECKING:  # comparisons take long to import, and conversions need none
    from typing_extensions import Unpack

    from irconv.adoption.result import Adoption
    from irconv.align import Alignment
    from irconv.codec import NativeModel, Table
    from irconv.comparison.compare import Comparison
    from irconv.frameworks.torch.live import Module
    from irconv.keywords import Adopting, Converting, Counting, Facts, Reading, Writing
    from irconv.verification.given import Inputs
    from irconv.verification.report import Report

__all__ = [
    "Runtime",
    "Written",
    "adopt",
    "check",
    "convert",
    "diff",
    "from_keras",
    "from_torch",
    "native",
    "plan",
    "read",
    "rename",
    "run",
    "sketch",
    "to_keras",
    "to_torch",
    "upgrade",
    "verify",
    "write",
]


@bounded
def read(path: Readable, options: ReadOptions | None = None, **facts: Unpack[Reading]) -> Bundle:
    """The model in a file or folder as a bundle; tensors are read when they are needed.

    `facts` are the fields of `ReadOptions`, such as ``arch="model.json"``. Of bytes, and of a file that is open for
    reading bytes, the content says whose they are; all tensors of them are read at once, into memory.

    Raises `UnknownFormat` where no reader, or more than one, recognises the content, `UnusedOption` for what the reader
    does not honour, `DamagedFile` for a file that changes while it is read, and what the reader raises.
    """
    options = keywords.reading(options, facts)
    if not isinstance(path, str | os.PathLike):
        from irconv.containers.passing import in_a_file, in_memory

        with in_a_file(path) as file:  # gone when everything has been read
            return in_memory(read(file, options))
    return read_file(Path(path), options)


def _given(model: Readable | Bundle, options: ReadOptions) -> Bundle:
    return model if isinstance(model, Bundle) else read(model, options)


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

    return laid_out(from_module(module, example_inputs, keywords, dynamic_shapes), True)


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
    from irconv.pipeline.writing import write_model

    options, unknown = keywords.taken(options or WriteOptions(), wishes)
    keywords.refuse_unknown(unknown, WriteOptions)
    return write_model(bundle, path_of(path, "path"), options, progress, (), None)


@bounded
def convert(
    source: Readable,
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
    from irconv.pipeline.converting import convert_file

    reading, others = keywords.taken(read_options or ReadOptions(), options)
    writing, unknown = keywords.taken(write_options or WriteOptions(), others)
    keywords.refuse_unknown(unknown, ReadOptions, WriteOptions)
    destination = path_of(destination, "destination")
    if isinstance(source, str | os.PathLike):
        return convert_file(Path(source), destination, reading, writing, progress, verify)
    from irconv.containers.passing import in_a_file

    with in_a_file(source) as path:
        return convert_file(path, destination, reading, writing, progress, verify)


@bounded
def verify(
    a: str | Path,
    b: str | Path,
    inputs: Inputs | None = None,
    seeds: int = 3,
    tolerance: float | None = None,
    layers: bool = False,
    read_a: ReadOptions | Reading | None = None,
    read_b: ReadOptions | Reading | None = None,
) -> Report:
    """Run two models, each in its own framework where that is installed, on the same inputs; compare the predictions.

    `inputs` are given by name or in order, in the axes of either side; else they are random, one set for each seed, and
    respect the model. `tolerance` is relative to the largest value of an output; without it the element type decides.
    With `layers` what both make on the way is compared, too, and the first layer at which they part is named.
    `read_a` and `read_b` are facts of reading them, as `ReadOptions` or a dict of their fields. What Python files of
    PyTorch and Theano hold is run.

    Raises `MissingFact` where a side cannot be run, with all that was tried, and `UnknownFormat`.
    """
    from irconv.pipeline.judging import side
    from irconv.verification.check import Request, check
    from irconv.verification.process import Processes

    sides = [side(path_of(a, "a"), keywords.facts_of(read_a)), side(path_of(b, "b"), keywords.facts_of(read_b))]
    with Processes() as processes:
        return check(sides[0], sides[1], Request(inputs, seeds, tolerance, layers), processes)


@bounded
def check(path: str | Path, runtime: Runtime | None = None, probe: bool = True) -> list[Problem]:
    """Everything wrong with a bundle on disk: digests, schema, shapes, provenance, and what it predicts of its probe.

    An empty list is a sound bundle. `runtime` runs the probe: onnxruntime where it is installed, else numpy; without
    `probe` it is not run. Raises `UnknownFormat` where the path is no bundle.
    """
    from irconv.pipeline.judging import unsound

    return unsound(Path(path), runtime, probe)


@bounded
def run(
    model: Readable | Bundle,
    inputs: Mapping[str, Array] | Sequence[Array] | Array,
    runtime: Runtime | None = None,
    io: Literal["native", "source"] = "source",
    options: ReadOptions | None = None,
    **facts: Unpack[Facts],
) -> dict[str, Array]:
    """Predict without the model's framework; outputs come back by port name. `facts` are the fields of `ReadOptions`.

    Inputs are given by port name, in order, or as the one array that a model with one input takes. With `io` "source"
    inputs and outputs have the axes that the source framework used (such as NHWC), with "native" the bundle's (NCHW).
    `runtime` is onnxruntime where it is installed, else numpy (onnx's reference evaluator). Raises `MissingFact` for
    inputs that do not fit, and `DamagedFile` where a file of the model has changed since it was read.
    """
    from irconv.execute import execute
    from irconv.frameworks import graphless
    from irconv.pipeline.judging import in_order

    bundle = _given(model, keywords.reading(options, facts))
    if bundle.graph is None:
        remedy = bundle.graph_remedy("Read the model's own file.")
        raise MissingFact(graphless.file_names(bundle), "holds weights without a graph, which cannot be run", remedy)
    if io == "source":
        from irconv.passes import boundary

        bundle = boundary.to_source_axes(bundle)
    assert bundle.graph is not None
    named = inputs if isinstance(inputs, Mapping) else in_order(bundle.graph.inputs, inputs)
    results = execute(bundle, named, runtime)
    check_unchanged(bundle.opened)
    return results


@bounded
def diff(
    a: Readable | Bundle,
    b: Readable | Bundle,
    options: DiffOptions | None = None,
    read_a: ReadOptions | Reading | None = None,
    read_b: ReadOptions | Reading | None = None,
    progress: Progress | None = None,
    **counting: Unpack[Counting],
) -> Comparison:
    """Compare two models, of one framework or of two, in the IR's layouts: every tensor and every layer has a status.

    `counting` are the fields of `DiffOptions`, such as ``atol=1e-6``; `read_a` and `read_b` are facts of reading each
    side, as `ReadOptions` or a dict of their fields.

    Raises what `read` raises, for both files at once, and `MissingFact` for options that say nothing.
    """
    from irconv.comparison.compare import compare

    options, unknown = keywords.taken(options or DiffOptions(), counting)
    keywords.refuse_unknown(unknown, DiffOptions)
    problems, sides = Problems(), []
    for model, said in ((a, read_a), (b, read_b)):
        with problems.collect():
            sides.append(_given(model, keywords.facts_of(said)))
    problems.raise_any()
    names = ("a", "b")
    if isinstance(a, str | os.PathLike) and isinstance(b, str | os.PathLike):
        names = os.fspath(a), os.fspath(b)
    return compare(sides[0], sides[1], names, options, progress)


@bounded
def adopt(
    source: str | Path | Bundle,
    target: str | Path | Bundle | Module,
    output: str | Path | None = None,
    options: AdoptOptions | None = None,
    read_options: ReadOptions | None = None,
    write_options: WriteOptions | None = None,
    **wishes: Unpack[Adopting],
) -> Adoption:
    """Put the weights of one network into the places of another: the user's own, whatever its names.

    `target` is a file that irconv reads, whose names, shapes and layouts are wanted; a live PyTorch module, which gets
    the weights unless `output` is given; or ``file.py:Class``, for which the file is run. `wishes` are the fields of
    `AdoptOptions`, `ReadOptions` and `WriteOptions`, such as ``partial=True``. Raises `Refused` and `MissingFact` with
    every reason where anything is in doubt, and what `read` and `write` raise.
    """
    from irconv.adoption import run

    said = keywords.adopting(options, read_options, write_options, wishes)
    return run.adopt(source, target, output, *said, read, write)


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

    source = existing(Path(source))
    if reader_of(source, None).name != "irconv":
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
    path, options = existing(Path(source)), options or ReadOptions()
    with keeping():
        reader = reader_of(path, options.source_format)
        refuse(beyond_reader(reader, options))
        return reader.native(path, options)


@bounded
def sketch(weights: str | Path, output: str | Path, force: bool = False) -> list[str]:
    """Write a first ``theano-arch/1`` file for bare arrays, to be completed by hand; returns what is open or assumed.

    Raises `UnknownFormat` for what holds no bare arrays, and `OutputFailed`.
    """
    from irconv.containers.outputs import whole_output
    from irconv.frameworks.theano.sketch import sketched

    weights, output = Path(weights), Path(output)
    must_exist(weights)
    text, notes = sketched(weights, output)
    with whole_output(force, sources=[weights]) as whole:
        whole.path(output).write_text(text, encoding="utf-8")
    return notes
