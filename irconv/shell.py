"""What every command does: names are printed as text, closed pipes and signals are borne, errors become exit codes."""

from __future__ import annotations

import gc
import os
import shlex
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from types import FrameType
from typing import Any

import click

from irconv import __version__
from irconv.boundary import within
from irconv.errors import Fault, IrconvError
from irconv.terminal import shown

REFUSED = 3
FAULT = 70  # EX_SOFTWARE of sysexits.h
_KILLED = 128  # and the number of the signal, as shells say it
_RARELY = (20_000, 50, 50)
"""When Python looks for circles of objects. A large graph is millions of objects without a circle, and looking takes a
fifth of the time of converting it. A process of one command may do without; a library may not say so."""
_TRACEBACK = f"{__name__}.traceback"


def say(text: str, err: bool = False) -> None:
    """Print a line, in which names are text and nothing else."""
    click.echo(shown(text), err=err)


def print_problems(error: IrconvError) -> None:
    """Print every reason of an error, one a line."""
    for problem in error.problems:
        say(str(problem), err=True)


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
    is irconv's own fault."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        gc.set_threshold(*_RARELY)
        with _heard():
            return super().main(*args, **kwargs)

    def invoke(self, context: click.Context) -> Any:
        try:
            with _cleared_up():
                return super().invoke(context)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as raised:  # noqa: BLE001  (the last place that hears of it)
            error = raised if isinstance(raised, IrconvError) else within(raised)
            if isinstance(error, Fault):
                _report(error, raised.__cause__ if isinstance(raised, Fault) else raised, context)
                sys.exit(FAULT)
            print_problems(error)
            sys.exit(REFUSED)


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


def _with_traceback(context: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        context.meta[_TRACEBACK] = True


class Command(click.Command):
    """A command whose options that hold one value are given once; click itself lets the last of several win."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        help_text = "Print the traceback of a fault of irconv's own, instead of keeping it in a file."
        option = click.Option(
            ["--traceback"], is_flag=True, expose_value=False, callback=_with_traceback, help=help_text
        )
        self.params.append(option)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        single = [p for p in order if isinstance(p, click.Option) and not (p.multiple or p.is_flag)]
        if again := {option.opts[-1] for option in single if single.count(option) > 1}:
            ctx.fail(f"{', '.join(sorted(again))} is given more than once, and holds one value.")
        return super().parse_args(ctx, args)


Group.command_class = Command
