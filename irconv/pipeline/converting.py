"""One file into another: all reasons against it at once, and the check of what was written before it appears."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from irconv.containers.files import Progress
from irconv.containers.outputs import check_free
from irconv.containers.watch import keeping
from irconv.errors import Problem, Problems, Refused
from irconv.ir.manifest import Fact
from irconv.options import ReadOptions, WriteOptions, given, refuse_unused
from irconv.pipeline.choice import beyond_reader, beyond_writer, existing, reader_of, refuse, writer_of
from irconv.pipeline.reading import edits, read_file, read_model
from irconv.pipeline.writing import write_stored
from irconv.pipeline.written import Written


def convert_file(
    source: Path,
    destination: Path,
    reading: ReadOptions,
    writing: WriteOptions,
    progress: Progress | None,
    verify: bool,
) -> Written:
    """See `irconv.api.convert`."""
    sources, problems, writer, found = (source, *reading.paths), Problems(), None, None
    with problems.collect():
        writer = writer_of(destination, writing.target_format)
        check_free(destination, writing.force, sources)
    with problems.collect(), keeping():
        path = existing(source)
        reader = reader_of(path, reading.source_format)
        refuse([*beyond_reader(reader, reading), *(beyond_writer(writer, writing) if writer else ())])
        if writer is not None and not writer.optimizer:
            reason = f"{writer.name} has no place for the state of an optimizer"
            refuse_unused(reading, ("keep_optimizer",), reason, "Write a bundle, or the source's own format.")
        found = read_model(reader, path, reading)
    if writer is None or found is None:
        problems.raise_any()
    assert writer is not None
    assert found is not None, "else a problem has been raised"
    if problems:  # said once more, with all that stands in the way of writing
        with _named(path):
            return write_stored(found, reader.graphs, writer, destination, writing, None, sources, None)
    bundle = found
    said: tuple[Fact, ...] = ()
    if writing.probe or writing.probe_input or writing.probe_output:
        from irconv.pipeline.judging import probe_fact, probed

        bundle = probed(path, found, reader, reading, writing)
        said = (probe_fact(bundle),)
    judging = None
    if verify:
        from irconv.verification.conversion import judge
        from irconv.verification.sides import Given

        side = Given(path, bundle, reader=reader.name, options=reading, edited=edits(reading))
        judging = judge(side, destination, writer, lambda path: read_file(path, ReadOptions()))
    asked = str(given(reading))
    with _named(path):
        written = write_stored(bundle, reader.graphs, writer, destination, writing, progress, sources, judging, asked)
    return replace(written, told=(*written.told, *said))


@contextmanager
def _named(source: Path) -> Iterator[None]:
    """What a writer refuses of a layer is said with the user's file: a bundle no longer knows which one it is of."""
    try:
        yield
    except Refused as error:
        if not any(problem.where.startswith("layer ") for problem in error.problems):
            raise
        named = (
            Problem(f"{source.name}: {problem.where}", problem.what, problem.remedy)
            if problem.where.startswith("layer ")
            else problem
            for problem in error.problems
        )
        raise Refused(named) from error
