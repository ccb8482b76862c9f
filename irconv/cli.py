"""The command line: parses arguments, calls `irconv.api`, prints. No logic.

Exit codes: 0 ok; 1 a difference was found, and nothing else; 2 wrong usage; 3 refused or failed, with the reasons on
stderr; 70 a fault of irconv's own, to be reported; 130, 143, 129 ended by Ctrl-C, SIGTERM, SIGHUP.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from irconv import __version__
from irconv.errors import Disagreement
from irconv.options import Backend
from irconv.shell import Command, Group, print_problems, say
from irconv.terminal import pasted, shown_json

if TYPE_CHECKING:
    from irconv.ir.bundle import Bundle
    from irconv.ir.manifest import Fact

_DIFFERENT = 1


def _listed(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Names that are repeated or stand with commas between them."""
    return tuple(name for value in values for name in value.split(",") if name)


#: The facts a file may not state: a flag for each field of `irconv.options.ReadOptions`.
_READING_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--from", "source_format", metavar="FW", help="Read SRC as this framework's, do not recognise it."),
    click.option(
        "--backend",
        type=click.Choice(get_args(Backend)),
        help="The backend Keras ran on, where the file does not say: Theano keeps kernels turned.",
    ),
    click.option(
        "--arch",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        metavar="FILE",
        help="The architecture of bare weights: theano-arch/1 (docs/theano.md) or Keras' model.json.",
    ),
    click.option(
        "--dim-ordering",
        type=click.Choice(["th", "tf"]),
        help="Where images have their channels in a Keras 1 file that does not say: th first, tf last.",
    ),
    click.option(
        "--submodel", metavar="NAME", help="The group of an outer model's weights that is the model's of --arch."
    ),
    click.option(
        "--until",
        multiple=True,
        metavar="LAYER",
        help="Read up to this layer; its result is the output. Repeat for more.",
    ),
    click.option("--replace", multiple=True, metavar="LAYER=identity", help="Read as if the layer did nothing."),
    click.option(
        "--plugin",
        "plugins",
        multiple=True,
        type=click.Path(path_type=Path),
        help="A Python file with layers of your own, which is run; repeat for more.",
    ),
    click.option("--key", metavar="NAME", help="The entry of a checkpoint that has the weights; a.b for nested ones."),
    click.option("--ema", is_flag=True, help="Read the averaged copy of the weights that is kept beside them."),
    click.option(
        "--input-shape",
        "input_shape",
        multiple=True,
        metavar="[NAME=]N,1,28,28",
        help="Shape of an input where the file does not say; N is the batch. Repeat for more.",
    ),
    click.option(
        "--module-map",
        "module_map",
        multiple=True,
        metavar="CLASS=TYPE",
        help="Read a PyTorch class of your own as this module, such as Flatten.",
    ),
    click.option(
        "--module",
        metavar="FILE.py:CLASS",
        help="Your own PyTorch module that the weights are of, or package.module:factory; its code is run.",
    ),
    click.option(
        "--inputs", multiple=True, callback=_listed, metavar="A,B", help="The inputs of a graph, by the file's names."
    ),
    click.option(
        "--outputs", multiple=True, callback=_listed, metavar="C,D", help="The outputs of a graph, by the file's names."
    ),
    click.option("--signature", metavar="NAME", help="Which of several functions of a file is the model."),
    click.option(
        "--tags", multiple=True, callback=_listed, metavar="T,U", help="The graph of a SavedModel that has these tags."
    ),
    click.option(
        "--fix",
        multiple=True,
        metavar="NAME=VALUE",
        help="Read as if this input always had this value; repeat for more.",
    ),
    click.option(
        "--no-verify",
        "digests",
        is_flag=True,
        flag_value=False,
        default=True,
        help="Read a bundle without comparing it with its digests, which is noted in what is made.",
    ),
)

