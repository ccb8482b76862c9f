"""Which runtime a side gets, what is said where it is not there, and what a process does with what goes wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import irconv
from irconv import api
from irconv.cli import main
from irconv.errors import Disagreement, MissingFact, UnusedOption
from irconv.options import ReadOptions, WriteOptions
from irconv.pipeline.judging import side as side_of
from irconv.verification import runtimes
from irconv.verification.check import Request, check
from irconv.verification.process import Processes, SideFailed
from irconv.verification.runtimes import RUNTIMES, Runtime
from irconv.verification.sides import Given, opened
from tests.helpers import LENET, edited, lenet, numbers, rejection
from tests.verification.pairs import CNN, RNN, graph, weight

THEANO = lenet("keras2.2.4th-lenet4-h5")
NOTHING = "holds weights without a graph, so that there is nothing to run"
TORCH = LENET.parent / "torch"


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with Processes() as found:
        yield found


@pytest.fixture
def core_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No runtime is installed but what irconv itself needs."""
    kept = runtimes.find_spec
    monkeypatch.setattr(runtimes, "find_spec", lambda name: kept(name) if name == "onnx" else None)


def given(path: Path, **options: Any) -> Given:
    return side_of(path, ReadOptions(**options))


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


# which runtime ----------------------------------------------------------------------------------------------------


def test_without_keras_its_file_runs_as_irconv_reads_it_and_the_report_says_so(
    core_alone: None, processes: Processes, tmp_path: Path
) -> None:
    irconv.convert(CNN, tmp_path / "m.onnx")
    report = check(given(CNN), given(tmp_path / "m.onnx"), Request(), processes)
    assert report.agree
    assert (report.a.words, report.b.words) == (
        f"irconv's reading in numpy {np.__version__}",
        f"numpy {np.__version__}",
    )
    assert list(report.warnings) == [
        f"{CNN}: keras is not installed",
        f"{tmp_path / 'm.onnx'}: onnxruntime is not installed",
    ]


def test_where_both_sides_run_as_irconv_reads_them_that_is_said(core_alone: None, processes: Processes) -> None:
    report = check(given(CNN), given(CNN), Request(seeds=1), processes)
    assert "a mistake in its reading of both would not show" in report.warnings[-1]


def test_a_python_file_without_its_framework_is_refused_with_what_to_do(
    core_alone: None, processes: Processes, tmp_path: Path
) -> None:
    irconv.convert(CNN, tmp_path / "m.py")
    irconv.convert(CNN, tmp_path / "m.theano")
    text = rejection(lambda: opened(given(tmp_path / "m.py"), processes, 1), MissingFact)
    assert text.splitlines()[0] == f"{tmp_path / 'm.py'}: torch is not installed. pip install 'irconv[torch]'."
    text = rejection(lambda: opened(given(tmp_path / "m.theano" / "model.py"), processes, 1), MissingFact)
    assert "theano is not installed. Name a Python that has it in IRCONV_THEANO_PYTHON." in text
    folder = opened(given(tmp_path / "m.theano"), processes, 1)  # nothing in it is run unless it is named
    assert not folder.own


def test_what_keras_on_theano_wrote_is_not_given_to_todays_keras(
    monkeypatch: pytest.MonkeyPatch, processes: Processes
) -> None:
    monkeypatch.delenv("IRCONV_KERAS_PYTHON", raising=False)
    side = opened(given(THEANO.model), processes, 0)
    assert not side.own
    assert "today's Keras reads what Keras 2.2.4 on theano wrote as another function" in side.notes[0]


def test_an_interpreter_that_is_not_there_is_noted_and_the_next_is_tried(
    monkeypatch: pytest.MonkeyPatch, processes: Processes
) -> None:
    monkeypatch.setenv("IRCONV_KERAS_PYTHON", "no-such-python")
    side = opened(given(THEANO.model), processes, 0)
    assert not side.own
    assert "keras (no-such-python) could not load it: no-such-python could not be started" in side.notes[0]


def test_a_pickle_of_pytorch_is_never_given_to_pytorch(processes: Processes) -> None:
    side = opened(given(TORCH / "chain-norms.pt", input_shape=("N,4,9,9",)), processes, 0)
    assert not side.own
    assert side.notes == (f"{TORCH / 'chain-norms.pt'}: is not given to PyTorch, which would run what it names",)


def test_weights_without_a_graph_cannot_be_run(processes: Processes) -> None:
    state = TORCH / "torch213-state.pt"
    assert rejection(lambda: opened(given(state), processes, 0), MissingFact).startswith(f"{state}: {NOTHING}.")
    text = rejection(lambda: check(given(CNN), given(state), Request(), processes), MissingFact)
    assert text.startswith(f"{state}: {NOTHING}. ")
    assert text.endswith(f", or compare the tensors: irconv diff {CNN} {state}")


