"""What every command does: names are printed as text, closed pipes and signals are borne, errors become exit codes.

Every command has ``--json``, ``-q``, ``-v`` and ``--traceback``, and examples below its options (`Command`).
"""

from __future__ import annotations

import difflib
import io
import json
import os
import shlex
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import fields
from importlib import import_module
from types import FrameType
from typing import Any

import click

from irconv import __version__
from irconv.boundary import within
from irconv.containers.own_process import without_threads
from irconv.errors import Fault, IrconvError
from irconv.terminal import shown, shown_json

DIFFERENT = 1
USAGE = 2
REFUSED = 3
FAULT = 70  # EX_SOFTWARE of sysexits.h
_KILLED = 128  # and the number of the signal, as shells say it
_RUNS = ("verify", "probe", "probe_input")
"""The options with which a command runs a model in numpy."""
_TRACEBACK = f"{__name__}.traceback"
_STREAMS = f"{__name__}.streams"
"""Stdout and stderr themselves, where a command's own are shut."""


def say(text: str, err: bool = False) -> None:
    """Print a line, in which names are text and nothing else."""
    click.echo(shown(text), err=err)


def print_problems(error: IrconvError) -> None:
    """Print every reason of an error, one a line, also with ``-q``."""
    for problem in error.problems:
        click.echo(shown(str(problem)), file=_streams()[1])


def print_json(document: Any) -> None:
    """Print the one document of ``--json``."""
    click.echo(shown_json(json.dumps(document, ensure_ascii=False, indent=1)), file=_streams()[0])


def reasons(error: IrconvError) -> list[dict[str, str]]:
    """The reasons of an error as ``--json`` has them."""
    return [{"where": one.where, "what": one.what, "remedy": one.remedy} for one in error.problems]


def print_failure(kind: str, code: int, found: Sequence[Mapping[str, str]]) -> None:
    """Print the document of a command that failed."""
    print_json({"error": kind, "exit_code": code, "reasons": list(found)})


def _streams() -> tuple[Any, Any]:
    context = click.get_current_context(silent=True)
    streams: tuple[Any, Any] = context.meta.get(_STREAMS, (None, None)) if context is not None else (None, None)
    return streams[0] or sys.stdout, streams[1] or sys.stderr


@contextmanager
def _cleared_up() -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP end the block as an exception does, so that what is half written is removed."""

    def leave(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # the first is enough, and clearing up is not to be interrupted
        sys.exit(_KILLED + number)

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in map(int, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)):
            if signal.getsignal(number) not in (signal.SIG_IGN, None):  # as nohup has it
                before[number] = signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Heard:
    """A stream whose reader may leave (``irconv inspect m | head``): what comes after goes nowhere."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return int(self._stream.write(text))
        except BrokenPipeError:
            self._leave()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._leave()

    def _leave(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Nowhere(io.TextIOBase):
    """A stream that nobody reads."""

    def write(self, text: str) -> int:
        return len(text)


@contextmanager
def _heard() -> Iterator[None]:
    """A closed pipe changes nothing about what the block does, nor its exit code."""
    out, err = _Heard(sys.stdout), _Heard(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err):
        try:
            yield
        finally:
            out.flush()
            err.flush()


class Group(click.Group):
    """Prints the reasons of an `IrconvError` and leaves with exit code 3, without a traceback; or says that something
    is irconv's own fault. `modules` names the module of each command, which is imported when it is asked for."""

    def __init__(self, *args: Any, modules: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._modules = modules or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which they are declared."""
        return [*self._modules, *super().list_commands(ctx)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands with the whole first sentence of each; click itself cuts it where the line ends."""
        found = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(1000)) for name, command in found.items() if command])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant, as click finds it. Raises `click.UsageError` that names one spelt nearly so."""
        near = difflib.get_close_matches(args[0], self.list_commands(ctx), 1) if args else []
        if near and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            ctx.fail(f"No such command '{args[0]}'. Did you mean '{near[0]}'?")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name; None where there is none."""
        if cmd_name not in self._modules:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(self._modules[cmd_name]), cmd_name)
        return command

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """The command line; with ``--json`` wrong usage is a document, too."""
        args = list(sys.argv[1:] if args is None else args)
        with _heard():
            if "--json" not in args or not standalone_mode:
                return super().main(args, prog_name, complete_var, standalone_mode, **extra)
            try:
                code = super().main(args, prog_name, complete_var, False, **extra)
            except click.ClickException as error:
                error.show()
                path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "irconv"
                reason = {"where": path, "what": error.format_message(), "remedy": f"See `{path} --help`."}
                print_failure("Usage", error.exit_code, [reason])
                sys.exit(error.exit_code)
            sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what it raises becomes its exit code."""
        try:
            with _cleared_up():
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as raised:  # noqa: BLE001  (the last place that hears of it)
            error = raised if isinstance(raised, IrconvError) else within(raised)
            code = FAULT if isinstance(error, Fault) else REFUSED
            if isinstance(error, Fault):
                _report(error, raised.__cause__ if isinstance(raised, Fault) else raised, ctx)
            else:
                print_problems(error)
            if ctx.meta.get(_JSON):
                print_failure(type(error).__name__, code, reasons(error))
            sys.exit(code)


def _report(fault: Fault, cause: BaseException | None, context: click.Context) -> None:
    """One line that asks for a report; the traceback goes to a file, or to stderr where it was asked for."""
    text = "".join(traceback.format_exception(cause))
    if context.meta.get(_TRACEBACK):
        for line in text.splitlines():
            say(line, err=True)
        where = "above"
    else:
        with tempfile.NamedTemporaryFile(
            "w", prefix="irconv-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(text)
        where = f"in {file.name}"
    said = "; ".join(f"{problem.where}: {problem.what}" for problem in fault.problems)
    command = shlex.join(["irconv", *sys.argv[1:]])
    say(f"irconv {__version__} has a fault ({said}). Please report it with the traceback {where}: {command}", err=True)


class Once(click.Command):
    """A command whose options that hold one value are given once; click itself lets the last of several win."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does. Raises `click.UsageError` for an option of one value that is given again."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        single = [p for p in order if isinstance(p, click.Option) and not (p.multiple or p.is_flag or p.count)]
        if again := {option.opts[-1] for option in single if single.count(option) > 1}:
            ctx.fail(f"{', '.join(sorted(again))} is given more than once, and holds one value.")
        return super().parse_args(ctx, args)