#: What to write, and how: a flag for each field of `irconv.options.WriteOptions`.
_WRITING_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--to", "target_format", metavar="FW", help="Write this format instead of the one DST's suffix names."
    ),
    click.option(
        "--io",
        type=click.Choice(["native", "source"]),
        default="native",
        show_default=True,
        help="Axes of inputs and outputs: customary for the target, or as the source had them.",
    ),
    click.option("--merge", is_flag=True, help="Compute weights stored in parts: weight norm, spectral norm, pruning."),
    click.option("--opset", type=int, help="ONNX opset. [default: the lowest that can say the model, at least 18]"),
    click.option(
        "--target-version",
        metavar="V",
        help="Keras HDF5: 2.3, 1.15, 2.4 or 2.15. [default: the oldest that can say the model]",
    ),
    click.option(
        "--probe", is_flag=True, help="Bundles: keep inputs and what the source's framework predicts, for `check`."
    ),
    click.option(
        "--probe-input",
        multiple=True,
        metavar="[NAME=]X",
        help="Bundles: these inputs (.npy, .npz, an image) instead of random ones.",
    ),
    click.option(
        "--probe-output",
        multiple=True,
        metavar="[NAME=]Y",
        help="Bundles: what was predicted of them (.npy, .npz); nothing is then run.",
    ),
    click.option(
        "--meta",
        multiple=True,
        metavar="KEY=VALUE",
        help="Bundles: title, description, author, licence, url, preprocessing, labels; @FILE is its text.",
    ),
    click.option("--dry-run", is_flag=True, help="Say all that stands in the way, and write nothing."),
    click.option("--force", is_flag=True, help="Replace DST where it exists."),
)


def _with(options: tuple[Callable[[Any], Any], ...]) -> Callable[[Any], Any]:
    """A decorator that adds the options to a command, in their order."""
    return lambda command: reduce(lambda made, option: option(made), reversed(options), command)


def _taken(kind: type[Any], flags: dict[str, Any]) -> Any:
    """The options object of the flags that are its fields, taken out of the flags; a repeated flag is a tuple."""
    return kind(**{field.name: flags.pop(field.name) for field in fields(kind) if field.name in flags})


def _reading(context: click.Context, option: click.Parameter, text: str | None) -> Any:
    """The reading options in a quoted text of flags, for a command that reads several files."""
    from irconv.options import ReadOptions

    if text is None:
        return ReadOptions()
    command = _with(_READING_OPTIONS)(click.command(cls=Command, name=option.opts[0])(lambda **flags: flags))
    try:
        made = command.make_context(option.opts[0], shlex.split(text), parent=context)
    except (click.UsageError, ValueError) as error:
        raise click.BadParameter(getattr(error, "message", str(error))) from error
    return _taken(ReadOptions, dict(made.params))


_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document to stdout.")


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="irconv")
def main() -> None:
    """Reads any neural network's model file into one typed bundle; writes any framework's file out of it."""


@main.command()
@click.argument("src")
@click.argument("dst")
@_with(_READING_OPTIONS)
@_with(_WRITING_OPTIONS)
@click.option(
    "--verify", is_flag=True, help="Run both, each in its own framework; write nothing where they differ (exit code 1)."
)
@_json
def convert(src: str, dst: str, verify: bool, as_json: bool, **flags: Any) -> None:
    """Convert SRC to DST; DST's suffix chooses the format (see `irconv formats`)."""
    from irconv import api
    from irconv.options import ReadOptions, WriteOptions

    read, write = _taken(ReadOptions, flags), _taken(WriteOptions, flags)
    try:
        with _progress("writing") as progress:
            written = api.convert(src, dst, read, write, progress, verify)
    except Disagreement as error:
        if as_json:
            _print_json({"files": [], "checked": [report.document() for report in error.reports]})
        print_problems(error)
        sys.exit(_DIFFERENT)
    ports = [("input", port) for port in written.inputs] + [("output", port) for port in written.outputs]
    if as_json:
        described = [{"kind": kind, **port.model_dump(mode="json")} for kind, port in ports]
        files = [str(path) for path in written.files]
        document = {"format": written.format, "dialect": written.dialect, "files": files, "ports": described}
        document["told"] = [fact.model_dump(mode="json") for fact in written.told]
        document = {key: value for key, value in document.items() if value or key not in ("dialect", "told")}
        _print_json(document | {"checked": [report.document() for report in written.checked]} if verify else document)
        return
    _tell(written.told)
    for path in written.files:
        dialect = f" for {written.dialect}" if written.dialect else ""
        say(f"{'would write' if write.dry_run else 'wrote'} {path}{dialect}")
    for kind, port in ports:
        turned = f", {port.source_axes} in the source" if port.axes != port.source_axes else ""
        axes = f" {port.axes}" if port.axes else ""
        made_by = f", which is {port.value}" if kind == "output" and port.value != port.name else ""
        said = f"{kind} {port.name}: {port.dtype} {_shape(port.shape)}{axes}{turned}{made_by}"
        say(pasted(said), err=True)
    if written.checked:
        from irconv.report.verify import print_checked

        print_checked(written.checked)


