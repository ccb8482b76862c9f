"""Graphs of TensorFlow run in TensorFlow itself, and only where nothing in them reaches beyond numbers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import irconv
from irconv.cli import main
from irconv.errors import MissingFact
from irconv.options import ReadOptions
from irconv.pipeline.judging import side as side_of
from irconv.verification import runtimes
from irconv.verification.check import Request, check
from irconv.verification.compare import difference
from irconv.verification.domains import domains
from irconv.verification.process import Processes
from irconv.verification.sides import Given, opened
from tests.helpers import ROOT, rejection

TENSORFLOW = ROOT / "fixtures" / "tensorflow"
RUNNING = TENSORFLOW / "running" / "model.ckpt.index"
EXPORTED = TENSORFLOW / "exported"


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with Processes() as found:
        yield found


def given(path: Path, **options: Any) -> Given:
    return side_of(path, ReadOptions(**options))


def node(name: str, operation: str, *inputs: str, **attributes: str) -> str:
    """A node of a graph, as text."""
    taken = "".join(f' input: "{one}"' for one in inputs)
    said = "".join(f' attr {{ key: "{key}" value {{ {value} }} }}' for key, value in attributes.items())
    return f'node {{ name: "{name}" op: "{operation}"{taken}{said} }}\n'


FLOAT = "type: DT_FLOAT"
X = node("x", "Placeholder", dtype=FLOAT, shape="shape { dim { size: 2 } dim { size: 3 } }")
NAME = node("name", "Const", dtype="type: DT_STRING", value='tensor { dtype: DT_STRING string_val: "/etc/hostname" }')
Y = node("y", "Tanh", "x", T=FLOAT)


def graph(path: Path, *nodes: str) -> Path:
    """A graph of TensorFlow in a file."""
    path.write_text("".join(nodes))
    return path


# what runs --------------------------------------------------------------------------------------------------------


def test_a_network_as_it_is_trained_runs_with_its_switches_off(processes: Processes) -> None:
    side = opened(given(RUNNING, outputs=("y",)), processes, 0)
    assert (side.loaded.name, side.own, side.notes) == ("tensorflow", True, ())
    assert [(slot.name, slot.shape) for slot in side.inputs] == [("x", ("N", 7, 3)), ("lengths", ("N",))]
    values = np.load(TENSORFLOW / "running" / "values.npz")
    predicted = side.loaded.run([values["x"], values["lengths"]])
    assert difference(values["y"], predicted[0]).relative < 1e-6


def test_a_switch_of_training_is_what_the_user_says(processes: Processes) -> None:
    values = np.load(TENSORFLOW / "running" / "values.npz")
    results = []
    for value in ("false", "true"):
        side = opened(given(RUNNING, outputs=("bn/batchnorm/add_1",), fix=(f"is_training={value}",)), processes, 0)
        assert side.own
        results += side.loaded.run([values["x"]])
    assert difference(*results).relative > 1e-2


@pytest.mark.parametrize("ema", [False, True])
def test_moving_averages_take_the_place_of_variables_where_they_are_asked_for(
    ema: bool, processes: Processes, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"outputs": ("net/y:0",), "inputs": ("x:0",), "ema": ema}
    source = TENSORFLOW / "training" / "adam.ckpt.index"
    side = opened(given(source, **options), processes, 0)
    assert (side.own, side.notes) == (True, ())
    values = np.load(TENSORFLOW / "training" / "values.npz")
    (predicted,) = side.loaded.run([values["adam:x"]])
    assert (difference(values["adam:y"], predicted).relative < 1e-6) == (not ema)
    irconv.convert(source, tmp_path / "m.onnx", ReadOptions(**options))
    assert check(given(source, **options), given(tmp_path / "m.onnx"), Request(seeds=1), processes).agree


def test_where_a_dropout_is_on_tensorflow_is_not_asked(processes: Processes) -> None:
    side = opened(given(RUNNING, outputs=("drop/cond/dropout/mul_1",)), processes, 0)
    assert not side.own
    assert "tensorflow could not load it: ValueError: it draws random numbers" in side.notes[0]


def test_lengths_of_sequences_fit_the_sequences(processes: Processes, tmp_path: Path) -> None:
    options = ReadOptions(outputs=("y",))
    found = domains(irconv.read(RUNNING, options))["lengths"]
    assert (found.lengths, found.bound) == (True, 8)
    irconv.convert(RUNNING, tmp_path / "m.onnx", options)
    report = check(given(RUNNING, outputs=("y",)), given(tmp_path / "m.onnx"), Request(), processes)
    assert report.agree
    assert report.a.own
    assert [output.name for output in report.outputs[:1]] == ["y"]


@pytest.mark.parametrize(("signature", "key"), [("serving_default", "y"), ("second", "second")])
def test_a_signature_of_a_saved_model_runs(signature: str, key: str, processes: Processes) -> None:
    side = opened(given(EXPORTED, signature=signature), processes, 0)
    assert (side.own, side.notes) == (True, ())
    values = np.load(EXPORTED / "values.npz")
    assert difference(values[key], side.loaded.run([values["x"]])[0]).relative < 1e-6


def test_the_layers_of_a_graph_that_irconv_misreads_are_tensorflows(processes: Processes, tmp_path: Path) -> None:
    source = graph(tmp_path / "a.pbtxt", X, Y, node("z", "Relu", "y", T=FLOAT))
    irconv.convert(source, tmp_path / "b.onnx")
    a = given(source)
    assert a.bundle is not None
    wrong = graph(tmp_path / "wrong.pbtxt", source.read_text().replace('"Tanh"', '"Sigmoid"'))
    misread = Given(a.path, irconv.read(wrong), "", a.reader, a.options)
    report = check(misread, given(tmp_path / "b.onnx"), Request(layers=True), processes)
    assert report.agree
    assert report.layers is not None
    assert [row.value for row in report.layers.rows] == ["y:0", "z:0"]
    assert "irconv reads another function than tensorflow" in report.warnings[-1]


def test_a_conversion_of_a_graph_is_checked_against_tensorflow(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["convert", str(EXPORTED), str(tmp_path / "m.onnx"), "--verify"])
    assert done.exit_code == 0, done.output
    assert "checked: onnxruntime agrees with tensorflow 2." in done.stdout


# what does not ----------------------------------------------------------------------------------------------------

STRING = "type: DT_STRING"
READS = node("bytes", "ReadFile", "name")
RESTORED = node(
    *("v", "RestoreV2", "name", "name", "name"), dtypes="list { type: DT_FLOAT }"
)  # of a file that the graph names
ADDED = node("y", "AddV2", "x", "v", T=FLOAT)
NUMBERS = node("v", "StringToNumber", "bytes", out_type=FLOAT)
PYTHON = node("v", "PyFunc", "x", token='s: "pyfunc_0"', Tin="list { type: DT_FLOAT }", Tout="list { type: DT_FLOAT }")
PRINTS = node("say", "PrintV2", "name", output_stream='s: "file:///tmp/irconv-never"')
UNKNOWN = node("v", "OwnOp", "x", T=FLOAT)


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ((X, NAME, READS, NUMBERS, ADDED), "bytes (ReadFile) may touch files or Python"),
        ((X, NAME, node("w", "WriteFile", "name", "name"), Y.replace('"x"', '"x" input: "^w"')), "w (WriteFile) may"),
        ((X, PYTHON, ADDED), "v (PyFunc) may touch files, Python or what other runs keep"),
        ((X, NAME, RESTORED, ADDED), "v (RestoreV2) reads a file of its own"),
        ((X, NAME, PRINTS, Y.replace('"x"', '"x" input: "^say"')), "say (PrintV2) may touch files"),
        ((X, UNKNOWN, ADDED), "v (OwnOp) is no operation of this TensorFlow"),
        ((X, node("v", "Abort"), Y.replace('"x"', '"x" input: "^v"')), "v (Abort) may touch files or Python"),
    ],
    ids=["read", "write", "python", "restore", "print", "unknown", "abort"],
)
def test_operations_that_reach_beyond_numbers_are_refused_before_the_graph_is_loaded(
    nodes: tuple[str, ...], reason: str, processes: Processes, tmp_path: Path
) -> None:
    source = graph(tmp_path / "g.pbtxt", *nodes)
    side = given(source, outputs=("y",)) if "^" in nodes[-1] else given(source)
    if side.bundle is None:
        assert reason in rejection(lambda: opened(side, processes, 0), MissingFact)
    else:  # irconv does not carry over what nothing is made of
        found = opened(side, processes, 0)
        assert not found.own
        assert reason in found.notes[0]


def test_what_a_function_hides_is_found(processes: Processes, tmp_path: Path) -> None:
    body = """library { function { signature { name: "inner"
        input_arg { name: "x" type: DT_FLOAT } output_arg { name: "y" type: DT_FLOAT } }
        node_def { name: "p" op: "PyFuncStateless" input: "x" attr { key: "token" value { s: "a" } }
          attr { key: "Tin" value { list { type: DT_FLOAT } } } attr { key: "Tout" value { list { type: DT_FLOAT } } } }
        ret { key: "y" value: "p:output:0" } } }\n"""
    types = "list { type: DT_FLOAT }"
    call = node("y", "PartitionedCall", "x", f='func { name: "inner" }', Tin=types, Tout=types)
    side = given(graph(tmp_path / "g.pbtxt", X, call, body))
    text = rejection(lambda: opened(side, processes, 0), MissingFact)
    assert "p (PyFuncStateless) may touch files or Python" in text


def test_operations_that_the_outputs_do_not_need_are_not_given_to_tensorflow(
    processes: Processes, tmp_path: Path
) -> None:
    side = opened(given(graph(tmp_path / "g.pbtxt", X, NAME, READS, Y), outputs=("y",)), processes, 0)
    assert side.own
    x = np.ones((2, 3), np.float32)
    assert difference(np.tanh(x), side.loaded.run([x])[0]).relative < 1e-6


def test_a_graph_without_its_variables_is_refused(processes: Processes, tmp_path: Path) -> None:
    shutil.copy(RUNNING.with_suffix(".meta"), tmp_path / "model.ckpt.meta")
    side = given(tmp_path / "model.ckpt.meta")
    text = rejection(lambda: opened(side, processes, 0), MissingFact)
    assert text


def test_the_pythons_that_are_named_for_tensorflow_1_come_first(
    monkeypatch: pytest.MonkeyPatch, processes: Processes
) -> None:
    monkeypatch.setenv("IRCONV_TENSORFLOW1_PYTHON", "no-such-python")
    side = opened(given(RUNNING, outputs=("y",)), processes, 0)
    assert side.own
    assert "tensorflow (no-such-python) could not load it" in side.notes[0]
    assert opened(given(EXPORTED), processes, 0).notes == ()
    done = CliRunner().invoke(main, ["formats"], env={"COLUMNS": "300"})
    assert "tensorflow (IRCONV_TENSORFLOW1_PYTHON no-such-python" in done.stdout


# what is written ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".pb", ".savedmodel", ".ckpt"])
def test_what_is_written_for_tensorflow_is_run_by_tensorflow(suffix: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["convert", str(EXPORTED), str(tmp_path / f"m{suffix}"), "--verify"])
    assert done.exit_code == 0, done.output
    assert "checked: tensorflow and onnxruntime agree with tensorflow 2." in done.stdout


def test_where_tensorflow_is_not_installed_its_files_run_as_they_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = runtimes.find_spec
    monkeypatch.setattr(runtimes, "find_spec", lambda name: kept(name) if name == "onnx" else None)
    done = CliRunner().invoke(main, ["convert", str(EXPORTED), str(tmp_path / "m.pb"), "--verify"])
    assert done.exit_code == 0, done.output
    assert f"note: {EXPORTED}: tensorflow is not installed" in done.stderr
    assert f"note: {tmp_path / 'm.pb'}: tensorflow is not installed" in done.stderr
    assert "checked: numpy agrees with irconv's reading in numpy" in done.stdout
