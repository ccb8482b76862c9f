"""The Python interface: read, write, convert, check and run, composed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

import irconv
from irconv import api
from irconv.errors import MissingFact, Refused, UnknownFormat, UnusedOption
from irconv.ir.layers.pooling import MaxPool
from irconv.ir.layers.tensor_ops import Add
from tests.helpers import GOLDEN_ERROR, Builder, error, golden, lenet, read_case, rejection, turned

CASE = golden("tf2.15-flatten_dense")
TWO = golden("tf2.15-two_inputs_two_outputs")


def test_paths_may_be_text_or_path(tmp_path: Path) -> None:
    irconv.write(irconv.read(str(CASE.model)), str(tmp_path / "m.onnx"))
    irconv.convert(CASE.model, tmp_path / "n.onnx")
    assert (tmp_path / "m.onnx").read_bytes() == (tmp_path / "n.onnx").read_bytes()


@pytest.mark.parametrize(
    ("name", "form", "files"),
    [
        ("m.irconv", "irconv", ["m.irconv"]),
        ("m.irconv.zip", "irconv", ["m.irconv.zip"]),
        ("m.onnx", "onnx", ["m.onnx"]),
        ("m.py", "torch-source", ["m.safetensors", "m.py"]),
        ("m.safetensors", "torch", ["m.safetensors"]),
    ],
)
def test_writing_says_what_it_wrote_data_first(name: str, form: str, files: list[str], tmp_path: Path) -> None:
    written = irconv.write(read_case(CASE), tmp_path / name)
    assert (written.format, [file.name for file in written.files]) == (form, files)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(files)
    assert [port.axes for port in written.inputs] == ["NCHW"]


def test_writing_with_the_sources_axes_says_so_but_an_archive_keeps_its_own_and_refuses(tmp_path: Path) -> None:
    options = irconv.WriteOptions(io="source")
    assert [port.axes for port in irconv.write(read_case(CASE), tmp_path / "m.onnx", options).inputs] == ["NHWC"]
    assert [port.axes for port in irconv.write(read_case(CASE), tmp_path / "m.irconv").inputs] == ["NCHW"]
    text = rejection(lambda: irconv.write(read_case(CASE), tmp_path / "n.irconv", options), UnusedOption)
    assert text == (
        "--io source: has no effect: what is written as irconv has no use for it. "
        "Leave it out; what has an effect here: --probe, --probe-input, --probe-output, --meta."
    )


def test_progress_is_told_up_to_the_last_byte(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    irconv.write(read_case(CASE), tmp_path / "m.onnx", progress=lambda done, total: seen.append((done, total)))
    assert seen
    assert seen[-1][0] == seen[-1][1] > 0


@pytest.mark.parametrize("io", ["native", "source"])
@pytest.mark.parametrize("runtime", ["numpy", "onnxruntime", None])
def test_a_model_is_run_by_port_name_or_in_order(io: str, runtime: api.Runtime | None) -> None:
    bundle = read_case(TWO)
    assert bundle.graph is not None
    inputs = TWO.inputs if io == "source" else turned(TWO.inputs, bundle.graph.inputs, "native")
    wanted = TWO.outputs if io == "source" else turned(TWO.outputs, bundle.graph.outputs, "native")
    named = {"small": inputs[1], "large": inputs[0]}
    for given in (inputs, named):
        got = irconv.run(bundle, given, runtime, io)  # type: ignore[arg-type]
        assert list(got) == ["vector", "spatial"]
        assert error(list(got.values()), wanted) < GOLDEN_ERROR


def test_a_model_is_run_from_its_file_or_its_archive(tmp_path: Path) -> None:
    irconv.convert(CASE.model, tmp_path / "m.irconv.zip")
    for model in (CASE.model, tmp_path / "m.irconv.zip", str(CASE.model), read_case(CASE)):
        got = irconv.run(model, CASE.inputs, runtime="numpy")
        assert error(list(got.values()), CASE.outputs) < GOLDEN_ERROR


def test_any_batch_size_is_run() -> None:
    one = irconv.run(read_case(CASE), [CASE.inputs[0][:1]], runtime="numpy")["dense"]
    many = irconv.run(read_case(CASE), [np.concatenate([CASE.inputs[0]] * 3)], runtime="numpy")["dense"]
    assert (one.shape, many.shape) == ((1, 7), (6, 7))
    assert error([many[:1]], [one]) < GOLDEN_ERROR


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: irconv.run(read_case(TWO), TWO.inputs[:1]), "inputs: expected 2 (large, small), got 1."),
        (lambda: irconv.run(read_case(TWO), {"large": TWO.inputs[0]}), "input small: expected an array, got none."),
        (
            lambda: irconv.run(read_case(CASE), [CASE.inputs[0][0]]),
            "input input_1: expected shape ('N', 11, 8, 3) (NHWC), got (11, 8, 3). Inputs have the source's axes; "
            "give --io native for channels-first ones, or the other way round.",
        ),
        (
            lambda: irconv.run(read_case(lenet("keras2.2.4-lenet4-weights-h5")), []),
            "weights.h5: holds weights without a graph, which cannot be run. Read the model's own file.",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_refused(call: Callable[[], object], reason: str) -> None:
    assert rejection(call, MissingFact) == reason


def test_open_sizes_that_inputs_contradict_are_refused() -> None:
    model = Builder(a=("N", 3), b=("N", 3)).add("sum", Add(), "a", "b").build()
    said = rejection(lambda: irconv.run(model, [np.zeros((2, 3)), np.zeros((4, 3))], runtime="numpy"), MissingFact)
    assert said == "input b: expected N to be 2, got 4."


@pytest.mark.parametrize("runtime", ["numpy", "onnxruntime"])
def test_inputs_smaller_than_a_window_are_refused_by_layer(runtime: Literal["numpy", "onnxruntime"]) -> None:
    pool = MaxPool(kernel=(3,), stride=(1,), dilation=(1,), padding=((0, 0),), ceil_mode=False)
    model = Builder(x=(1, 2, "W")).add("pool", pool, "x").build()
    said = rejection(lambda: irconv.run(model, [np.zeros((1, 2, 2))], runtime), Refused)
    assert "pool" in said
    assert "a window of 3 does not fit in 2 with padding 0 and 0" in said


def test_a_missing_runtime_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    text = rejection(lambda: irconv.run(read_case(CASE), CASE.inputs, runtime="onnxruntime"), MissingFact)
    assert text == "onnxruntime: is not installed. pip install 'irconv[onnxruntime]', or give --runtime numpy."


@pytest.mark.parametrize("path", ["nowhere.h5", "no/where.irconv"])
def test_a_missing_source_is_refused_by_name(path: str, tmp_path: Path) -> None:
    for call in (irconv.read, irconv.check):
        text = rejection(lambda call=call: call(tmp_path / path), UnknownFormat)
        assert text == f"{tmp_path / path}: there is no such file or folder."


def test_a_bad_destination_and_a_bad_source_are_said_at_once(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.h5"
    text = rejection(lambda: irconv.convert(missing, tmp_path / "m.x"), Refused)
    assert "expected a name that ends in" in text
    assert "there is no such file" in text
    (tmp_path / "m.onnx").touch()
    text = rejection(lambda: irconv.convert(missing, tmp_path / "m.onnx"), Refused)
    assert "exists already" in text
    assert "there is no such file" in text


def test_check_finds_what_a_shape_breaks_and_what_a_digest_breaks_at_once(tmp_path: Path) -> None:
    irconv.convert(CASE.model, tmp_path / "m.irconv")
    path = tmp_path / "m.irconv" / "manifest.json"
    path.write_text(path.read_text().replace('"shape": [7, 315]', '"shape": [7, 316]', 1))
    places = [problem.where for problem in irconv.check(tmp_path / "m.irconv")]
    assert places[0] == f"{tmp_path / 'm.irconv'}: manifest.json"
    assert "tensors.dense.kernel" in places


def test_check_of_an_unreadable_manifest_is_a_problem_and_no_exception(tmp_path: Path) -> None:
    irconv.convert(CASE.model, tmp_path / "m.irconv")
    (tmp_path / "m.irconv" / "manifest.json").write_text("{")
    texts = [str(problem) for problem in irconv.check(tmp_path / "m.irconv")]
    assert texts[0].startswith(f"{tmp_path / 'm.irconv'}: manifest.json: expected SHA-256 ")
    assert texts[1].startswith(f"{tmp_path / 'm.irconv'}: manifest.json: expected JSON, got ")