@main.command()
@click.argument("src")
@click.option("--layer", metavar="NAME", help="Show all of one layer: settings, weights, shapes, what it was.")
@click.option("--tensor", metavar="NAME", help="Show all of one tensor, by its name here or in the file: numbers, too.")
@click.option("--html", type=click.Path(path_type=Path), metavar="PAGE", help="Write one self-contained page.")
@click.option("--force", is_flag=True, help="Replace the page where it exists.")
@_with(_READING_OPTIONS)
@_json
def inspect(
    src: str, layer: str | None, tensor: str | None, html: Path | None, force: bool, as_json: bool, **flags: Any
) -> None:
    """Show layers, parameters, layouts and shapes of SRC, and what is not known.

    On a terminal the table is a tree of modules; in a pipe every layer has one line, with its settings and weights.
    """
    from irconv import api
    from irconv.options import ReadOptions

    if sum(what is not None for what in (layer, tensor, html)) > 1 or (html is not None and as_json):
        raise click.UsageError("Give one of --layer, --tensor and --html; --html goes without --json.")
    if force and html is None:
        raise click.UsageError("--force replaces the page of --html, which is not given.")
    options = _taken(ReadOptions, flags)
    if html is not None:
        from irconv.containers.outputs import check_free

        check_free(html, force, [Path(src), *options.paths])
    bundle = api.read(src, options)
    if html is not None:
        from irconv.report.model_page import write_page

        write_page(bundle, html, force)
        say(f"wrote {html}")
    elif layer is not None or tensor is not None:
        _closer(bundle, layer, tensor, as_json)
    elif as_json:
        _print_json(bundle.manifest().model_dump(mode="json"))
    else:
        from irconv.report.inspect import print_bundle

        print_bundle(bundle)


def _closer(bundle: Bundle, layer: str | None, tensor: str | None, as_json: bool) -> None:
    from irconv.report import closer

    if layer is not None:
        made = closer.layer_document(bundle, layer) if as_json else closer.layer_lines(bundle, layer)
    else:
        assert tensor is not None, "one of them is given"
        made = closer.tensor_document(bundle, tensor) if as_json else closer.tensor_lines(bundle, tensor)
    if isinstance(made, dict):
        _print_json(made)
        return
    for line in made:
        say(line)


@main.command()
@click.argument("bundle")
@click.option("--runtime", type=click.Choice(["onnxruntime", "numpy"]), help="What runs the probe, if there is one.")
@click.option("--no-probe", "probe", is_flag=True, flag_value=False, default=True, help="Do not run the probe.")
@_json
def check(bundle: str, runtime: Literal["onnxruntime", "numpy"] | None, probe: bool, as_json: bool) -> None:
    """Check a bundle: digests, schema, shapes, provenance, and that it predicts what its probe says."""
    from irconv import api

    if runtime is not None and not probe:
        raise click.UsageError("--runtime runs the probe, which --no-probe leaves.")
    problems = api.check(bundle, runtime, probe)
    if as_json:
        _print_json({"bundle": bundle, "problems": [vars(problem) for problem in problems]})
    for problem in problems:
        say(str(problem), err=True)
    if problems:
        sys.exit(_DIFFERENT)
    if not as_json:
        say(f"{bundle}: sound")


@main.command()
@click.argument("model")
@click.option(
    "--input", "arrays", multiple=True, required=True, metavar="[NAME=]X.npy", help="An input; repeat for more."
)
@click.option("--output", required=True, metavar="Y.npy|Y.npz", help="Where the outputs go; several need .npz.")
@click.option("--runtime", type=click.Choice(["onnxruntime", "numpy"]), help="[default: onnxruntime where installed]")
@click.option(
    "--io",
    type=click.Choice(["native", "source"]),
    default="source",
    show_default=True,
    help="Axes of the arrays: as the source had them, or channels-first.",
)
@click.option("--force", is_flag=True, help="Replace the output where it exists.")
@_with(_READING_OPTIONS)
def run(model: str, arrays: tuple[str, ...], output: str, force: bool, **flags: Any) -> None:
    """Predict with MODEL, without its framework."""
    from irconv import api
    from irconv.containers.arrays import check_output, input_paths, read_inputs, write_outputs
    from irconv.options import ReadOptions

    options = _taken(ReadOptions, flags)
    given, sources = read_inputs(arrays), [Path(model), *options.paths, *input_paths(arrays)]
    check_output(Path(output), force, sources)
    bundle = api.read(model, options)
    _tell(bundle.source.to_tell())
    results = api.run(bundle, given, flags["runtime"], flags["io"])
    write_outputs(Path(output), results, force, sources)
    for name, array in results.items():
        say(f"{name}: {array.dtype} {_shape(array.shape)}", err=True)
    say(f"wrote {output}")


