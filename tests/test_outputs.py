"""What writers leave in a folder, whatever was there: each kind of output, through the interface."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import irconv
from irconv.errors import DamagedFile, OutputFailed, Refused, UnknownFormat
from irconv.frameworks import writers
from tests.helpers import ROOT, contents, golden, rejection

CASE = golden("tf2.15-dense_2d")
FORCE = irconv.WriteOptions(force=True)
NAMES = [writer.suffixes[0] for writer in writers() if writer.module.startswith("irconv.")]


VARIABLES = ROOT / "fixtures" / "tensorflow" / "checkpoints"


@pytest.fixture
def source(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A model; for a test of TensorFlow's checkpoints, which hold variables alone, one of those."""
    (tmp_path / "in").mkdir()
    case = getattr(request.node, "callspec", None)
    if case is not None and case.params.get("suffix") == ".ckpt":
        for path in VARIABLES.glob("v2.ckpt.*"):
            shutil.copy(path, tmp_path / "in")
        return tmp_path / "in" / "v2.ckpt.index"
    shutil.copy(CASE.model, tmp_path / "in" / "model.h5")
    return tmp_path / "in" / "model.h5"


@pytest.mark.parametrize("suffix", NAMES)
def test_force_replaces_what_irconv_wrote_and_leaves_nothing_else(suffix: str, source: Path, tmp_path: Path) -> None:
    irconv.convert(source, tmp_path / f"m{suffix}")
    before = contents(tmp_path)
    made = sorted(tmp_path.rglob("*"))
    text = rejection(lambda: irconv.convert(source, tmp_path / f"m{suffix}"), OutputFailed)
    first = {".ckpt": "checkpoint"}.get(suffix, f"m{suffix}")  # the file that says which checkpoint is the latest
    assert text == f"{tmp_path / first}: exists already. Give --force to replace it."
    irconv.convert(source, tmp_path / f"m{suffix}", write_options=FORCE)
    assert sorted(tmp_path.rglob("*")) == made
    assert {name: len(data) for name, data in contents(tmp_path).items()} == {n: len(d) for n, d in before.items()}


@pytest.mark.parametrize("suffix", NAMES)
def test_force_keeps_folders_of_the_user_under_every_name_an_output_has(
    suffix: str, source: Path, tmp_path: Path
) -> None:
    there = set((tmp_path / "in").iterdir())
    irconv.convert(source, tmp_path / "in" / f"m{suffix}")
    made = [path for path in (tmp_path / "in").iterdir() if path not in there]
    for path in made:
        out = tmp_path / f"over-{path.name}"
        (out / path.name).mkdir(parents=True)
        (out / path.name / "thesis.tex").write_text("years of work")
        before = sorted(out.rglob("*"))
        text = rejection(lambda out=out: irconv.convert(source, out / f"m{suffix}", write_options=FORCE), OutputFailed)
        assert text.startswith(f"{out / path.name}: is a folder")
        assert sorted(out.rglob("*")) == before


@pytest.mark.parametrize("suffix", [".irconv", ".theano", ".savedmodel"])
@pytest.mark.parametrize("more", ["file", "folder", "link"])
def test_a_folder_that_irconv_wrote_is_kept_where_it_holds_more(
    suffix: str, more: str, source: Path, tmp_path: Path
) -> None:
    folder = tmp_path / f"m{suffix}"
    irconv.convert(source, folder)
    if more == "file":
        (folder / "notes").write_text("mine")
    elif more == "folder":
        (folder / "notes").mkdir()
    else:
        (folder / "README.md").unlink(missing_ok=True)
        (folder / "notes").symlink_to("..")
    text = rejection(lambda: irconv.convert(source, folder, write_options=FORCE), OutputFailed)
    assert text.startswith(f"{folder}: holds more than irconv wrote: notes")


def test_a_folder_with_an_architecture_of_the_users_own_is_kept(source: Path, tmp_path: Path) -> None:
    irconv.convert(source, tmp_path / "m.theano")
    (tmp_path / "m.theano" / "model.py").write_text('"""My own model."""\n')
    text = rejection(lambda: irconv.convert(source, tmp_path / "m.theano", write_options=FORCE), OutputFailed)
    assert text.endswith("is a folder that irconv did not write, and is kept. Move it away first.")


@pytest.mark.parametrize("broken", ["SHA256SUMS", "manifest.json"])
def test_a_folder_without_the_marks_of_a_bundle_is_kept(broken: str, source: Path, tmp_path: Path) -> None:
    irconv.convert(source, tmp_path / "m.irconv")
    (tmp_path / "m.irconv" / broken).write_text("something else\n")
    text = rejection(lambda: irconv.convert(source, tmp_path / "m.irconv", write_options=FORCE), OutputFailed)
    assert text.endswith("is a folder that irconv did not write, and is kept. Move it away first.")


