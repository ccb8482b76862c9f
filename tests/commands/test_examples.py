"""The examples in every command's help are lines that work as they stand."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

import irconv
from irconv.cli import main
from irconv.layout import turned
from irconv.report.png import heat_map
from irconv.shell import Command
from tests.helpers import ROOT, lenet

CONTEXT = click.Context(main)
COMMANDS = {name: command for name in main.list_commands(CONTEXT) if (command := main.get_command(CONTEXT, name))}
EXAMPLES = [line for command in COMMANDS.values() if isinstance(command, Command) for line in command.examples]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the examples name."""
    folder, model = tmp_path_factory.mktemp("examples"), lenet("tf2.15-lenet5-h5")
    shutil.copyfile(model.model, folder / "model.h5")
    x = model.inputs[0]
    np.save(folder / "x.npy", x)
    np.savez(folder / "batch.npz", conv2d_input=turned(x, (0, 3, 1, 2)))
    (folder / "digit.png").write_bytes(heat_map(x[0, ..., 0]))
    for name in ("model.onnx", "model.irconv", "theirs.safetensors"):
        irconv.convert(folder / "model.h5", folder / name)
    shutil.copyfile(ROOT / "fixtures/keras_foreign/tf2.15-registered-h5/model.h5", folder / "own.h5")
    bundles = ROOT / "fixtures" / "bundles"
    shutil.copytree(bundles / "1.0-dense_2d.irconv", folder / "old.irconv")
    shutil.copyfile(bundles / "1.0-dense_2d.irconv.zip", folder / "old.irconv.zip")
    (folder / "models").mkdir()
    shutil.copyfile(model.model, folder / "models" / "lenet.h5")
    (folder / "plan.csv").write_text("source,to,opset\nmodels/lenet.h5,onnx,20\nmodel.h5,py,\n")
    arrays = ROOT / "fixtures" / "theano" / "storage-folder"
    shutil.copytree(arrays / "weights", folder / "weights")
    shutil.copyfile(arrays / "arch.json", folder / "arch.json")
    return folder


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_does_what_it_says(line: str, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "here"
    shutil.copytree(files, folder)
    monkeypatch.chdir(folder)
    program, *words = shlex.split(line)
    if words[0] == "convert":  # what it makes is what other examples begin with
        made = folder / words[2]
        shutil.rmtree(made) if made.is_dir() else made.unlink(missing_ok=True)
    done = CliRunner().invoke(main, words)
    assert (program, done.exit_code) == ("irconv", 0), done.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_two_to_four_examples_of_its_own_command(name: str) -> None:
    command = COMMANDS[name]
    assert isinstance(command, Command)
    assert 2 <= len(command.examples) <= 4
    assert all(line.startswith(f"irconv {name} ") or line == f"irconv {name}" for line in command.examples)
    shown = CliRunner().invoke(main, [name, "--help"]).stdout
    assert shown.endswith("Examples:\n" + "".join(f"  {line}\n" for line in command.examples))