_OF_SOURCES = "How the source is read"
_OF_ALL = "Of every command"
_JSON = f"{__name__}.json"
_QUIET = f"{__name__}.quiet"
_VERBOSE = f"{__name__}.verbose"


def _noted(key: str) -> Callable[[click.Context, click.Parameter, bool], bool]:
    def note(context: click.Context, option: click.Parameter, value: bool) -> bool:
        if value:
            context.meta[key] = True
        return value

    return note


def _common() -> list[click.Option]:
    """The options of every command. ``--json`` is its argument ``as_json``; the others act here."""
    hidden: dict[str, Any] = {"is_flag": True, "expose_value": False}
    quiet = "Print errors alone: the exit code, the files and --json say the rest."
    verbose = "Say what is decided on the way: formats, facts, dialects, passes and their times."
    help_text = "Print the traceback of a fault of irconv's own, instead of keeping it in a file."
    return [
        click.Option(
            ["--json", "as_json"], is_flag=True, callback=_noted(_JSON), help="Print one JSON document to stdout."
        ),
        click.Option(["-q", "--quiet"], callback=_noted(_QUIET), help=quiet, **hidden),
        click.Option(["-v", "--verbose"], callback=_noted(_VERBOSE), help=verbose, **hidden),
        click.Option(["--traceback"], callback=_noted(_TRACEBACK), help=help_text, **hidden),
    ]


class Command(Once):
    """A command with the options that every command has, and `examples`, lines that a test runs; it `runs` models
    always, or where an option of `_RUNS` says so."""

    def __init__(self, *args: Any, examples: str = "", runs: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.runs = runs
        self.examples = [line.strip() for line in examples.strip().splitlines()]
        self.params += _common()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own options, then how its source is read, then those that every command has."""
        from irconv.options import ReadOptions

        reading = {field.name for field in fields(ReadOptions)}
        common = {flag for option in _common() for flag in option.opts} | {"--help"}
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], _OF_SOURCES: [], _OF_ALL: []}
        for param in (one for one in self.get_params(ctx) if isinstance(one, click.Option)):
            title = _OF_SOURCES if param.name in reading else _OF_ALL if common & set(param.opts) else "Options"
            if record := param.get_help_record(ctx):
                sections[title].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples, whole lines that can be copied."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")

    def invoke(self, ctx: click.Context) -> Any:
        """Run it; with ``-q`` nothing is said but errors, with ``--json`` nothing but those and the document."""
        quiet, verbose = ctx.meta.get(_QUIET), ctx.meta.get(_VERBOSE)
        if quiet and verbose:
            raise click.UsageError("-q and -v exclude each other.", ctx)
        if not self.runs and not any(ctx.params.get(name) for name in _RUNS):
            without_threads()
        with ExitStack() as stack:
            ctx.meta[_STREAMS] = sys.stdout, sys.stderr
            if verbose:
                stack.enter_context(_verbose())
            if quiet or ctx.meta.get(_JSON):
                stack.enter_context(redirect_stdout(_Nowhere()))
                stack.enter_context(redirect_stderr(_Nowhere()))
            return super().invoke(ctx)


@contextmanager
def _verbose() -> Iterator[None]:
    """What irconv logs goes to stderr while the block runs."""
    import logging

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            click.echo(shown(record.getMessage()), file=_streams()[1])

    log, lines = logging.getLogger("irconv"), Lines()
    before = log.level
    log.addHandler(lines)
    log.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        log.removeHandler(lines)
        log.setLevel(before)


Group.command_class = Command