@pytest.mark.parametrize("how", ["source", "architecture", "plugin", "tensors of a bundle in memory"])
def test_what_is_being_read_is_never_replaced(how: str, source: Path, tmp_path: Path) -> None:
    out, options, write = source, irconv.ReadOptions(), FORCE
    if how == "architecture":
        out = Path(shutil.copy(CASE.folder / "case.json", tmp_path / "in" / "arch.json"))
        options, write = irconv.ReadOptions(arch=out), irconv.WriteOptions("keras-config", force=True)
    elif how == "plugin":
        out = tmp_path / "in" / "m.py"
        out.touch()
        options = irconv.ReadOptions(plugins=(out,))
    before = contents(tmp_path)

    def convert() -> None:
        if how.startswith("tensors"):
            irconv.write(irconv.read(source), out, write)
        else:
            irconv.convert(source, out, options, write)

    text = rejection(convert, Refused if how in ("architecture", "plugin") else OutputFailed)  # neither can be read
    assert text.splitlines()[0] == f"{out}: is being read, and is not replaced. Give another destination."
    assert contents(tmp_path) == before


def test_a_bundle_in_memory_does_not_replace_the_folder_it_is_read_from(source: Path, tmp_path: Path) -> None:
    irconv.convert(source, tmp_path / "m.irconv")
    bundle = irconv.read(tmp_path / "m.irconv")
    text = rejection(lambda: irconv.write(bundle, tmp_path / "m.irconv", FORCE), OutputFailed)
    assert "which is being read, and is not replaced." in text
    irconv.write(bundle, tmp_path / "n.irconv")
    irconv.write(bundle, tmp_path / "n.irconv", FORCE)
    assert irconv.check(tmp_path / "n.irconv") == []


def in_place(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        name = next(name for name in _datasets(file) if name.endswith("kernel:0"))
        file[name][...] = 0


def _datasets(file: Any) -> list[str]:
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return found


def by_another(path: Path) -> None:
    twin = path.with_suffix(".new")
    shutil.copy(path, twin)
    twin.replace(path)


@pytest.mark.parametrize("change", [in_place, by_another])
@pytest.mark.parametrize("suffix", [".irconv", ".onnx", ".keras"])
def test_a_source_that_changes_before_its_bytes_are_read_is_refused(
    change: Callable[[Path], None], suffix: str, source: Path, tmp_path: Path
) -> None:
    bundle = irconv.read(source)
    change(source)
    text = rejection(lambda: irconv.write(bundle, tmp_path / f"m{suffix}"), DamagedFile)
    assert text.startswith(f"{source}: has changed since it was first read.")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    if bundle.graph is not None:
        assert "has changed" in rejection(lambda: irconv.run(bundle, CASE.inputs, runtime="numpy"), DamagedFile)


def test_a_source_that_changes_while_it_is_read_is_refused(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from irconv.frameworks.keras import files

    read_file = files.read_file

    def slow(path: Path) -> files.KerasFile:
        found = read_file(path)
        in_place(path)
        return found

    monkeypatch.setattr(files, "read_file", slow)
    assert "has changed since it was first read." in rejection(lambda: irconv.read(source), DamagedFile)


SLOW = """
import sys, time
from irconv.cli import main
from irconv.frameworks.onnx import write

def slow(*arguments, **options):
    print("writing", flush=True)
    time.sleep(60)

write.protobuf.write = slow
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_ends_the_command_leaves_nothing(number: signal.Signals, source: Path, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_text("old")
    command = [sys.executable, "-c", SLOW, "convert", str(source), str(tmp_path / "m.onnx"), "--force"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        assert len(list(tmp_path.iterdir())) == 3
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (128 + number, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "m.onnx"]
    assert (tmp_path / "m.onnx").read_text() == "old"


def test_a_hangup_that_is_ignored_stays_ignored(source: Path, tmp_path: Path) -> None:
    quick = SLOW.replace("time.sleep(60)", "time.sleep(1); done(*arguments, **options)")
    quick = quick.replace("def slow", "done = write.protobuf.write\n\ndef slow")
    command = [sys.executable, "-c", f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN){quick}"]
    with subprocess.Popen([*command, "convert", source, tmp_path / "m.onnx"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert (tmp_path / "m.onnx").is_file()


def test_run_does_not_replace_its_input_or_its_model(source: Path, tmp_path: Path) -> None:
    from tests.test_cli import run

    np.save(tmp_path / "x.npy", CASE.inputs[0])
    os.link(tmp_path / "x.npy", tmp_path / "y.npy")
    outcome = run("run", source, "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy", "--force")
    reason = "is being read, and is not replaced. Give another destination."
    assert (outcome.code, outcome.err) == (3, f"{tmp_path / 'y.npy'}: {reason}\n")
    assert (np.load(tmp_path / "y.npy") == CASE.inputs[0]).all()


@pytest.mark.parametrize("made", ["fifo", "device"])
def test_a_source_that_is_neither_file_nor_folder_is_refused(made: str, tmp_path: Path) -> None:
    path = Path("/dev/zero")
    if made == "fifo":
        path = tmp_path / "fifo"
        os.mkfifo(path)
    began = time.monotonic()
    text = rejection(lambda: irconv.read(path), UnknownFormat)
    assert text == f"{path}: expected a file or a folder, got a device, FIFO or socket."
    assert time.monotonic() - began < 10
