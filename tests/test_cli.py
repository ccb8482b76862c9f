"""The command line: exit codes are a contract, reasons stand on stderr, and a refusal writes nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest
from click.testing import CliRunner

import irconv
from irconv.cli import main
from irconv.frameworks import readers, writers
from tests.helpers import GOLDEN_ERROR, contents, edited, error, golden, lenet, sealed

CNN = golden("tf2.15-flatten_dense")
TWO = golden("tf2.15-two_inputs_two_outputs")
THEANO = golden("keras2.2.4-theano-conv_valid")


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


def run(*arguments: object) -> Outcome:
    """The command in this process; anything but a clean exit is an error of the test."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return Outcome(result.exit_code, result.stdout, result.stderr)


def run_outside(*arguments: object) -> Outcome:
    """The command in a process of its own."""
    command = [sys.executable, "-c", "from irconv.__main__ import run; run()", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "given.irconv"
    irconv.convert(CNN.model, path)
    return path


@pytest.fixture
def without_backend(tmp_path: Path) -> Path:
    """A Theano file that does not say so: no attribute, and names without an output number."""
    path = tmp_path / "silent.h5"
    shutil.copyfile(THEANO.model, path)
    with h5py.File(path, "r+") as file:
        for place in (file, file["model_weights"]):
            place.attrs.pop("backend", None)
    return path


def with_config(case_model: Path, path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of a Keras file with its model_config changed."""
    shutil.copyfile(case_model, path)
    with h5py.File(path, "r+") as file:
        text = file.attrs["model_config"]
        config = json.loads(text)
        change(config)
        file.attrs["model_config"] = json.dumps(config)
    return path


# convert ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".irconv", ".irconv.zip", ".onnx", ".py", ".safetensors"])
def test_convert_writes_each_format_and_says_what_it_wrote(suffix: str, tmp_path: Path) -> None:
    target = tmp_path / f"m{suffix}"
    done = run("convert", CNN.model, target)
    files = [tmp_path / "m.safetensors", target] if suffix == ".py" else [target]
    assert done.code == 0
    assert done.out == "".join(f"wrote {file}\n" for file in files)
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert done.err == (
        "input input_1: float32 (N, 3, 11, 8) NCHW, NHWC in the source\noutput dense: float32 (N, 7) NC\n"
    )


def test_convert_keeps_the_sources_axes_on_request(tmp_path: Path) -> None:
    done = run("convert", CNN.model, tmp_path / "m.onnx", "--io", "source")
    assert (done.code, done.err.splitlines()[0]) == (0, "input input_1: float32 (N, 11, 8, 3) NHWC")


def test_the_name_of_a_format_wins_over_the_suffix(tmp_path: Path) -> None:
    assert run("convert", CNN.model, tmp_path / "m.bin", "--to", "onnx").code == 0
    assert run("convert", CNN.model, tmp_path / "m.onnx").code == 0
    assert (tmp_path / "m.bin").read_bytes() == (tmp_path / "m.onnx").read_bytes()


def test_an_opset_asked_for_is_the_opset_written(tmp_path: Path) -> None:
    assert run("convert", CNN.model, tmp_path / "m.onnx", "--opset", 21).code == 0
    assert onnx.load(tmp_path / "m.onnx").opset_import[0].version == 21


@pytest.mark.parametrize(
    ("case", "opset", "reason"),
    [
        (CNN, 17, "--opset 17: this model needs opset 18. Give --opset 18 or more."),
        (CNN, 99, "--opset 99: irconv writes opsets 18 to 26."),
        (
            golden("tf2.15-activations"),
            18,
            "--opset 18: this model needs opset 20 for Gelu. Give --opset 20 or more.",
        ),
    ],
    ids=["too old", "unknown", "too old for a layer"],
)
def test_an_opset_that_cannot_say_the_model_is_refused(case: Any, opset: int, reason: str, tmp_path: Path) -> None:
    assert run("convert", case.model, tmp_path / "m.onnx", "--opset", opset) == Outcome(3, "", f"{reason}\n")
    assert list(tmp_path.iterdir()) == []


# refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".irconv", ".irconv.zip", ".onnx", ".py", ".safetensors"])
@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (
            "keras2.3.1-lambda",
            "layer lambda_1 (Lambda): irconv has no rule for Keras's Lambda. It has the settings "
            "function=a lambda, function_type='lambda', output_shape_type='raw'. It is called on (N, 5).",
        ),
        (
            "tf2.15-lambda",
            "layer lambda (Lambda): irconv has no rule for Keras's Lambda. It has the settings "
            "function=a lambda, function_type='lambda', module='__main__', output_shape_type='raw'. It is called on "
            "(N, 5).",
        ),
        (
            "keras2.3.1-custom_layer",
            "layer scale_1 (Scale): irconv has no rule for Keras's Scale. It has the weights factor 5. It is called on "
            "(N, 5).",
        ),
    ],
)
def test_code_of_the_user_is_refused_by_every_writer(case: str, reason: str, suffix: str, tmp_path: Path) -> None:
    model = golden(case).model
    advice = "irconv does not guess: --plugin teaches it, --replace leaves it out, --until stops before it."
    done = run("convert", model, tmp_path / f"m{suffix}")
    assert done == Outcome(3, "", f"{model}: {reason} {advice}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.001, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("case", ["tf2.15-flatten_dense", "keras2.2.4-theano-conv_valid"])
def test_a_truncated_hdf5_file_is_refused_by_name(case: str, share: float, tmp_path: Path) -> None:
    whole = golden(case).model.read_bytes()
    cut = tmp_path / "cut.h5"
    cut.write_bytes(whole[: int(len(whole) * share)])
    done = run("convert", cut, tmp_path / "m.onnx")
    assert (done.code, done.out) == (3, "")
    expected = "no reader recognises its content" if share < 0.001 else "the HDF5 library cannot read it: "
    assert done.err.startswith(f"{cut}: {expected}")
    assert done.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [cut]


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.h5"
    for command in (["convert", missing, tmp_path / "m.onnx"], ["inspect", missing], ["check", missing]):
        assert run(*command) == Outcome(3, "", f"{missing}: there is no such file or folder.\n")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_model_is_refused_by_name(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    done = run("convert", empty, tmp_path / "m.onnx")
    assert (done.code, done.out) == (3, "")
    assert done.err == f"{empty}: no reader recognises its content. It is an empty folder.\n"
    assert list(tmp_path.iterdir()) == [empty]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x89HDF", b"not a model at all", b"{}"])
def test_a_file_that_is_no_model_is_refused_whatever_its_suffix(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "m.h5"
    file.write_bytes(content)
    done = run("inspect", file)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith(f"{file}: no reader recognises its content. ")


def test_an_hdf5_file_that_is_not_keras_holds_arrays_without_a_graph(tmp_path: Path) -> None:
    file = tmp_path / "m.h5"
    with h5py.File(file, "w") as made:
        made["x"] = np.zeros(3)
    assert json.loads(run("inspect", file, "--json").out)["groups"][0]["type"] is None
    done = run("convert", file, tmp_path / "m.onnx")
    assert (done.code, done.out) == (3, "")
    assert "--arch" in done.err


def test_an_unknown_suffix_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    done = run("convert", CNN.model, tmp_path / "m.xyz")
    known = ", ".join(suffix for writer in writers() for suffix in writer.suffixes)
    reason = f"{tmp_path / 'm.xyz'}: expected a name that ends in one of {known}. Or give --to FORMAT.\n"
    assert done == Outcome(3, "", reason)


def test_an_unknown_target_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    done = run("convert", CNN.model, tmp_path / "m.onnx", "--to", "caffe")
    assert done == Outcome(3, "", f"--to caffe: expected one of {', '.join(w.name for w in writers())}.\n")


def test_an_unknown_source_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    done = run("convert", CNN.model, tmp_path / "m.onnx", "--from", "caffe")
    assert done == Outcome(3, "", f"--from caffe: expected one of {', '.join(r.name for r in readers())}.\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"],
        ["nonsense"],
        ["convert"],
        ["convert", "only-one.h5"],
        ["convert", "a.h5", "b.onnx", "--backend", "nosuch"],
        ["convert", "a.h5", "b.onnx", "--io", "sideways"],
        ["convert", "a.h5", "b.onnx", "--opset", "many"],
        ["run", "a.h5", "--output", "y.npy"],
        ["run", "a.h5", "--input", "x.npy", "--output", "y.npy", "--runtime", "torch"],
        ["check"],
        ["inspect", "a.h5", "--force"],
    ],
    ids=" ".join,
)
def test_wrong_usage_has_an_exit_code_of_its_own(arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: ")
    assert "\nError: " in done.err


@pytest.mark.parametrize("suffix", [".irconv", ".irconv.zip", ".onnx", ".py", ".safetensors"])
def test_an_existing_output_is_replaced_only_by_force(suffix: str, tmp_path: Path) -> None:
    target = tmp_path / f"m{suffix}"
    assert run("convert", CNN.model, target).code == 0
    before = contents(tmp_path)
    done = run("convert", TWO.model, target)
    assert done == Outcome(3, "", f"{target}: exists already. Give --force to replace it.\n")
    assert contents(tmp_path) == before
    assert run("convert", TWO.model, target, "--force").code == 0
    after = contents(tmp_path)
    assert sorted(after) == sorted(before)
    assert after != before


def test_weights_beside_a_python_file_are_not_replaced_without_force_either(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(b"precious")
    done = run("convert", CNN.model, tmp_path / "m.py")
    assert done == Outcome(3, "", f"{tmp_path / 'm.safetensors'}: exists already. Give --force to replace it.\n")
    assert contents(tmp_path) == {f"{tmp_path.name}/m.safetensors": b"precious"}


def test_a_failed_conversion_leaves_the_old_output_in_place_even_with_force(tmp_path: Path) -> None:
    target = tmp_path / "m.onnx"
    target.write_bytes(b"old")
    assert run("convert", golden("tf2.15-lambda").model, target, "--force").code == 3
    assert contents(tmp_path) == {f"{tmp_path.name}/m.onnx": b"old"}


def test_a_dry_run_says_what_would_be_written_and_writes_nothing(tmp_path: Path) -> None:
    done = run("convert", CNN.model, tmp_path / "m.py", "--dry-run")
    assert (done.code, done.out) == (
        0,
        f"would write {tmp_path / 'm.safetensors'}\nwould write {tmp_path / 'm.py'}\n",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_refuses_what_a_conversion_refuses(tmp_path: Path) -> None:
    wet = run("convert", golden("tf2.15-lambda").model, tmp_path / "m.onnx")
    assert run("convert", golden("tf2.15-lambda").model, tmp_path / "m.onnx", "--dry-run") == wet
    assert wet.code == 3


def test_a_model_is_cut_and_a_layer_left_out_on_request(tmp_path: Path) -> None:
    model = golden("tf2.15-lambda").model
    assert run("convert", model, tmp_path / "a.onnx", "--replace", "lambda=identity").code == 0
    assert run("convert", model, tmp_path / "b.onnx", "--until", "dense").code == 0
    nodes = {name: len(onnx.load(tmp_path / f"{name}.onnx").graph.node) for name in "ab"}
    assert nodes == {"a": 2, "b": 1}


def test_a_destination_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    done = run("convert", CNN.model, tmp_path / "no" / "m.onnx")
    reason = f"{tmp_path / 'no' / 'm.onnx'}: the folder {tmp_path / 'no'} does not exist. Make it first.\n"
    assert done == Outcome(3, "", reason)
    assert list(tmp_path.iterdir()) == []


def test_a_destination_that_exists_is_said_with_all_other_reasons(tmp_path: Path) -> None:
    target = tmp_path / "m.onnx"
    target.write_bytes(b"old")
    taken = f"{target}: exists already. Give --force to replace it.\n"
    model = golden("tf2.15-lambda").model
    alone = run("convert", model, tmp_path / "n.onnx").err
    assert run("convert", model, target) == Outcome(3, "", taken + alone)
    assert run("convert", CNN.model, target) == Outcome(3, "", taken)
    opset = "--opset 17: this model needs opset 18. Give --opset 18 or more.\n"
    assert run("convert", CNN.model, target, "--opset", 17) == Outcome(3, "", taken + opset)
    assert contents(tmp_path) == {f"{tmp_path.name}/m.onnx": b"old"}


def test_an_unknown_suffix_is_said_with_all_other_reasons(tmp_path: Path) -> None:
    model = golden("tf2.15-lambda").model
    done = run("convert", model, tmp_path / "m.xyz")
    assert [line.split(": ")[0] for line in done.err.splitlines()] == [str(tmp_path / "m.xyz"), str(model)]


def test_all_unknown_layers_are_reported_at_once(tmp_path: Path) -> None:
    def spoil(config: dict[str, Any]) -> None:
        for layer in config["config"]["layers"][1:3]:
            layer["class_name"] = {"Conv2D": "Conv2DWarped", "Flatten": "Squash"}[layer["class_name"]]

    model = with_config(CNN.model, tmp_path / "spoilt.h5", spoil)
    done = run("convert", model, tmp_path / "m.onnx")
    assert (done.code, done.out) == (3, "")
    advice = "irconv does not guess: --plugin teaches it, --replace leaves it out, --until stops before it."
    assert done.err == (
        f"{model}: layer conv2d (Conv2DWarped): irconv has no rule for Keras's Conv2DWarped. It has the weights kernel "
        "3x2x3x5, bias 5 and the settings filters=5, kernel_size=[3, 2], strides=[1, 1], padding='valid', "
        "data_format='channels_last', dilation_rate=[1, 1], groups=1, activation='linear', use_bias=True. It is called "
        f"on (N, 11, 8, 3). {advice}\n"
        f"{model}: layer flatten (Squash): irconv has no rule for Keras's Squash. It has the settings "
        f"data_format='channels_last'. {advice}\n"
    )
    assert list(tmp_path.iterdir()) == [model]


def test_a_refusal_in_a_process_of_its_own_shows_no_traceback(tmp_path: Path) -> None:
    done = run_outside("convert", golden("tf2.15-lambda").model, tmp_path / "m.onnx")
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
    assert "irconv has no rule for Keras's Lambda" in done.err
    assert list(tmp_path.iterdir()) == []


def test_success_in_a_process_of_its_own_exits_with_0(tmp_path: Path) -> None:
    done = run_outside("convert", CNN.model, tmp_path / "m.irconv")
    assert (done.code, done.out) == (0, f"wrote {tmp_path / 'm.irconv'}\n")
    assert irconv.check(tmp_path / "m.irconv") == []


# what a file does not say -----------------------------------------------------------------------------------------


def test_a_file_that_does_not_show_its_backend_is_asked_about(without_backend: Path, tmp_path: Path) -> None:
    done = run("convert", without_backend, tmp_path / "m.onnx")
    assert done == Outcome(
        3,
        "",
        f"{without_backend}: expected an attribute 'backend': it decides whether convolution kernels are stored "
        "turned by 180 degrees. Give --backend tensorflow or --backend theano.\n",
    )
    assert list(tmp_path.iterdir()) == [without_backend]


@pytest.mark.parametrize("backend", ["theano", "tensorflow"])
def test_the_backend_given_decides_whether_kernels_are_turned(
    backend: str, without_backend: Path, tmp_path: Path
) -> None:
    assert run("convert", without_backend, tmp_path / "m.irconv", "--backend", backend).code == 0
    got = irconv.run(tmp_path / "m.irconv", THEANO.inputs, runtime="numpy")
    difference = error(list(got.values()), THEANO.outputs)
    assert difference < GOLDEN_ERROR if backend == "theano" else difference > 0.1


def test_a_backend_given_is_evidence_in_the_manifest(without_backend: Path) -> None:
    done = run("inspect", without_backend, "--backend", "theano", "--json")
    assert json.loads(done.out)["source"]["facts"][:1] == [
        {"name": "backend", "value": "theano", "evidence": "given by the user"}
    ]


def test_names_that_only_tensorflow_gives_are_evidence_enough(tmp_path: Path) -> None:
    path = tmp_path / "silent.h5"
    shutil.copyfile(CNN.model, path)
    with h5py.File(path, "r+") as file:
        for place in (file, file["model_weights"]):
            place.attrs.pop("backend", None)
    assert json.loads(run("inspect", path, "--json").out)["source"]["facts"][:1] == [
        {
            "name": "backend",
            "value": "tensorflow",
            "evidence": "variable names end in ':0', as only TensorFlow's do",
        }
    ]


# inspect and formats ----------------------------------------------------------------------------------------------


def test_inspect_shows_layers_shapes_and_where_they_came_from() -> None:
    done = run("inspect", CNN.model)
    assert (done.code, done.err) == (0, "")
    for part in (
        "model.h5 from keras 2.15.0",
        "backend: tensorflow (the file's attribute 'backend')",
        "kernel 5x3x3x2 OIHW",
        "Nx5x9x7",
        "input input_1: float32 (N, 3, 11, 8) NCHW, NHWC in the source",
        "output dense: float32 (N, 7) NC",
        "2,307 parameters: 2,307 trainable, 0 not; 9.2 kB float32",
        "multiply-adds for one sample",
    ):
        assert part in done.out


def test_inspect_shows_what_was_left_out() -> None:
    out = run("inspect", golden("tf2.15-sequential_compiled").model).out
    assert "left out: optimizer_weights/" in out
    assert "(optimizer state)" in out


def test_inspect_of_weights_alone_says_what_is_unknown() -> None:
    out = run("inspect", lenet("keras2.2.4-lenet4-weights-h5").model).out
    assert "no model in the file" in out
    assert out.count("unknown") >= 4


def test_inspect_as_json_is_the_manifest() -> None:
    document = json.loads(run("inspect", CNN.model, "--json").out)
    assert document == irconv.read(CNN.model).manifest().model_dump(mode="json")


def test_formats_lists_every_reader_and_writer() -> None:
    out = run("formats").out
    for word in ("keras", "irconv", "onnx", "torch-source", ".safetensors", "onnxruntime installed", "numpy built in"):
        assert word in out


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        (["formats", "--json"], {"readers", "writers", "runtimes", "verify"}),
        (
            ["inspect", CNN.model, "--json"],
            {"format", "source", "layers", "graph", "tensors", "groups", "omitted", "checks", "probe", "meta"},
        ),
        (["convert", CNN.model, "m.onnx", "--json"], {"format", "files", "ports"}),
    ],
    ids=["formats", "inspect", "convert"],
)
def test_json_is_exactly_one_document_on_stdout(
    arguments: list[object], keys: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert (done.code, done.err) == (0, "")
    assert set(json.loads(done.out)) == keys


def test_convert_as_json_names_files_and_ports(tmp_path: Path) -> None:
    document = json.loads(run("convert", CNN.model, tmp_path / "m.py", "--json").out)
    assert document["format"] == "torch-source"
    assert document["files"] == [str(tmp_path / "m.safetensors"), str(tmp_path / "m.py")]
    assert [(port["kind"], port["name"], port["axes"], port["source_axes"]) for port in document["ports"]] == [
        ("input", "input_1", "NCHW", "NHWC"),
        ("output", "dense", "NC", "NC"),
    ]


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("command", [[], ["convert"], ["inspect"], ["check"], ["run"], ["formats"]], ids=str)
def test_every_command_explains_itself(command: list[str], flag: str) -> None:
    done = run(*command, flag)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Usage: ")


def test_the_version_is_told() -> None:
    assert run("--version") == Outcome(0, f"irconv, version {irconv.__version__}\n", "")


# check ------------------------------------------------------------------------------------------------------------


def test_check_calls_a_sound_bundle_sound(bundle: Path) -> None:
    assert run("check", bundle) == Outcome(0, f"{bundle}: sound\n", "")
    assert json.loads(run("check", bundle, "--json").out) == {"bundle": str(bundle), "problems": []}


@pytest.mark.parametrize("name", ["weights.safetensors", "README.md"])
def test_check_names_the_file_that_changed(name: str, bundle: Path) -> None:
    data = bytearray((bundle / name).read_bytes())
    data[-1] ^= 1
    (bundle / name).write_bytes(bytes(data))
    done = run("check", bundle)
    assert (done.code, done.out) == (1, "")
    changed = "bytes 8192 to 9524 are not those that were written: " if name == "weights.safetensors" else ""
    assert done.err.startswith(f"{bundle}: {name}: {changed}expected SHA-256 ")
    located = [line for line in done.err.split("\n") if line.startswith(f"{bundle}: README.md, line ")]
    assert len(located) == (name == "README.md")
    assert done.err.count("\n") == 1 + len(located)


@pytest.mark.parametrize("name", ["README.md", "weights.safetensors"])
def test_check_names_the_file_that_is_missing(name: str, bundle: Path) -> None:
    (bundle / name).unlink()
    done = run("check", bundle)
    assert (done.code, done.out) == (1, "")
    assert f"{bundle}: {name}: is listed in SHA256SUMS, but missing. {REMEDY}\n" in done.err


REMEDY = "Fetch the bundle again; --no-verify reads it as it is."


def test_check_names_the_file_that_is_too_much(bundle: Path) -> None:
    (bundle / "extra.bin").write_bytes(b"?")
    assert run("check", bundle) == Outcome(1, "", f"{bundle}: extra.bin: is not in SHA256SUMS.\n")


def test_check_says_which_line_of_the_digests_is_none(bundle: Path) -> None:
    with (bundle / "SHA256SUMS").open("a") as sums:
        sums.write("gibberish\n")
    reason = f"{bundle}: SHA256SUMS: expected digest and name, got 'gibberish'. {REMEDY}\n"
    assert run("check", bundle) == Outcome(1, "", reason)


def test_check_as_json_lists_the_problems(bundle: Path) -> None:
    (bundle / "extra.bin").write_bytes(b"?")
    done = run("check", bundle, "--json")
    assert done.code == 1
    assert json.loads(done.out) == {
        "bundle": str(bundle),
        "problems": [{"where": f"{bundle}: extra.bin", "what": "is not in SHA256SUMS", "remedy": ""}],
    }


def test_check_of_something_else_is_refused() -> None:
    why = "expected a bundle: a folder with manifest.json, or its zip. irconv convert makes one of any model."
    reason = f"{CNN.model}: {why}\n"
    assert run("check", CNN.model) == Outcome(3, "", reason)


def test_a_manifest_of_a_newer_major_is_refused_with_what_reads_it(bundle: Path, tmp_path: Path) -> None:
    edited(bundle / "manifest.json", lambda data: {**data, "format": "7.3"})
    sealed(bundle)
    reason = f"{bundle}: manifest.json: expected format 1.3 or older, got 7.3. Read it with irconv 7.0 or newer.\n"
    assert run("convert", bundle, tmp_path / "m.onnx") == Outcome(3, "", reason)
    assert not (tmp_path / "m.onnx").exists()
    assert reason in run("check", bundle).err


# run --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", ["numpy", "onnxruntime"])
def test_run_predicts_what_the_framework_predicted(runtime: str, tmp_path: Path) -> None:
    output = tmp_path / "y.npy"
    done = run("run", CNN.model, "--input", CNN.folder / "x_0.npy", "--output", output, "--runtime", runtime)
    assert done == Outcome(0, f"wrote {output}\n", "dense: float32 (2, 7)\n")
    assert error([np.load(output)], CNN.outputs) < GOLDEN_ERROR


@pytest.mark.parametrize("named", [True, False])
def test_run_takes_several_inputs_by_name_or_in_order(named: bool, tmp_path: Path) -> None:
    files = [("large", TWO.folder / "x_0.npy"), ("small", TWO.folder / "x_1.npy")]
    given = [f"{name}={file}" for name, file in reversed(files)] if named else [str(file) for _, file in files]
    arguments = [part for text in given for part in ("--input", text)]
    assert run("run", TWO.model, *arguments, "--output", tmp_path / "y.npz").code == 0
    with np.load(tmp_path / "y.npz") as found:
        assert error([found["vector"], found["spatial"]], TWO.outputs) < GOLDEN_ERROR


def test_run_takes_channels_first_arrays_on_request(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", CNN.inputs[0].transpose(0, 3, 1, 2))
    flags = ["--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy", "--io", "native"]
    assert run("run", CNN.model, *flags).code == 0
    assert error([np.load(tmp_path / "y.npy")], CNN.outputs) < GOLDEN_ERROR


def test_run_says_which_shape_it_expected(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 11, 8), np.float32))
    done = run("run", CNN.model, "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy")
    assert done == Outcome(
        3,
        "",
        "input input_1: expected shape ('N', 11, 8, 3) (NHWC), got (2, 3, 11, 8). Inputs have the source's axes; "
        "give --io native for channels-first ones, or the other way round.\n",
    )
    assert not (tmp_path / "y.npy").exists()


def test_run_names_inputs_that_are_missing_and_unknown_at_once(tmp_path: Path) -> None:
    done = run("run", CNN.model, "--input", f"other={CNN.folder / 'x_0.npy'}", "--output", tmp_path / "y.npy")
    assert done.code == 3
    assert "input input_1: expected an array, got none.\n" in done.err
    assert "input other: expected one of input_1.\n" in done.err


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("y.txt", "{path}: expected a name that ends in .npy or .npz."),
        ("y.npy", "{path}: the model has 2 outputs: vector, spatial. Give a .npz."),
        ("no/y.npz", "{path}: the folder {folder} does not exist. Make it first."),
    ],
)
def test_run_refuses_an_output_that_cannot_hold_the_results(output: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / output
    inputs = ["--input", TWO.folder / "x_0.npy", "--input", TWO.folder / "x_1.npy"]
    done = run("run", TWO.model, *inputs, "--output", path)
    assert done == Outcome(3, "", reason.format(path=path, folder=path.parent) + "\n")
    assert list(tmp_path.iterdir()) == []


def test_run_replaces_an_output_only_by_force(tmp_path: Path) -> None:
    output = tmp_path / "y.npy"
    output.write_bytes(b"old")
    arguments = ["run", CNN.model, "--input", CNN.folder / "x_0.npy", "--output", output]
    assert run(*arguments) == Outcome(3, "", f"{output}: exists already. Give --force to replace it.\n")
    assert output.read_bytes() == b"old"
    assert run(*arguments, "--force").code == 0
    assert np.load(output).shape == (2, 7)


def test_run_refuses_names_for_some_inputs_only(tmp_path: Path) -> None:
    inputs = ["--input", f"large={TWO.folder / 'x_0.npy'}", "--input", TWO.folder / "x_1.npy"]
    done = run("run", TWO.model, *inputs, "--output", tmp_path / "y.npz")
    reason = "--input: expected a name for every input or for none. Give NAME=X.npy for each.\n"
    assert done == Outcome(3, "", reason)


def test_run_refuses_an_input_that_is_pickled(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], object), allow_pickle=True)
    done = run("run", CNN.model, "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith(f"{tmp_path / 'x.npy'}: expected a .npy file of numbers, got ")


def test_a_command_spelt_nearly_right_is_asked_back(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["chek", "m.irconv"])
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == "Error: No such command 'chek'. Did you mean 'check'?"
    assert "Did you mean" not in CliRunner().invoke(main, ["zzz"]).stderr


def test_help_says_whole_sentences_and_has_sections() -> None:
    commands = CliRunner().invoke(main, ["--help"]).stdout
    assert "..." not in commands.partition("Commands:")[2]
    sections = CliRunner().invoke(main, ["convert", "--help"]).stdout
    own, _, rest = sections.partition("How the source is read:")
    assert "--opset" in own
    assert "--arch" in rest.partition("Of every command:")[0]
    assert "--json" in rest.partition("Of every command:")[2]


def test_run_prints_what_is_predicted_where_no_file_is_named(tmp_path: Path) -> None:
    case = lenet("keras2.2.4-lenet4-h5")
    done = CliRunner().invoke(main, ["run", str(case.model), "--input", str(case.model.parent / "x_0.npy")])
    assert done.exit_code == 0, done.output
    numbers = np.array(done.stdout.replace("[", " ").replace("]", " ").split(), np.float32).reshape(2, 10)
    np.testing.assert_allclose(numbers, np.load(case.model.parent / "y_0.npy"), atol=1e-5)
    assert done.stderr == "activation_1: float32 (2, 10)\n"


def test_a_table_in_a_pipe_has_a_line_for_each_row() -> None:
    lines = CliRunner().invoke(main, ["formats"]).stdout.splitlines()
    (line,) = [line for line in lines if line.startswith("huggingface ")]
    assert line.endswith("model card")
    assert [line for line in lines if line != line.rstrip()] == []
