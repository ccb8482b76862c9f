"""Writing: a bundle prepared for its writer, checked against what it may replace, and whole or not there at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from irconv import __version__
from irconv.containers.files import Progress
from irconv.containers.outputs import Output, check_free, whole_output
from irconv.containers.watch import check_unchanged
from irconv.errors import IrconvError, MissingFact, OutputExists, Problems, Refused
from irconv.frameworks import Made, Writer
from irconv.ir import optimizer
from irconv.ir.bundle import Bundle
from irconv.ir.manifest import Fact
from irconv.log import told
from irconv.options import WriteOptions, given
from irconv.pipeline.choice import beyond_writer, refuse, writer_of
from irconv.pipeline.written import Written
from irconv.preparing import prepared

if TYPE_CHECKING:
    from irconv.verification.report import Report

Judge = Callable[[Bundle, Output | None, Made], tuple["Report", ...]]
"""Checks what was written, still under its temporary names, or a bundle before it is written."""


def write_model(
    bundle: Bundle,
    path: Path,
    options: WriteOptions,
    progress: Progress | None,
    sources: Iterable[Path],
    judge: Judge | None,
    asked: str = "",
) -> Written:
    """`asked` is what was said of reading, where finished parts of an output may be kept for another run."""
    sources, begin = (*sources, *bundle.opened), perf_counter()
    if options.meta:
        from irconv.frameworks.bundle.meta import described

        bundle = replace(bundle, meta=described(options.meta, bundle.meta))
    writer = writer_of(path, options.target_format)
    refuse(beyond_writer(writer, options))
    _check_free(bundle, path, options, sources)
    if bundle.graph is None and bundle.source.framework == "theano" and not writer.archives:
        what = "holds arrays without an architecture, so that nothing but a bundle can be written"
        remedy = "Say with --arch what they are the weights of; `irconv sketch` begins such a file."
        raise MissingFact(", ".join(file.name for file in bundle.source.files), what, remedy)
    bundle = prepared(bundle, writer, options)
    reports: tuple[Report, ...] = ()
    if judge is not None and writer.archives:
        reports = judge(bundle, None, Made([path]))
        bundle = replace(bundle, checks=tuple(report.record() for report in reports))
    asked = _asked(bundle, options, asked) if options.resume else ""
    with whole_output(options.force, options.dry_run, sources, asked) as output, _writable_names():
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
    facts = (*bundle.source.to_tell(), *_lost(bundle, writer, made), *made.merged)
    return Written(writer.name, tuple(made), inputs, outputs, made.dialect, facts, checked=reports)


def write_stored(
    bundle: Bundle,
    exported: bool,
    writer: Writer,
    destination: Path,
    writing: WriteOptions,
    progress: Progress | None,
    sources: Iterable[Path],
    judging: Judge | None,
    asked: str = "",
) -> Written:
    """Write a bundle; what its graph computes of its own constants is stored where a target's layers need it so: of an
    exported graph at once, of a model only where it cannot be written as it is. Raises what `write_model` raises."""
    if not writer.stored or bundle.graph is None or writing.merge or exported:
        writing = replace(writing, merge=writing.merge or (exported and writer.stored and bundle.graph is not None))
        return write_model(bundle, destination, writing, progress, sources, judging, asked)
    try:
        return write_model(bundle, destination, writing, progress, sources, judging, asked)
    except Refused as error:
        try:
            return write_model(bundle, destination, replace(writing, merge=True), progress, sources, judging, asked)
        except OutputExists as alone:  # the rest was cured
            raise alone from None
        except IrconvError:
            raise error from None


def _asked(bundle: Bundle, options: WriteOptions, reading: str) -> str:
    """What is converted, from which files as they are now, and how: the same text means the same output."""
    wanted = given(replace(options, resume=False, force=False))
    lines = [f"irconv {__version__}", f"read with {reading}", f"written with {wanted}"]
    return "\n".join([*lines, *(f"{path.resolve()} {stamp}" for path, stamp in sorted(bundle.opened.items()))]) + "\n"


def _check_free(bundle: Bundle, path: Path, options: WriteOptions, sources: Iterable[Path]) -> None:
    """Raise `OutputFailed` where the destination is not free, or `Refused` with all else that stands in the way."""
    problems = Problems()
    with problems.collect():
        check_free(path, options.force, sources)
    if problems and not options.force and path.parent.is_dir():
        with problems.collect():
            write_model(bundle, path, replace(options, force=True, dry_run=True, meta=()), None, sources, None)
    problems.raise_any()


def _lost(bundle: Bundle, writer: Writer, made: Made) -> tuple[Fact, ...]:
    """What training needs of the model and the output does not say: of the IR's layers, and what the IR has no word
    for, which the model's own framework keeps. A bundle keeps all."""
    if writer.archives:
        return ()
    facts = optimizer.lost(bundle, made.optimizer)
    if bundle.graph is not None:
        from irconv.passes import training

        own = writer.name.split("-")[0] == bundle.source.framework == "keras"  # PyTorch's source has no word for it
        noted = () if own else bundle.source.training()
        facts = (*noted, *training.lost(bundle, writer.trains), *made.lost, *facts)
    evidence = f"acts in training alone, and {writer.name} does not say it"
    return tuple(fact.model_copy(update={"evidence": evidence}) for fact in dict.fromkeys(facts))


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
