"""A fleet on this machine: every failure has its name, stops nothing, and a second run takes up the first."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import irconv
from irconv.cli import main
from irconv.errors import OutputFailed
from irconv.fleet import engine
from irconv.fleet.job import Row
from irconv.fleet.run import Fleet, batch
from tests.fleet.fleets import models, plan_of
from tests.helpers import ROOT, golden, lenet, rejection

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts what a process tree holds")


def by_source(fleet: Fleet) -> dict[str, Row]:
    return {Path(row.source).stem: row for row in fleet.rows}


@LINUX
def test_every_failure_is_named_and_stops_no_other(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    fleet = batch(plan, tmp_path / "out", "onnx", jobs=4, seconds=2, memory=500, clock=20)
    rows = by_source(fleet)
    assert {name: (row.outcome, row.reason) for name, row in rows.items()} == {
        "m0": ("ok", ""),
        "m1": ("ok", ""),
        "lambda": ("refused", "Refused"),
        "nowhere": ("failed", "NoSuchFile"),
        "crash": ("killed", "Signal"),
        "leave": ("killed", "Exit"),
        "memory": ("killed", "Memory"),
        "asked": ("killed", "Memory"),
        "busy": ("timed out", "Time"),
        "asleep": ("timed out", "Clock"),
    }
    assert "irconv has no rule for Keras's Lambda" in rows["lambda"].message
    assert rows["nowhere"].message.endswith("nowhere.h5: there is no such file or folder.")
    assert "its process was ended by SIGSEGV" in rows["crash"].message
    assert rows["crash"].log.startswith("the last words")
    assert "ended by itself with exit code 7" in rows["leave"].message
    assert rows["memory"].message.endswith("took more than 500 MB of memory. Give more with --memory, and --retry.")
    assert rows["busy"].message.endswith(
        "more than 2 seconds of processor time. Give more with --seconds, and --retry."
    )
    assert "did not end within 20 seconds by the clock" in rows["asleep"].message
    assert sorted(path.name for path in (tmp_path / "out").glob("*.onnx")) == ["m0.onnx", "m1.onnx"]
    assert [
        path
        for path in (tmp_path / "out").iterdir()
        if path.name.startswith(".irconv-") and path.name != ".irconv-batch"
    ] == []
    page = (tmp_path / "out" / "results.html").read_text()
    assert "10 jobs: 2 ok, 1 refused, 1 failed, 4 killed, 2 timed out" in page


def test_what_is_written_is_what_a_single_conversion_writes(tmp_path: Path) -> None:
    models(tmp_path / "in")
    fleet = batch(str(tmp_path / "in" / "*.h5"), tmp_path / "out", ("onnx", "py", "keras"), jobs=2)
    assert fleet.counts == {"ok": 9}
    for suffix in ("onnx", "py", "keras"):
        irconv.convert(tmp_path / "in" / "m1.h5", tmp_path / f"m1.{suffix}")
        assert (tmp_path / f"m1.{suffix}").read_bytes() == (tmp_path / "out" / f"m1.{suffix}").read_bytes()
    assert fleet.rows[1].files == (str(tmp_path / "out" / "m0.safetensors"), str(tmp_path / "out" / "m0.py"))


def test_a_process_of_its_own_is_started_where_no_fork_is_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text("import irconv.containers.own_process as own\nown._OTHERS = ('sys',)\n")
    models(tmp_path / "in", 1)
    monkeypatch.setattr(engine, "_SUPERVISED", {})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    fleet = batch(str(tmp_path / "in" / "*.h5"), tmp_path / "out", "onnx", jobs=1)
    assert fleet.counts == {"ok": 1}
    engine._SUPERVISED.popitem()[1].close()


def test_conversions_are_verified_with_their_error_in_the_table(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    irconv.convert(lenet("tf2.15-lenet5-h5").model, tmp_path / "m.irconv")
    (row,) = batch(tmp_path / "m.irconv", tmp_path / "out", "onnx", verify=True).rows
    assert row.outcome == "ok"
    assert row.error is not None
    assert row.error < 1e-5


def test_bundles_are_checked(tmp_path: Path) -> None:
    for name in ("sound", "broken"):
        irconv.convert(golden("tf2.15-residual").model, tmp_path / f"{name}.irconv")
    weights = tmp_path / "broken.irconv" / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    done = CliRunner().invoke(main, ["batch", str(tmp_path / "*.irconv"), "--check", "-o", str(tmp_path / "out")])
    assert done.exit_code == 1, done.output
    rows = by_source(batch(str(tmp_path / "*.irconv"), tmp_path / "out", check=True))
    assert (rows["sound"].outcome, rows["broken"].outcome) == ("ok", "different")
    assert "weights.safetensors" in rows["broken"].message


# taken up ------------------------------------------------------------------------------------------------------------


def test_a_second_run_does_what_is_left_and_what_has_changed(tmp_path: Path) -> None:
    sources = models(tmp_path / "in")
    pattern = str(tmp_path / "in" / "*.h5")
    assert batch(pattern, tmp_path / "out", "onnx").kept == 0
    assert batch(pattern, tmp_path / "out", "onnx").kept == 3
    os.utime(sources[0], (1, 1))  # the same content
    assert batch(pattern, tmp_path / "out", "onnx").kept == 3
    (tmp_path / "out" / "m1.onnx").unlink()
    again = batch(pattern, tmp_path / "out", "onnx")
    assert (again.kept, again.counts) == (2, {"ok": 3})
    sources[2].write_bytes(lenet("keras2.2.4-lenet4-h5").model.read_bytes())
    changed = by_source(batch(pattern, tmp_path / "out", "onnx"))["m2"]
    assert (changed.outcome, changed.reason) == ("failed", "OutputExists")
    assert batch(pattern, tmp_path / "out", "onnx", force=True).counts == {"ok": 3}


def test_other_options_are_another_job(tmp_path: Path) -> None:
    models(tmp_path / "in", 1)
    pattern = str(tmp_path / "in" / "*.h5")
    batch(pattern, tmp_path / "out", "onnx")
    again = batch(pattern, tmp_path / "out", "onnx", opset=20, force=True)
    assert (again.kept, again.counts) == (0, {"ok": 1})
    assert batch(pattern, tmp_path / "out", "onnx", opset=20, force=True).kept == 1


def test_what_was_killed_is_tried_again_where_that_is_asked_for(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, ("leave",))
    assert batch(plan, tmp_path / "out", "onnx").counts["killed"] == 1
    (tmp_path / "leave.py").write_text((tmp_path / "leave.py").read_text())
    again = batch(plan, tmp_path / "out", "onnx")
    assert (again.kept, again.counts["killed"]) == (4, 1)  # what is not there is looked for again
    assert batch(plan, tmp_path / "out", "onnx", retry=True).kept == 3


def test_a_line_that_a_kill_has_cut_off_is_done_again(tmp_path: Path) -> None:
    models(tmp_path / "in")
    pattern = str(tmp_path / "in" / "*.h5")
    batch(pattern, tmp_path / "out", "onnx")
    table = tmp_path / "out" / "results.jsonl"
    table.write_bytes(table.read_bytes()[:-40])
    again = batch(pattern, tmp_path / "out", "onnx", force=True)
    assert again.counts == {"ok": 3}
    assert len(table.read_text().splitlines()) == 3


def test_the_output_of_a_job_that_was_begun_and_not_noted_is_its_own_to_replace(tmp_path: Path) -> None:
    models(tmp_path / "in", 1)
    pattern = str(tmp_path / "in" / "*.h5")
    batch(pattern, tmp_path / "out", "onnx")
    out = tmp_path / "out"
    import hashlib

    claims = out / ".irconv-batch" / "claims"
    claims.mkdir(parents=True)
    (claims / hashlib.sha256(str(out / "m0.onnx").encode()).hexdigest()[:32]).touch()
    (out / "results.jsonl").write_bytes(b"")
    assert batch(pattern, out, "onnx").counts == {"ok": 1}
    assert not (out / ".irconv-batch").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_is_taken_up_and_leaves_no_process(number: int, tmp_path: Path) -> None:
    models(tmp_path / "in", 2)
    for name in ("s0", "s1"):
        plan = plan_of(tmp_path / name, ("asleep",))
    command = [sys.executable, "-m", "irconv", "batch", "plan.csv", "--to", "onnx", "-o", "../out", "--jobs", "2"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.Popen(command, cwd=plan.parent, env=env, stderr=subprocess.PIPE, start_new_session=True)
    table = tmp_path / "out" / "results.jsonl"
    until = time.monotonic() + 60
    while time.monotonic() < until and (not table.exists() or len(table.read_bytes().splitlines()) < 4):
        time.sleep(0.05)
    os.killpg(run.pid, number)
    run.communicate(timeout=30)
    assert run.returncode == (130 if number == signal.SIGINT else -number)
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    assert sorted(Path(row["source"]).stem for row in rows) == ["lambda", "m0", "m1", "nowhere"]
    assert (tmp_path / "out" / "results.html").exists() == (number == signal.SIGINT)
    until = time.monotonic() + 20
    while time.monotonic() < until and running("irconv.fleet.supervisor", str(plan.parent)):
        time.sleep(0.05)
    assert not running("irconv.fleet.supervisor", str(plan.parent))
    (plan.parent / "asleep.py").write_text("raise ValueError('awake')\n")
    again = CliRunner().invoke(main, ["batch", str(plan), "--to", "onnx", "-o", str(tmp_path / "out")])
    assert again.exit_code == 3


def running(words: str, folder: str) -> list[str]:
    """The processes whose command has these words and that work in this folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if words in command and os.readlink(place / "cwd") == folder:
                found.append(command)
        except OSError:
            continue
    return found


