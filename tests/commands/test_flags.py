"""What every command has: ``--json``, ``-q``, ``-v``, and values of formats for people and for shells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import irconv
from irconv.cli import main
from irconv.frameworks import readers, writers
from tests.commands.test_examples import COMMANDS
from tests.helpers import ROOT, golden, lenet

LENET = lenet("tf2.15-lenet5-h5")
LIGHTNING = ROOT / "fixtures" / "torch" / "lightning.pt"
ARRAYS = ROOT / "fixtures" / "theano" / "storage-folder"
#: What each command is asked for something that it does, in a folder with ``model.h5`` and ``model.irconv``.
DONE = {
    "convert": ["model.h5", "m.onnx"],
    "inspect": ["model.h5"],
    "check": ["model.irconv"],
    "run": ["model.h5", "--input", str(LENET.folder / "x_0.npy"), "--output", "y.npy"],
    "diff": ["model.h5", "model.irconv"],
    "verify": ["model.irconv", "model.irconv"],
    "adopt": ["model.h5", "--like", "model.irconv", "-o", "m.safetensors"],
    "textconv": ["model.h5"],
    "sketch": [str(ARRAYS / "weights"), "-o", "arch.json"],
    "plugin": [str(ROOT / "fixtures/keras_foreign/tf2.15-registered-h5/model.h5"), "-o", "plugin.py"],
    "upgrade": ["model.irconv", "-o", "today.irconv"],
    "batch": ["model.h5", "--to", "onnx", "-o", "converted"],
    "formats": [],
}
#: What each refuses.
REFUSED = {
    "convert": ["nowhere.h5", "m.onnx"],
    "inspect": ["nowhere.h5"],
    "check": ["nowhere.irconv"],
    "run": ["nowhere.h5", "--input", str(LENET.folder / "x_0.npy"), "--output", "y.npy"],
    "diff": ["nowhere.h5", "model.irconv"],
    "verify": ["nowhere.h5", "model.irconv"],
    "adopt": ["nowhere.h5", "--like", "model.irconv", "-o", "m.safetensors"],
    "textconv": ["nowhere.h5"],
    "sketch": ["nowhere", "-o", "arch.json"],
    "plugin": ["nowhere.h5", "-o", "plugin.py"],
    "upgrade": ["nowhere.irconv", "-o", "today.irconv"],
}
#: Those that refuse models one by one, in a table, and not as a whole.
ONE_BY_ONE = {"batch"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "model.h5").write_bytes(LENET.model.read_bytes())
    irconv.convert(LENET.model, tmp_path / "model.irconv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(*words: str, code: int = 0) -> tuple[str, str]:
    done = CliRunner().invoke(main, list(words))
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


def document(*words: str, code: int = 0) -> Any:
    return json.loads(ran(*words, "--json", code=code)[0])


def test_every_command_is_tried() -> None:
    assert list(COMMANDS) == list(DONE)
    assert {*DONE} - {*REFUSED} == {"formats", *ONE_BY_ONE}


@pytest.mark.parametrize("name", DONE)
def test_every_command_prints_one_document_and_nothing_else(name: str, here: Path) -> None:
    out, err = ran(name, *DONE[name], "--json")
    assert isinstance(json.loads(out), dict)
    assert err == ""


@pytest.mark.parametrize("name", REFUSED)
def test_every_refusal_is_a_document_with_its_reasons(name: str, here: Path) -> None:
    out, err = ran(name, *REFUSED[name], "--json", code=3)
    nowhere = next(word for word in REFUSED[name] if word.startswith("nowhere"))
    reason = {"where": nowhere, "what": "there is no such file or folder", "remedy": ""}
    assert json.loads(out) == {"error": "NoSuchFile", "exit_code": 3, "reasons": [reason]}
    assert err == f"{nowhere}: there is no such file or folder.\n"


def test_wrong_usage_is_a_document_too() -> None:
    found = document("convert", "a.h5", "b.onnx", "--opset", "many", code=2)
    assert (found["error"], found["exit_code"]) == ("Usage", 2)
    (reason,) = found["reasons"]
    assert "'many' is not a valid integer" in reason["what"]
    assert reason["remedy"].endswith("convert --help`.")


def test_a_fault_is_a_document_too(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr("irconv.api.check", broken)
    found = document("check", "model.irconv", code=70)
    assert (found["error"], found["exit_code"]) == ("Fault", 70)
    assert "of ours" in found["reasons"][0]["what"]


def test_all_reasons_are_in_the_document(here: Path) -> None:
    found = document("convert", str(golden("tf2.15-lambda").model), "m.onnx", "--opset", "18", code=3)
    assert [reason["where"].split(": ")[-1] for reason in found["reasons"]] == ["layer lambda (Lambda)"]


@pytest.mark.parametrize("name", DONE)
def test_quiet_commands_say_nothing_that_is_no_error(name: str, here: Path) -> None:
    assert ran(name, *DONE[name], "-q") == ("", "")


@pytest.mark.parametrize("name", REFUSED)
def test_quiet_commands_say_errors(name: str, here: Path) -> None:
    out, err = ran(name, *REFUSED[name], "-q", code=3)
    assert out == ""
    assert err.endswith("there is no such file or folder.\n")


def test_quiet_differences_are_in_the_exit_code_alone(here: Path) -> None:
    assert ran("diff", "model.h5", str(golden("tf2.15-flatten_dense").model), "-q", code=1) == ("", "")


def test_verbose_says_reader_facts_passes_and_dialect(here: Path) -> None:
    out, err = ran("convert", "model.h5", "m.keras", "-v")
    assert out == "wrote m.keras for Keras 3.15.1\n"
    assert "model.h5: is for the reader keras, as it has the attribute model_config\n" in err
    assert "model.h5: read as keras, made by keras 2.15.0, in " in err
    assert "fact backend: tensorflow (the file's attribute 'backend')\n" in err
    assert "pass channels_last: " in err
    assert "m.keras: written as keras in the dialect Keras 3.15.1, in " in err


def test_verbose_commands_are_quiet_afterwards(here: Path) -> None:
    ran("inspect", "model.h5", "-v")
    assert "pass channels_last" not in ran("inspect", "model.h5")[1]


def test_verbose_leaves_the_document_alone(here: Path) -> None:
    out, err = ran("inspect", "model.h5", "-v", "--json")
    assert json.loads(out)["source"]["framework"] == "keras"
    assert "read as keras" in err


def test_quiet_and_verbose_exclude_each_other(here: Path) -> None:
    assert "-q and -v exclude each other." in ran("inspect", "model.h5", "-q", "-v", code=2)[1]


def test_the_part_of_a_checkpoint_that_was_chosen_is_said(here: Path) -> None:
    said = "key: state_dict (chosen: the part of the file that holds the weights; --key names another)\n"
    assert ran("convert", str(LIGHTNING), "m.safetensors")[1] == said
    assert ran("convert", str(LIGHTNING), "n.safetensors", "--key", "state_dict")[1] == ""


def test_formats_are_listed_in_the_help() -> None:
    text = "".join(ran("convert", "--help")[0].split())  # lines may end after a hyphen of a name
    assert f"Oneof{','.join(reader.name for reader in readers())}." in text
    assert f"Oneof{','.join(writer.name for writer in writers())}." in text


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("irconv convert a b --to ten", {"tensorflow", "tensorflow-saved-model", "tensorflow-graph"}),
        ("irconv inspect a --from torch", {"torch", "torch-program", "torchscript"}),
        ("irconv con", {"convert"}),
        ("irconv convert a b --io ", {"native", "source"}),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_formats_and_commands(shell: str, line: str, values: set[str]) -> None:
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1) if shell != "fish" else words[-1]}
    code = "from irconv.cli import main; main(prog_name='irconv')"
    env = {**os.environ, **asked, "_IRCONV_COMPLETE": f"{shell}_complete"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    lines = done.stdout.split("\n")
    found = lines[1::3] if shell == "zsh" else [one.split("\t")[0].rpartition(",")[2] for one in lines if one]
    if shell == "fish":
        found = [one.split(",")[1].split("\t")[0] for one in lines if "," in one and one.startswith("plain")]
    assert values == {one for one in found if one}


def test_files_are_completed_by_the_shell() -> None:
    env = {**os.environ, "COMP_WORDS": "irconv convert mo", "COMP_CWORD": "2", "_IRCONV_COMPLETE": "bash_complete"}
    code = "from irconv.cli import main; main(prog_name='irconv')"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "file,mo\n"


# run --------------------------------------------------------------------------------------------------------------


def test_arrays_in_one_npz_are_inputs_by_name_or_in_order(here: Path) -> None:
    x, wanted = LENET.inputs[0], LENET.outputs[0]
    np.savez(here / "NAMED.NPZ", conv2d_input=x)
    os.rename(here / "NAMED.NPZ.npz", here / "NAMED.NPZ")
    np.savez(here / "order.npz", x)
    for name in ("NAMED.NPZ", "order.npz"):
        ran("run", "model.h5", "--input", name, "--output", "Y.NPY", "--runtime", "numpy", "--force")
        assert np.abs(np.load(here / "Y.NPY") - wanted).max() < 2e-6


@pytest.mark.parametrize(("flags", "white"), [([], 1.0), (["--pixels", "255"], 255.0)])
def test_an_image_is_an_input_and_what_it_became_is_said(flags: list[str], white: float, here: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    pixels = np.random.default_rng(5).integers(0, 256, (28, 28), np.uint8)
    image.fromarray(pixels).save(here / "x.PNG")
    words = ["run", "model.h5", "--input", "x.PNG", "--output", "y.npy", "--runtime", "numpy"]
    _, err = ran(*words, *flags)
    assert f"input conv2d_input: x.PNG as float32 (1, 28, 28, 1) NHWC, 0 to {white:g}\n" in err
    x = pixels[None, ..., None].astype(np.float32) / 255 * np.float32(white)
    (wanted,) = irconv.run("model.h5", x, runtime="numpy").values()
    assert np.array_equal(np.load(here / "y.npy"), wanted)


def test_an_image_for_an_input_that_takes_none_is_refused(here: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    image.fromarray(np.zeros((4, 4), np.uint8)).save(here / "x.png")
    model = str(golden("tf2.15-two_inputs_two_outputs").model)
    _, err = ran("run", model, "--input", "x.png", "--output", "y.npz", code=3)
    assert err == "inputs: expected 2 (large, small), got 1.\n"
    model = str(golden("keras2.3.1-dense_3d").model)
    _, err = ran("run", model, "--input", "x.png", "--output", "y.npz", code=3)
    assert err.endswith("expected an array, got the image x.png. Give a .npy.\n")


@pytest.mark.parametrize(
    "name", ["m.onnx", "M.ONNX", "m.keras", "M.KERAS", "m.H5", "m.PB", "m.IRCONV", "m.irconv.ZIP", "m.SAVEDMODEL"]
)
def test_any_readable_model_runs_and_suffixes_may_be_in_capitals(name: str, here: Path) -> None:
    ran("convert", "model.h5", name, *(["--io", "source"] if "IRCONV" not in name.upper() else []))
    x = str(LENET.folder / "x_0.npy")
    ran("run", name, "--input", x, "--output", "y.npy", "--runtime", "numpy")
    assert np.abs(np.load(here / "y.npy") - LENET.outputs[0]).max() < 2e-6


@pytest.mark.parametrize("name", ["m.PY", "m.PT", "m.PTH", "m.SAFETENSORS", "m.CKPT", "m.THEANO", "m.THEANO.H5"])
def test_formats_of_weights_may_have_suffixes_in_capitals(name: str, here: Path) -> None:
    made = document("convert", "model.h5", name)
    assert all(Path(file).exists() for file in made["files"])
    lower = document("convert", "model.h5", name.lower(), "--force")
    assert (lower["format"], len(lower["files"])) == (made["format"], len(made["files"]))
