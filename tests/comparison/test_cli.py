"""`irconv diff` on the command line: exit codes, tables, JSON and the flags for either side."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result
from rich.console import Console

import irconv
from irconv.cli import main
from irconv.report.diff import print_report
from tests.comparison.pairs import RESIDUAL, as_safetensors, compared, network, with_layer, with_tensor
from tests.helpers import Array, lenet


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["diff", *map(str, arguments)])


def shown(*arguments: object, **options: object) -> str:
    """What `print_report` prints of a comparison."""
    console = Console(width=100, record=True, file=StringIO())
    print_report(*arguments, console=console, **options)  # type: ignore[arg-type]
    return console.export_text()


def test_the_exit_code_says_same_different_wrong_usage_or_refused(tmp_path: Path) -> None:
    same = as_safetensors(RESIDUAL, tmp_path)
    other = as_safetensors(RESIDUAL, tmp_path / "2", lambda arrays: arrays.pop("dense.bias"))
    assert run(RESIDUAL, same).exit_code == 0
    assert run(RESIDUAL, other).exit_code == 1
    assert run(RESIDUAL, other, "--ignore", "missing").exit_code == 0
    assert run(RESIDUAL).exit_code == 2
    assert run(RESIDUAL, same, "--force").exit_code == 2
    assert run(RESIDUAL, same, "--all", "--json").exit_code == 2
    assert run(RESIDUAL, same, "--ignore", "colour").exit_code == 2
    assert run(RESIDUAL, same, "--rtol", "-1").exit_code == 2


def test_what_cannot_be_read_is_refused_on_both_sides_at_once(tmp_path: Path) -> None:
    (tmp_path / "no.model").write_bytes(b"nothing")
    found = run(tmp_path / "no.model", tmp_path / "missing.h5")
    assert found.exit_code == 3
    first, second = found.stderr.splitlines()
    assert first.startswith(f"{tmp_path / 'no.model'}: no reader recognises its content.")
    assert second == f"{tmp_path / 'missing.h5'}: there is no such file or folder."


def test_json_has_every_tensor_and_layer_under_a_status(tmp_path: Path) -> None:
    def change(arrays: dict[str, Array]) -> None:
        arrays["dense.weight"][1, 2] = np.nan

    found = run(RESIDUAL, as_safetensors(RESIDUAL, tmp_path, change), "--json")
    document = json.loads(found.stdout)
    assert (found.exit_code, document["format"], document["same"]) == (1, "irconv-diff/1", False)
    assert document["a"]["graph"] is True
    assert document["b"]["graph"] is False
    listed = {entry["a"]["name"] for entry in document["tensors"] if entry["a"]}
    assert listed == set(irconv.read(RESIDUAL).tensors)
    (kernel,) = (entry for entry in document["tensors"] if entry["status"] == ["changed"])
    assert kernel["b"] == {"name": "dense.weight", "native": "dense.weight", "dtype": "float32", "shape": [4, 7]}
    assert kernel["difference"]["values"][1] == "nan"
    assert kernel["difference"]["at"] == [1, 2]
    assert {tuple(layer["status"]) for layer in document["layers"]} == {("uncompared",)}
    assert [module["verdict"] for module in document["modules"] if module["path"] == ["dense"]] == ["fine-tuned"]


def test_either_side_takes_the_flags_of_reading(tmp_path: Path) -> None:
    weights, model = lenet("keras2.2.4-lenet4-weights-h5"), lenet("keras2.2.4-lenet4-h5")
    arch = weights.folder / "model.json"
    assert run(model.model, weights.model, "--b", f"--arch {arch}").exit_code == 0
    found = run(model.model, weights.model, "--b", "--nosuch 3")
    assert (found.exit_code, "--nosuch" in found.stderr) == (2, True)
    found = run(model.model, weights.model, "--a", "--key state_dict")
    assert found.exit_code == 3
    assert "--key" in found.stderr


def test_weights_without_a_model_are_compared_in_the_layout_of_the_models_file() -> None:
    weights, model = lenet("keras2.2.4-lenet4-weights-h5"), lenet("keras2.2.4-lenet4-h5")
    assert run(model.model, weights.model).exit_code == 0


def test_the_page_is_written_beside_what_is_printed(tmp_path: Path) -> None:
    found = run(RESIDUAL, as_safetensors(RESIDUAL, tmp_path), "--html", tmp_path / "page.html")
    assert found.exit_code == 0
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert run(RESIDUAL, RESIDUAL, "--html", tmp_path / "page.html").exit_code == 3


def test_the_table_says_what_happened_to_modules_tensors_and_layers() -> None:
    second = with_tensor(with_layer(network(), "norm", epsilon=0.5), "fc2.kernel", lambda w: w.T)
    text = shown(compared(network(), second).report)
    lines = [line.split() for line in text.splitlines()]
    assert "different: 1 tensor changed, 1 layer changed" in text
    assert ["conv,", "norm,", "after", "and", "1", "more", "frozen"] in lines or "frozen" in text
    assert any(line[:3] == ["changed", "fc2.kernel", "11x11"] for line in lines)
    assert "fc2.kernel: the second is the first transposed" in text
    assert ["changed", "norm", "BatchNorm", "epsilon:", "0.001", "->", "0.5"] in lines


def test_what_is_the_same_takes_one_line() -> None:
    text = shown(compared(network(), network()).report)
    assert "the same: 12 tensors" in text
    assert len(text.splitlines()) == 3


def test_names_cannot_write_to_the_terminal() -> None:
    names = {"fc2": "fc2\x1b[2J\r[red]x[/red]"}
    second = with_tensor(network(names=names), f"{names['fc2']}.kernel", lambda w: w + np.float32(1))
    text = shown(compared(network(names=names), second).report)
    assert "\x1b" not in text
    assert "fc2\\x1b[2J\\r[red]x[/red].kernel" in text.replace("\n", "")


def test_comparing_loads_no_framework() -> None:
    code = (
        "import json, sys\nfrom irconv import api\n"
        f"assert api.diff({str(RESIDUAL)!r}, {str(RESIDUAL)!r}).same\n"
        "print(sorted({'torch', 'tensorflow', 'keras', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