# the command ---------------------------------------------------------------------------------------------------------


def test_the_command_says_counts_reasons_and_where_the_table_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_of(tmp_path, ())
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["batch", "plan.csv", "--to", "onnx", "-o", "out"])
    assert done.exit_code == 3
    assert "4 jobs: 2 ok, 1 refused, 1 failed\nwrote out/results.jsonl\nwrote out/results.csv\n" in done.stdout
    assert "failed: NoSuchFile: nowhere.h5: there is no such file or folder.\n" in done.stderr
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        assert [row["outcome"] for row in csv.DictReader(file)] == ["ok", "refused", "failed", "ok"]
    done = CliRunner().invoke(main, ["batch", "plan.csv", "--to", "onnx", "-o", "out", "--json"])
    document = json.loads(done.stdout)
    assert (document["counts"], document["kept"]) == ({"ok": 2, "refused": 1, "failed": 1}, 3)


def test_two_runs_do_not_write_one_table(tmp_path: Path) -> None:
    from irconv.fleet.table import Table

    models(tmp_path / "in", 1)
    with Table(tmp_path / "out", ()):
        text = rejection(lambda: batch(str(tmp_path / "in" / "m0.h5"), tmp_path / "out", "onnx"), OutputFailed)
    assert text == f"{tmp_path / 'out'}: is being written by another run. Wait until it has ended."


def test_the_supervisor_that_ends_is_replaced(tmp_path: Path) -> None:
    models(tmp_path / "in", 1)
    found = engine._supervised()
    os.kill(found._process.pid, signal.SIGKILL)
    found._process.wait()
    until = time.monotonic() + 10
    while found.alive and time.monotonic() < until:
        time.sleep(0.01)
    assert batch(str(tmp_path / "in" / "m0.h5"), tmp_path / "out", "onnx").counts == {"ok": 1}


def test_a_process_that_has_ended_is_still_to_be_waited_for_when_it_is_ended_again(tmp_path: Path) -> None:
    """As `Popen.kill` reaps it where it is quick to die, the supervisor waited for nothing and was gone itself."""
    from irconv.fleet import supervisor

    process = subprocess.Popen([sys.executable, "-c", "pass"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.read() == b""
    time.sleep(0.5)
    supervisor._end(process)
    assert os.wait4(process.pid, 0)[0] == process.pid
    process.returncode = 0
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()
