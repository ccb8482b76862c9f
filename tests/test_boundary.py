"""Nothing but an IrconvError leaves the API, and every end of a command has its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import irconv
from irconv.boundary import bounded, within
from irconv.cli import main
from irconv.errors import DamagedFile, Fault, MissingFact, Refused
from irconv.ir.layers.activations import Relu
from irconv.ir.layers.convolution import Linear
from irconv.options import ReadOptions
from irconv.pipeline import reading
from tests.helpers import ROOT, Builder, golden, numbers, rejection


def bundle(path: Path) -> Path:
    irconv.write(Builder(x=("N", 3)).add("r", Relu(), "x").build(), path)
    return path


def broken(*_: object, **__: object) -> object:
    raise KeyError("kernel\x1b")


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "existing", broken)


def test_a_fault_is_an_irconv_error_with_its_cause(fault: None) -> None:
    with pytest.raises(Fault, match=r"test_boundary.py, line \d+: KeyError: 'kernel") as raised:
        irconv.read("m.h5")
    assert isinstance(raised.value.__cause__, KeyError)


@pytest.mark.usefixtures("fault")
def test_a_fault_ends_with_70_and_asks_for_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["irconv", "inspect", "a b.h5"])
    result = CliRunner().invoke(main, ["inspect", "a b.h5"])
    (report,) = tmp_path.glob("irconv-*.txt")
    assert result.exit_code == 70
    line = broken.__code__.co_firstlineno + 1
    assert result.output == (
        f"irconv {irconv.__version__} has a fault (test_boundary.py, line {line}: KeyError: 'kernel\\x1b'). "
        f"Please report it with the traceback in {report}: irconv inspect 'a b.h5'\n"
    )
    assert report.read_text().startswith("Traceback (most recent call last):\n")
    assert "in broken\n" in report.read_text()


@pytest.mark.usefixtures("fault")
def test_the_traceback_of_a_fault_is_printed_where_it_is_asked_for(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["inspect", "m.h5", "--traceback"], env={"TMPDIR": str(tmp_path)})
    assert result.exit_code == 70
    assert result.output.startswith("Traceback (most recent call last):\n")
    assert "Please report it with the traceback above: " in result.output.splitlines()[-1]


def test_a_fault_outside_the_api_is_one_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("irconv.report.inspect.print_bundle", broken)
    assert CliRunner().invoke(main, ["inspect", str(bundle(tmp_path / "m.irconv")), "--traceback"]).exit_code == 70


def test_what_the_system_says_is_no_fault() -> None:
    assert str(within(MemoryError())) == "model: takes more memory than there is."
    assert str(within(RecursionError())) == "model: is nested deeper than irconv can follow."
    assert type(within(PermissionError(13, "Permission denied", "m.h5"))) is DamagedFile
    assert str(within(PermissionError(13, "Permission denied", "m.h5"))) == "m.h5: cannot be read: Permission denied."


def test_an_error_of_irconv_is_left_as_it_is() -> None:
    @bounded
    def refusing() -> None:
        raise Refused("layer a", "is odd")

    assert rejection(refusing, Refused) == "layer a: is odd."


@pytest.mark.parametrize(
    ("text", "line", "raised"),
    [
        ("x = 1\nraise KeyError('no')", 2, "KeyError: 'no'"),
        ("import sys\nsys.exit(0)", 2, "SystemExit: 0"),
        ("x = (", 1, "SyntaxError: '(' was never closed (plugin.py, line 1)"),
        ("def f():\n    return 1 / 0\n\nf()", 2, "ZeroDivisionError: division by zero"),
    ],
)
def test_a_plugin_that_raises_is_refused_with_its_line(text: str, line: int, raised: str, tmp_path: Path) -> None:
    path = tmp_path / "plugin.py"
    path.write_text(text)
    model = golden("keras2.3.1-custom_layer").model
    message = rejection(lambda: irconv.read(model, ReadOptions(plugins=(path,))), Refused)
    assert message == f"--plugin {path}, line {line}: raised {raised}. Mend the plugin."


def test_a_rule_of_a_plugin_that_raises_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "plugin.py"
    example = (ROOT / "examples" / "scale_plugin.py").read_text()
    row = "\n\nclass Odd(Weight):\n    def decode(self, native, draft):\n        raise OSError\n"
    path.write_text(
        example.replace("\n\nCODECS =", f"{row}\n\nCODECS =").replace("            Weight(", "            Odd(")
    )
    line = path.read_text().splitlines().index("        raise OSError") + 1
    model = golden("keras2.3.1-custom_layer").model
    message = rejection(lambda: irconv.read(model, ReadOptions(plugins=(path,))), Refused)
    assert message == f"--plugin {path}, line {line}: raised OSError. Mend the plugin."


def ended(words: list[str], closed: str) -> int:
    """The exit code of a command, one of whose streams nobody reads."""
    read, write = os.pipe()
    os.close(read)
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, closed: write}
    code = "from irconv.cli import main; main(prog_name='irconv')"
    try:
        return subprocess.run([sys.executable, "-c", code, *words], check=False, **streams).returncode
    finally:
        os.close(write)


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_closed_pipe_changes_no_exit_code(closed: str, tmp_path: Path) -> None:
    path, other = bundle(tmp_path / "m.irconv"), tmp_path / "n.irconv"
    irconv.write(Builder(x=("N", 3)).add("f", Linear(), "x", kernel=numbers(3, 3)).build(), other)
    assert ended(["convert", str(path), str(tmp_path / "m.onnx")], closed) == 0
    assert (tmp_path / "m.onnx").is_file()
    assert ended(["inspect", str(path)], closed) == 0
    assert ended(["--help"], closed) == 0
    assert ended(["diff", str(path), str(other)], closed) == 1
    assert ended(["convert", str(path), str(tmp_path / "m.onnx")], closed) == 3


def test_every_command_has_the_flag() -> None:
    context = click.Context(main)
    commands = [main.get_command(context, name) for name in main.list_commands(context)]
    assert len(commands) > 8
    assert all(command and "--traceback" in command.params[-1].opts for command in commands)


def test_a_missing_plugin_is_still_a_missing_fact(tmp_path: Path) -> None:
    model = golden("keras2.3.1-custom_layer").model
    options = ReadOptions(plugins=(tmp_path / "none.py",))
    assert "expected a Python file that defines CODECS" in rejection(lambda: irconv.read(model, options), MissingFact)


def nested(depth: int, path: Path) -> Path:
    """A Keras model in a model, and so on; Keras 2 keeps all weights in one group."""
    model: dict[str, object] = {}
    for level in range(depth):
        name, inner = f"x{level}", "fc" if level == 0 else f"m{level - 1}"
        taken = {"name": name, "batch_input_shape": [None, 6], "dtype": "float32", "sparse": False}
        dense = {"name": "fc", "units": 5, "activation": "relu", "use_bias": True}
        entry = {"class_name": "Dense", "config": dense} if level == 0 else model
        layers = [
            {"class_name": "InputLayer", "name": name, "config": taken, "inbound_nodes": []},
            {**entry, "name": inner, "inbound_nodes": [[[name, 0, 0, {}]]]},
        ]
        ends = {"input_layers": [[name, 0, 0]], "output_layers": [[inner, 1 if level else 0, 0]]}
        model = {"class_name": "Model", "config": {"name": f"m{level}", "layers": layers, **ends}}
    with h5py.File(path, "w") as file:
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.2.4"
        file.attrs["model_config"] = json.dumps(model).encode()
        weights = file.create_group("model_weights")
        first = f"m{depth - 2}"
        weights.attrs["layer_names"] = [f"x{depth - 1}".encode(), first.encode()]
        weights.create_group(f"x{depth - 1}").attrs["weight_names"] = np.array([], "S1")
        weights.create_group(first).attrs["weight_names"] = [b"fc/kernel:0", b"fc/bias:0"]
        weights[f"{first}/fc/kernel:0"], weights[f"{first}/fc/bias:0"] = numbers(6, 5), numbers(5)
    return path


@pytest.mark.parametrize("target", ["m.onnx", "m.py", "m.irconv", "m.keras", "m.h5", "m.theano", "m.pt"])
def test_models_in_models_300_deep_are_read_and_written(target: str, tmp_path: Path) -> None:
    usual = sys.getrecursionlimit()
    irconv.convert(nested(300, tmp_path / "in.h5"), tmp_path / target)
    assert sys.getrecursionlimit() == usual


def test_lists_100000_deep_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.2.4"
        file.attrs["model_config"] = "[" * 60_000
    with pytest.raises(irconv.IrconvError):
        irconv.read(tmp_path / "m.h5")
