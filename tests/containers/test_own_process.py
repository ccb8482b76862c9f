"""The command's own process may be forked; any other may not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from irconv.containers import own_process
from irconv.containers.own_process import Forked, may_fork

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")


def echo() -> None:
    """Say what comes in, in capitals, until nothing does."""
    while line := sys.stdin.buffer.readline():
        os.write(1, line.upper())


@LINUX
def test_a_fork_reads_and_writes_and_ends_with_its_input() -> None:
    child = Forked(echo, {})
    child.stdin.write(b"one\n")
    child.stdin.flush()
    assert child.stdout.readline() == b"ONE\n"
    assert child.poll() is None
    child.stdin.close()
    assert child.wait() == 0
    child.stdout.close()


@LINUX
def test_a_fork_that_is_killed_says_by_what() -> None:
    child = Forked(echo, {})
    child.kill()
    assert child.wait() == -signal.SIGKILL
    assert child.poll() == -signal.SIGKILL
    child.kill()  # and again, which is nothing
    child.stdin.close()
    child.stdout.close()


@LINUX
def test_a_fork_has_nothing_open_but_its_pipes_and_has_its_own_environment(tmp_path: Path) -> None:
    def listing() -> None:
        numbers = sorted(int(name) for name in os.listdir("/proc/self/fd"))
        os.write(1, f"{numbers} {os.environ['GIVEN']}\n".encode())

    with (tmp_path / "open").open("wb"):
        child = Forked(listing, {"GIVEN": "this"})
        assert child.stdout.readline() == b"[0, 1, 2, 3] this\n"  # 3 is the listing itself
    assert child.wait() == 0
    assert "GIVEN" not in os.environ
    child.stdin.close()
    child.stdout.close()


@LINUX
def test_what_a_fork_raises_ends_it_and_never_comes_back() -> None:
    def work() -> None:
        raise SystemExit(7)

    child = Forked(work, {})
    assert child.wait() == 1
    child.stdin.close()
    child.stdout.close()


@LINUX
def test_a_fork_answers_signals_as_a_new_process_does() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        child = Forked(echo, {})
        child.stdin.write(b"ready\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"READY\n"
        os.kill(child.pid, signal.SIGTERM)
        assert child.wait() == -signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == []
    child.stdin.close()
    child.stdout.close()


def test_a_program_that_calls_irconv_is_never_forked() -> None:
    assert not own_process._OWN.is_set()
    assert not may_fork()


SAYS = """
    import sys, threading
    from irconv.containers import hdf5_process, own_process
    from irconv.containers.hdf5_process import Limits, ask
    from pathlib import Path

    own_process.declare()
    {before}
    found, _ = ask(Path(sys.argv[1]), Limits())
    print(type(next(iter(hdf5_process._RUNNING.values()))).__name__, sorted(found["root"]["members"]))
"""


def said(path: Path, before: str = "") -> str:
    """What a process of its own says of what reads a file for it, and of what that found."""
    program = textwrap.dedent(SAYS).format(before=before)
    return subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True).stdout


@LINUX
@pytest.mark.parametrize(
    ("before", "kind"),
    [
        ("", "Forked"),
        ("import h5py", "Popen"),
        ("threading.Thread(target=threading.Event().wait, daemon=True).start()", "Popen"),
        ("import os; os.close(0)", "Popen"),
    ],
    ids=["alone", "with the library", "with a thread", "without an input"],
)
def test_the_library_works_in_a_fork_of_the_command_where_that_is_safe(before: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    shutil.copy(Path("fixtures/lenet") / "keras2.3.1-lenet4-h5" / "model.h5", path)
    assert said(path, before) == f"{kind} ['model_weights']\n"


_THREADS = """
import os, sys
from irconv.containers import own_process
if sys.argv[1] == "own":
    own_process.declare()
own_process.without_threads()
import numpy
print(len(os.listdir("/proc/self/task")), "OPENBLAS_NUM_THREADS" in os.environ)
"""


@LINUX
@pytest.mark.parametrize(("whose", "threads"), [("own", 1), ("another", os.cpu_count())])
def test_numpy_starts_no_threads_in_the_command_alone(whose: str, threads: int) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", _THREADS, whose], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(threads), "False"]
