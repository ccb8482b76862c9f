"""The emitted source is what a person would write, and Python takes it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.ir.layers.activations import Relu, Tanh
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.tensor_ops import Add, Concat
from tests.helpers import GOLDEN, ROOT, Builder, Case, error, golden, import_file, in_torch, name_of, numbers, read_case


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_the_source_is_typed_python_with_a_class_and_a_load(case: Case, tmp_path: Path) -> None:
    irconv.write(read_case(case), tmp_path / "m.py")
    text = (tmp_path / "m.py").read_text()
    tree = ast.parse(text)
    (model,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
    (load,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "load")
    assert (model.name, [ast.unparse(base) for base in model.bases]) == ("Model", ["nn.Module"])
    assert load.returns is not None
    assert ast.get_docstring(tree).startswith("model.h5 (Keras ")
    assert ast.get_docstring(model).startswith("Takes ")
    many = ("def forward(", "return ")  # of a model with many outputs
    assert all(len(line) <= 120 or line.lstrip().startswith(many) for line in text.splitlines())
    assert not any(line.endswith(" ") for line in text.splitlines())


@pytest.mark.parametrize("case", GOLDEN, ids=name_of)
def test_the_source_imports_what_it_uses_and_nothing_else(case: Case, tmp_path: Path) -> None:
    irconv.write(read_case(case), tmp_path / "m.py")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F", str(tmp_path / "m.py")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "All checks passed!")


def test_a_readable_model_is_emitted(tmp_path: Path) -> None:
    irconv.write(read_case(golden("tf2.15-flatten_dense")), tmp_path / "m.py")
    text = (tmp_path / "m.py").read_text()
    for line in (
        "        self.conv2d = nn.Conv2d(3, 5, (3, 2))",
        "        self.dense = nn.Linear(315, 7)",
        "    def forward(self, x: Tensor) -> Tensor:",
    ):
        assert line in text.splitlines()


def test_the_weights_lie_beside_the_source_and_another_file_may_be_named(tmp_path: Path) -> None:
    case = golden("tf2.15-dense_2d")
    irconv.write(read_case(case), tmp_path / "m.py")
    (tmp_path / "m.safetensors").rename(tmp_path / "other.safetensors")
    module = import_file(tmp_path / "m.py")
    with pytest.raises(FileNotFoundError):
        module.load()
    assert not module.load(tmp_path / "other.safetensors").training


@pytest.mark.parametrize("name", ["forward", "class", "3x3", "a/b", "x", "torch", "Ünïcode", "self"])
def test_layers_of_any_name_are_written(name: str, tmp_path: Path) -> None:
    builder = Builder(x=("N", 5)).add(name if name != "x" else "x_", Linear(), "x", kernel=numbers(3, 5))
    builder.add("y", Tanh(), builder.nodes[-1].outputs["y"])
    irconv.write(builder.build(), tmp_path / "m.py")
    x = numbers(2, 5)
    assert error(in_torch(tmp_path / "m.py", [x]), [np.tanh(x @ numbers(3, 5).transpose())]) < 1e-6


def test_inputs_of_any_name_are_written(tmp_path: Path) -> None:
    builder = Builder(**{"class": ("N", 3), "a-b": ("N", 3), "a_b": ("N", 3)})
    irconv.write(builder.add("y", Concat(axis=1), "a_b", "class", "a-b").build(), tmp_path / "m.py")
    arrays = [numbers(2, 3, seed=seed) for seed in range(3)]
    (got,) = in_torch(tmp_path / "m.py", arrays)
    assert np.array_equal(got, np.concatenate([arrays[2], arrays[0], arrays[1]], 1))


def test_a_value_used_late_is_not_overwritten_by_one_made_in_between(tmp_path: Path) -> None:
    builder = Builder(x=("N", 3)).add("first", Tanh(), "x").add("second", Relu(), "x").add("third", Relu(), "first")
    builder.add("left", Add(), "first", "second").add("right", Add(), "third", "x")
    irconv.write(builder.add("y", Add(), "left", "right").build(), tmp_path / "m.py")
    x = numbers(2, 3)
    wanted = np.tanh(x) + np.maximum(x, 0) + np.maximum(np.tanh(x), 0) + x
    assert error(in_torch(tmp_path / "m.py", [x]), [wanted]) < 1e-6


@pytest.mark.parametrize("count", [1, 2, 5])
def test_one_value_may_be_several_outputs(count: int, tmp_path: Path) -> None:
    builder = Builder(x=("N", 3)).add("y", Tanh(), "x")
    irconv.write(builder.build(*["y"] * count), tmp_path / "m.py")
    got = in_torch(tmp_path / "m.py", [numbers(2, 3)])
    assert [array.tolist() for array in got] == [got[0].tolist()] * count


def test_no_emitted_source_names_a_place_of_this_machine(tmp_path: Path) -> None:
    irconv.convert(golden("tf2.15-residual").model, tmp_path / "m.py")
    text = (tmp_path / "m.py").read_text()
    assert str(tmp_path) not in text
    assert str(ROOT) not in text