def test_what_nobody_reads_is_refused_by_its_name(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    text = rejection(lambda: opened(given(tmp_path / "notes.txt"), processes, 0), MissingFact)
    assert text == f"{tmp_path / 'notes.txt'}: cannot be run: no reader recognises its content."


def test_a_file_read_as_another_function_runs_as_it_is_read(processes: Processes) -> None:
    side = opened(given(CNN, until=("fc1",)), processes, 0)
    assert not side.own
    assert "runs as irconv reads it with --until" in side.notes[0]


def test_facts_of_reading_are_refused_for_what_irconv_does_not_read(tmp_path: Path) -> None:
    irconv.convert(CNN, tmp_path / "m.py")
    text = rejection(lambda: given(tmp_path / "m.py", until=("fc1",)), UnusedOption)
    assert "irconv does not read" in text


def test_every_runtime_says_where_it_is_and_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRCONV_THEANO_PYTHON", "python-a:python-b")
    assert RUNTIMES["theano"].pythons()[:2] == ["python-a", "python-b"]
    assert RUNTIMES["theano"].found().startswith("IRCONV_THEANO_PYTHON python-a, python-b")
    assert RUNTIMES["numpy"].found() == f"{np.__version__} here"
    missing = Runtime("x", "x_side", "no_such_package", "x", "IRCONV_X_PYTHON", "x")
    assert (missing.installed, missing.found()) == (False, "")
    assert missing.remedy() == "pip install 'x', or name a Python that has it in IRCONV_X_PYTHON."


# processes --------------------------------------------------------------------------------------------------------


def test_what_a_framework_raises_becomes_one_line(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def load():\n    raise ValueError('one\\ntwo ' + 'x' * 1000)\n")
    with pytest.raises(SideFailed, match=r"ValueError: one two x+ \.\.\. x+") as raised:
        processes.get(sys.executable, "torch_side", 1).load(tmp_path / "m.py", {})
    assert len(str(raised.value)) < 500


def test_a_process_that_dies_is_told_from_one_that_refuses(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(
        "import os, sys\ndef load():\n    print('last words', flush=True)\n    os._exit(7)\n"
    )
    with Processes() as own:
        process = own.get(sys.executable, "torch_side", 1)
        with pytest.raises(SideFailed, match=r"its process ended \(exit code 7\): last words"):
            process.load(tmp_path / "m.py", {})
        assert not process.alive
        assert own.get(sys.executable, "torch_side", 1) is not process


def test_processes_end_with_what_started_them(tmp_path: Path) -> None:
    with Processes() as own:
        folder = own.folder
        process = own.get(sys.executable, "numpy_side", 0)
    assert not process.alive
    assert not folder.exists()


# agreement --------------------------------------------------------------------------------------------------------


def test_an_output_that_hardly_depends_on_the_input_is_noted(processes: Processes, tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        irconv.convert(CNN, tmp_path / name)
        weight("head.kernel", lambda array: array * np.float32(1e-6))(tmp_path / name)
    report = check(given(tmp_path / "a.onnx"), given(tmp_path / "b.onnx"), Request(), processes)
    assert report.agree
    assert "output head: hardly depends on the input (it varies by" in report.warnings[0]


def test_outputs_of_other_shapes_or_another_number_are_differences(processes: Processes, tmp_path: Path) -> None:
    irconv.convert(CNN, tmp_path / "a.onnx")
    irconv.convert(CNN, tmp_path / "b.onnx", ReadOptions(until=("fc1",)))
    irconv.convert(CNN, tmp_path / "c.onnx", ReadOptions(until=("head", "fc1")))
    report = check(given(tmp_path / "a.onnx"), given(tmp_path / "b.onnx"), Request(seeds=1), processes)
    assert not report.agree
    assert "has shape (3, 16) instead of (3, 5)" in str(report.problems()[0])
    report = check(given(tmp_path / "a.onnx"), given(tmp_path / "c.onnx"), Request(seeds=1), processes)
    assert not report.agree
    assert len(report.structure) == 1


def test_a_tolerance_is_taken_at_its_word(processes: Processes, tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        irconv.convert(CNN, tmp_path / name)
    weight("fc1.bias", lambda array: array + np.float32(1e-4))(tmp_path / "b.onnx")
    sides = given(tmp_path / "a.onnx"), given(tmp_path / "b.onnx")
    assert not check(*sides, Request(), processes).agree
    assert check(*sides, Request(tolerance=1e-2), processes).agree


def test_axes_that_the_shape_leaves_open_are_those_under_which_the_sides_agree(
    processes: Processes, tmp_path: Path
) -> None:
    irconv.convert(CNN, tmp_path / "a.onnx")
    irconv.convert(CNN, tmp_path / "b.onnx", write_options=WriteOptions(io="source"))

    def unsaid(graph: Any) -> None:
        for axis in graph.input[0].type.tensor_type.shape.dim[1:]:
            axis.dim_param = "any"

    graph(unsaid)(tmp_path / "b.onnx")
    report = check(given(tmp_path / "a.onnx"), given(tmp_path / "b.onnx"), Request(seeds=1), processes)
    assert report.agree


def test_inputs_that_a_side_cannot_take_are_refused(processes: Processes, tmp_path: Path) -> None:
    irconv.convert(CNN, tmp_path / "a.onnx")
    irconv.convert(RNN, tmp_path / "b.onnx")
    sides = given(tmp_path / "a.onnx"), given(tmp_path / "b.onnx")
    text = rejection(lambda: check(*sides, Request(), processes), MissingFact)
    assert text.endswith("no order of the axes makes it that.")


# the command line -------------------------------------------------------------------------------------------------


def test_the_command_line_says_what_it_found_by_text_and_exit_code(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx", "c.onnx"):
        irconv.convert(CNN, tmp_path / name)
    weight("conv2.kernel", lambda array: array[:, :, ::-1])(tmp_path / "c.onnx")
    done = run("verify", tmp_path / "a.onnx", tmp_path / "b.onnx")
    assert (done.exit_code, done.stdout.splitlines()[-1].rsplit(" agree", 1)[1]) == (0, " exactly")
    done = run("verify", tmp_path / "a.onnx", tmp_path / "c.onnx", "--seeds", 1)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == f"{tmp_path / 'a.onnx'} and {tmp_path / 'c.onnx'} differ"
    np.save(tmp_path / "x.npy", numbers(2, 3, 14, 12))
    done = run("verify", tmp_path / "a.onnx", tmp_path / "c.onnx", "--json", "--input", tmp_path / "x.npy")
    document = json.loads(done.stdout)
    assert (done.exit_code, document["agree"], len(document["outputs"])) == (1, False, 1)
    assert document["outputs"][0]["inputs"] == "given"
    assert document["max_abs"] == document["outputs"][0]["max_abs"] > 0
    done = run("verify", tmp_path / "a.onnx", tmp_path / "none.onnx")
    assert (done.exit_code, done.stderr) == (3, f"{tmp_path / 'none.onnx'}: there is no such file or folder.\n")


# convert --verify -------------------------------------------------------------------------------------------------


def test_a_conversion_is_checked_before_it_appears(core_alone: None, tmp_path: Path) -> None:
    done = run("convert", CNN, tmp_path / "m.onnx", "--verify")
    assert done.exit_code == 0
    numpy = f"numpy {np.__version__}"
    assert done.stdout.splitlines() == [
        f"wrote {tmp_path / 'm.onnx'}",
        f"checked: numpy agrees with irconv's reading in {numpy} exactly",
    ]
    assert f"note: {CNN}: keras is not installed" in done.stderr
    assert f"note: {tmp_path / 'm.onnx'}: onnxruntime is not installed" in done.stderr


def test_a_conversion_that_cannot_be_run_writes_nothing(core_alone: None, tmp_path: Path) -> None:
    for name, reason in (
        ("m.py", "m.py: torch is not installed. pip install 'irconv[torch]'.\n"),
        ("m.safetensors", "expected a format that can be run"),
    ):
        done = run("convert", CNN, tmp_path / name, "--verify")
        assert (done.exit_code, done.stdout) == (3, "")
        assert reason in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_report_goes_into_the_manifest(tmp_path: Path) -> None:
    irconv.convert(THEANO.model, tmp_path / "a.irconv")
    done = run("convert", tmp_path / "a.irconv", tmp_path / "m.irconv", "--verify", "--json")
    assert (done.exit_code, len(json.loads(done.stdout)["checked"])) == (0, 2)
    checks = irconv.read(tmp_path / "m.irconv").checks
    assert [check.runtime.split()[0] for check in checks] == ["onnxruntime", "torch"]
    assert all(check.relative < 2e-6 and check.source_as_read for check in checks)
    assert api.check(tmp_path / "m.irconv") == []
    edited(tmp_path / "m.irconv" / "manifest.json", lambda data: {**data, "checks": [{}]})
    assert api.check(tmp_path / "m.irconv") != []


def test_a_conversion_that_differs_leaves_nothing_and_says_by_how_much(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from irconv.frameworks.onnx import write

    def faulty(
        bundle: irconv.Bundle, output: Any, path: Path, options: WriteOptions, progress: Any = None
    ) -> list[Path]:
        made = kept(bundle, output, path, options, progress)
        if path.name == "m.onnx":  # and not what the source runs in
            weight("dense_1.kernel", lambda array: array * np.float32(1.01))(output.staged(path))
        return made

    kept = write.write
    irconv.convert(THEANO.model, tmp_path / "a.irconv")
    monkeypatch.setattr(write, "write", faulty)
    done = run("convert", tmp_path / "a.irconv", tmp_path / "m.onnx", "--verify")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "output activation_1: differs by" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.irconv"]
    with pytest.raises(Disagreement) as raised:
        irconv.convert(tmp_path / "a.irconv", tmp_path / "m.onnx", verify=True)
    assert not raised.value.reports[0].agree
