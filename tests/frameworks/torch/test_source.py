"""The emitted source is what a person would write, and Python takes it."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.layers.activations import Relu, Tanh
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.matrix import Einsum, MatMul
from irconv.ir.layers.tensor_ops import Add, Concat, Reshape
from irconv.ir.manifest import SourceFile
from tests.helpers import (
    ONE_OF_EACH,
    ROOT,
    Builder,
    Case,
    error,
    golden,
    import_file,
    in_torch,
    name_of,
    numbers,
    read_case,
)
from tests.layers.harness import Case as LayerCase
from tests.layers.harness import bundle_of
from tests.layers.test_layers import CASES


@pytest.mark.parametrize("case", ONE_OF_EACH, ids=name_of)
def test_the_source_is_typed_python_with_a_class_and_a_load(case: Case, tmp_path: Path) -> None:
    irconv.write(read_case(case), tmp_path / "m.py")
    text = (tmp_path / "m.py").read_text()
    tree = ast.parse(text)
    *_, model = (node for node in tree.body if isinstance(node, ast.ClassDef))
    (load,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "load")
    assert (model.name, [ast.unparse(base) for base in model.bases]) == ("Model", ["nn.Module"])
    assert load.returns is not None
    assert (ast.get_docstring(tree) or "").startswith("model.h5 (Keras ")
    assert (ast.get_docstring(model) or "").startswith("Takes ")
    many = ("def forward(", "return ")  # of a model with many outputs
    assert all(len(line) <= 120 or line.lstrip().startswith(many) for line in text.splitlines())
    assert not any(line.endswith(" ") for line in text.splitlines())


@pytest.mark.parametrize("case", ONE_OF_EACH, ids=name_of)
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


_HOSTILE = '"""\nimport os; os.abort()\n\\"""'


def test_text_of_a_file_never_becomes_code(tmp_path: Path) -> None:
    builder = Builder(**{_HOSTILE: ("N", 3), "b": ("N", 3)}).add(f"y{_HOSTILE}", Add(), _HOSTILE, "b")
    bundle = builder.add("z", Einsum(equation="ij,ij->i"), builder.nodes[-1].outputs["y"], "b").build()
    files = (SourceFile(name=_HOSTILE, sha256="0" * 64, size=1),)
    source = bundle.source.model_copy(update={"framework": _HOSTILE, "version": _HOSTILE, "files": files})
    irconv.write(replace(bundle, source=source), tmp_path / "m.py")
    tree = ast.parse((tmp_path / "m.py").read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import) and node.names[0].name == "os"]
    a, b = numbers(2, 3), numbers(2, 3, seed=3)
    (got,) = in_torch(tmp_path / "m.py", [a, b])
    assert error([got], [((a + b) * b).sum(1)]) < 1e-6


@pytest.mark.parametrize("name", ["scan", "same_pad", "F", "torch", "range", "_", "n", "N", "nn"])
def test_inputs_and_values_may_have_the_names_that_the_source_uses(name: str, tmp_path: Path) -> None:
    builder = Builder(**{name: ("N", "T", 3), "b": ("N", "T", 3)})
    builder.add("flat", Reshape(shape=("N", 1, "3*T")), name).add("flat_b", Reshape(shape=("3*T", "N")), "b")
    bundle = builder.add("y", MatMul(), "flat", "flat_b").build()
    irconv.write(bundle, tmp_path / "m.py")
    a, b = numbers(2, 4, 3), numbers(2, 4, 3, seed=3)
    (got,) = in_torch(tmp_path / "m.py", [a, b])
    assert error([got], [a.reshape(2, 1, 12) @ b.reshape(12, 2)]) < 1e-6


@pytest.mark.parametrize("dtype", ["float16", "float64", "bfloat16"])
def test_weights_keep_their_element_type(dtype: str, tmp_path: Path) -> None:
    kernel = numbers(3, 5).astype(numpy_dtype(dtype))
    builder = Builder(x=("N", 5)).add("cast", Cast(dtype=dtype), "x").add("fc", Linear(), "cast", kernel=kernel)
    irconv.write(builder.build(), tmp_path / "m.py")
    assert f"nn.Linear(5, 3, bias=False, dtype=torch.{dtype})" in (tmp_path / "m.py").read_text()
    assert str(import_file(tmp_path / "m.py").load().fc.weight.dtype) == f"torch.{dtype}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.layer.type}: {case.name}")
def test_what_is_emitted_is_clean(case: LayerCase, tmp_path: Path) -> None:
    irconv.write(bundle_of(case), tmp_path / "m.py")
    text = (tmp_path / "m.py").read_text()
    assert all(len(line) <= 120 and line == line.rstrip() for line in text.splitlines())
    assert "irconv" not in text.split("\n", 1)[1]