@main.command()
@click.argument("a")
@click.argument("b")
@click.option("--a", "flags_a", metavar="'FLAGS'", callback=_reading, help="How to read A: flags of `inspect`, quoted.")
@click.option("--b", "flags_b", metavar="'FLAGS'", callback=_reading, help="How to read B.")
@click.option("--rtol", type=click.FloatRange(0), default=0.0, help="Elements may differ by ATOL + RTOL |a|.")
@click.option("--atol", type=click.FloatRange(0), default=0.0, help="See --rtol; without both, bits have to be equal.")
@click.option(
    "--ignore",
    multiple=True,
    type=click.Choice(["changed", "dtype", "shape", "renamed", "folded", "missing", "added"]),
    help="A kind of difference that does not count; repeat for more.",
)
@click.option("--all", "everything", is_flag=True, help="List what is equal, too.")
@click.option("--html", type=click.Path(path_type=Path), metavar="PAGE", help="Write one self-contained page, too.")
@click.option("--force", is_flag=True, help="Replace the page where it exists.")
@_json
def diff(a: str, b: str, everything: bool, html: Path | None, force: bool, as_json: bool, **flags: Any) -> None:
    """Compare two models, whatever frameworks they come from. Exit code 0: the same; 1: different; 3: refused."""
    from irconv import api
    from irconv.options import DiffOptions

    if everything and as_json:
        raise click.UsageError("--json lists everything; --all is for the table.")
    if force and html is None:
        raise click.UsageError("--force replaces the page of --html, which is not given.")
    with _progress("comparing") as progress:
        read_a, read_b = flags.pop("flags_a"), flags.pop("flags_b")
        compared = api.diff(a, b, _taken(DiffOptions, flags), read_a, read_b, progress)
    if html is not None:
        from irconv.report.diff_page import write_page

        write_page(compared, html, force)
    if as_json:
        from irconv.comparison.document import document

        _print_json(document(compared.report, compared.ignored))
    else:
        from irconv.report.diff import print_report

        print_report(compared.report, compared.ignored, everything)
    if not compared.same:
        sys.exit(_DIFFERENT)


@main.command()
@click.argument("a")
@click.argument("b")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="[NAME=]X",
    help="An input: .npy, .npz or an image, in the axes of either side; repeat for more. [default: random ones]",
)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="How many sets of random inputs.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    help="Largest difference over largest value. [default: by element type, 1e-5 for float32]",
)
@click.option("--layers", is_flag=True, help="Compare every layer, too, and name the first at which A and B part.")
@click.option("--a", "flags_a", metavar="'FLAGS'", callback=_reading, help="How to read A: flags of `inspect`, quoted.")
@click.option("--b", "flags_b", metavar="'FLAGS'", callback=_reading, help="How to read B.")
@_json
def verify(
    a: str,
    b: str,
    inputs: tuple[str, ...],
    seeds: int,
    tolerance: float | None,
    layers: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Run A and B, each in its own framework, on the same inputs, and compare what they predict.

    Python files that irconv wrote for PyTorch and Theano are run. Exit code 0: they agree; 1: they differ; 3: refused.
    """
    from irconv import api
    from irconv.report.verify import print_report
    from irconv.verification.given import read_given

    given = read_given(inputs) if inputs else None
    report = api.verify(a, b, given, seeds, tolerance, layers, flags["flags_a"], flags["flags_b"])
    if as_json:
        _print_json(report.document())
    else:
        print_report(report)
    if not report.agree:
        sys.exit(_DIFFERENT)


@main.command()
@click.argument("src")
@click.option("--like", "target", metavar="TARGET", help="FILE.py:CLASS, which is run, or a file.")
@click.option("-o", "--output", metavar="OUT", help="Where the target's weights go.")
@click.option(
    "--flatten",
    multiple=True,
    metavar="LAYER=HxWxC",
    help="Height, width and channels of the image that a layer takes flattened.",
)
@click.option("--partial", is_flag=True, help="Leave as it is what one side alone has.")
@click.option(
    "--map",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="MAP.json",
    help="Which layer is which, where nothing else says it.",
)
@click.option("--plan", "planned", metavar="MAP.json", help="Write such a map for editing, instead of weights.")
@click.option(
    "--rename", multiple=True, metavar="REGEX=NAME", help="What names of SRC are called in TARGET; repeat for more."
)
@click.option("--verify", is_flag=True, help="Run SRC and TARGET on the same random inputs, layer by layer.")
@click.option("--force", is_flag=True, help="Replace OUT where it exists.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@_with(_READING_OPTIONS)
@_json
def adopt(src: str, target: str | None, output: str | None, planned: str | None, as_json: bool, **flags: Any) -> None:
    """Put the weights of SRC into TARGET, a network of your own: by graph, shape, order and names, never by a guess.

    Without --like, --rename alone changes names. Exit code 1: with --verify, the two compute something else.
    """
    from irconv import api
    from irconv.options import AdoptOptions, ReadOptions, WriteOptions, given
    from irconv.report.adoption import print_adoption, print_plan, print_renames

    options, reading, writing = (_taken(kind, flags) for kind in (AdoptOptions, ReadOptions, WriteOptions))
    if target is None:
        if not options.rename or output is None or planned or given(options).keys() - {"rename"}:
            raise click.UsageError("Give --like TARGET, or --rename and -o alone.")
        print_renames(api.rename(src, options.rename, output, reading, writing), output, as_json)
        return
    if planned is not None:
        print_plan(api.plan(src, target, planned, options, reading, writing), planned, as_json)
        return
    if output is None:
        raise click.UsageError("Give -o OUT, or --plan MAP.json.")
    found = api.adopt(src, target, output, options, reading, writing)
    if as_json:
        _print_json(found.document())
    else:
        print_adoption(found, writing.dry_run)
    if found.parts:
        sys.exit(_DIFFERENT)


@main.command()
@click.argument("model")
@_with(_READING_OPTIONS)
def textconv(model: str, **flags: Any) -> None:
    """Print MODEL as lines of text, the same for every format: a textconv driver for git (see docs/diff.md)."""
    from irconv import api
    from irconv.comparison.text import lines
    from irconv.options import ReadOptions

    for line in lines(api.read(model, _taken(ReadOptions, flags))):
        say(line)


@main.command()
@click.argument("weights")
@click.option("-o", "--output", required=True, metavar="ARCH.json", help="Where the architecture goes.")
@click.option("--force", is_flag=True, help="Replace the output where it exists.")
def sketch(weights: str, output: str, force: bool) -> None:
    """Begin an architecture file for bare arrays, to be completed by hand: what is open or assumed is marked."""
    from irconv import api

    for line in api.sketch(weights, output, force):
        say(line, err=True)
    say(f"wrote {output}")


@main.command()
@_json
def formats(as_json: bool) -> None:
    """List every reader and writer, and which runtimes are installed."""
    from importlib.util import find_spec

    from irconv.frameworks import readers, writers
    from irconv.verification.runtimes import RUNTIMES

    runtimes = {name: find_spec(name) is not None for name in ("onnxruntime", "torch", "tensorflow")}
    verifying = {name: runtime.found() for name, runtime in RUNTIMES.items()}
    if as_json:
        listed: dict[str, Any] = {
            "readers": [{"name": r.name, "description": r.description} for r in readers()],
            "writers": [{"name": w.name, "suffixes": w.suffixes, "description": w.description} for w in writers()],
            "runtimes": runtimes,
            "verify": verifying,
        }
        _print_json(listed)
        return
    from irconv.report.formats import print_formats

    print_formats(readers(), writers(), runtimes, verifying)


def _tell(facts: Iterable[Fact]) -> None:
    for fact in facts:
        say(f"{fact.name}: {fact.value} ({fact.evidence})", err=True)


def _print_json(document: Any) -> None:
    click.echo(shown_json(json.dumps(document, ensure_ascii=False, indent=1)))


def _shape(shape: tuple[int | str, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


class _progress:
    """A progress bar on a terminal for work that takes longer than a moment, else nothing."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> Callable[[int, int], None] | None:
        self._bar: Any = None
        return self._show if sys.stderr.isatty() else None

    def _show(self, done: int, total: int) -> None:
        if self._bar is None and total > 64 * 2**20:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

            columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(self._what, total=total)
            self._bar.start()
        if self._bar is not None:
            self._bar.update(self._task, completed=done)

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()


if __name__ == "__main__":
    main()
