"""Stretches that come again become classes, and the weights follow."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import irconv
from irconv.execute import execute
from irconv.ir.bundle import Bundle
from irconv.ir.layers.activations import Relu, Tanh
from irconv.ir.layers.base import LiteralOperand
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.tensor_ops import Add, Constant, Mul
from tests.helpers import Builder, error, in_torch, numbers


def residual(*widths: int, name: str = "stage1_block{}", scale: float = 0.5) -> Bundle:
    """Residual blocks over 5 features, each with a hidden layer of a width, and a number that all of them share."""
    builder = Builder(x=("N", 5)).add(
        "scale", Constant(operands={"value": LiteralOperand(literal=scale, dtype="float32")})
    )
    last = "x"
    for i, width in enumerate(widths):
        block = name.format(i + 1)
        builder.add(f"{block}_1_fc", Linear(), last, kernel=numbers(width, 5, seed=i), bias=numbers(width, seed=i + 9))
        builder.add(f"{block}_relu", Relu(), f"{block}_1_fc")
        builder.add(f"{block}_2_fc", Linear(), f"{block}_relu", kernel=numbers(5, width, seed=i + 5))
        builder.add(f"{block}_scaled", Mul(), f"{block}_2_fc", "scale")
        last = builder.add(f"{block}_out", Add(), last, f"{block}_scaled").nodes[-1].outputs["y"]
    return builder.add("y", Tanh(), last).build()


def classes(path: Path) -> list[str]:
    return [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]


def test_blocks_that_come_again_are_one_class_with_what_differs_as_arguments(tmp_path: Path) -> None:
    irconv.write(residual(3, 7, 4), tmp_path / "m.py")
    assert classes(tmp_path / "m.py") == ["StageBlock", "M"]
    text = (tmp_path / "m.py").read_text()
    for line in (
        "    def __init__(self, out_features: int) -> None:",
        "        self.fc1 = nn.Linear(5, out_features)",
        "        self.fc2 = nn.Linear(out_features, 5, bias=False)",
        "        self.stage1_block2 = StageBlock(out_features=7)",
    ):
        assert line in text.splitlines()


@pytest.mark.parametrize("widths", [(3,), (3, 7, 4), (3, 3, 3, 3)])
def test_blocks_compute_what_the_layers_did(widths: tuple[int, ...], tmp_path: Path) -> None:
    bundle, x = residual(*widths), numbers(2, 5, seed=20)
    irconv.write(bundle, tmp_path / "m.py")
    wanted = execute(bundle, {"x": x}, "onnxruntime")
    assert error(in_torch(tmp_path / "m.py", [x]), list(wanted.values())) < 1e-6


def test_weights_lie_under_the_names_of_the_blocks(tmp_path: Path) -> None:
    irconv.write(residual(3, 7), tmp_path / "m.py")
    irconv.write(residual(3, 7), tmp_path / "alone.safetensors")
    found = load_file(tmp_path / "m.safetensors")
    keys = [f"stage1_block{i}.{key}" for i in (1, 2) for key in ("fc1.bias", "fc1.weight", "fc2.weight")]
    assert sorted(found) == keys
    assert sorted(load_file(tmp_path / "alone.safetensors")) == keys
    assert np.array_equal(found["stage1_block2.fc1.weight"], numbers(7, 5, seed=1))


def test_a_block_that_stands_alone_stays_as_it_is(tmp_path: Path) -> None:
    irconv.write(residual(3), tmp_path / "m.py")
    assert classes(tmp_path / "m.py") == ["M"]


def test_a_layer_that_blocks_share_keeps_them_from_being_classes(tmp_path: Path) -> None:
    builder, last = Builder(x=("N", 5)), "x"
    kernel, bias = numbers(5, 5, seed=1), numbers(5, seed=2)
    builder.add("shared", Linear(), "x", kernel=kernel, bias=bias)
    for i in (1, 2, 3):
        builder.add(f"block{i}_fc", Linear(), last, kernel=numbers(5, 5, seed=i))
        builder.add(f"block{i}_relu", Relu(), f"block{i}_fc")
        builder.use("shared", f"block{i}_relu", result=f"block{i}_shared")
        last = builder.add(f"block{i}_out", Add(), last, f"block{i}_shared").nodes[-1].outputs["y"]
    bundle, x = builder.add("y", Add(), last, "shared").build(), numbers(2, 5, seed=20)
    irconv.write(bundle, tmp_path / "m.py")
    assert classes(tmp_path / "m.py") == ["M"]
    wanted = execute(bundle, {"x": x}, "onnxruntime")
    assert error(in_torch(tmp_path / "m.py", [x]), list(wanted.values())) < 1e-6


@pytest.mark.parametrize("name", ["class{}", "3x{}", "Ünïcode.{}", 'a"""b{}', "m/{}", "self_{}", "Tensor_{}"])
def test_blocks_of_any_name_are_written(name: str, tmp_path: Path) -> None:
    bundle, x = residual(3, 7, 4, name=name), numbers(2, 5, seed=20)
    irconv.write(bundle, tmp_path / "m.py")
    assert len(classes(tmp_path / "m.py")) == 2
    wanted = execute(bundle, {"x": x}, "onnxruntime")
    assert error(in_torch(tmp_path / "m.py", [x]), list(wanted.values())) < 1e-6


def towers(*scopes: str) -> Bundle:
    """A model in the model that is used once for each scope, with its weights shared where the scope is the same."""
    builder, last = Builder(x=("N", 5)).add("before", Linear(), "x", kernel=numbers(5, 5, seed=8)), "before"
    for i, scope in enumerate(scopes):
        for j, name in enumerate(("a", "b")):
            layer = f"{scope}/{name}"
            if layer in builder.layers:
                builder.use(layer, last, result=f"{layer}#{i}")
                node = builder.nodes[-1]
                builder.nodes[-1] = node.model_copy(update={"scope": scope})
            else:
                kernel = numbers(5, 5, seed=len(builder.layers)) / 3
                builder.add(layer, Linear(), last, scope=scope, kernel=kernel)
            value = builder.nodes[-1].outputs["y"]
            last = f"{scope}.{i}.{j}"
            builder.add(last, Tanh(), value, scope=scope)
    return builder.add("after", Linear(), last, kernel=numbers(3, 5, seed=9)).build()


@pytest.mark.parametrize(
    ("scopes", "count"),
    [(("tower",), 1), (("tower", "tower"), 1), (("tower", "second"), 1), (("tower", "second", "tower"), 1)],
)
def test_a_model_in_a_model_is_a_class_however_often_it_is_used(
    scopes: tuple[str, ...], count: int, tmp_path: Path
) -> None:
    bundle, x = towers(*scopes), numbers(2, 5, seed=20)
    irconv.write(bundle, tmp_path / "m.py")
    assert len(classes(tmp_path / "m.py")) == count + 1
    keys = {f"{scope}.{name}.weight" for scope in scopes for name in ("a", "b")}
    assert set(load_file(tmp_path / "m.safetensors")) == keys | {"before.weight", "after.weight"}
    wanted = execute(bundle, {"x": x}, "onnxruntime")
    assert error(in_torch(tmp_path / "m.py", [x]), list(wanted.values())) < 1e-6


def test_a_model_in_a_model_that_stands_in_two_pieces_is_written_out(tmp_path: Path) -> None:
    builder = Builder(x=("N", 5))
    for name, x, scope in (("a", "x", "tower"), ("c", "tower/a", ""), ("b", "c", "tower")):
        layer = f"{scope}/{name}".lstrip("/")
        builder.add(layer, Linear(), x, scope=scope, kernel=numbers(5, 5, seed=len(name)))
    irconv.write(builder.build(), tmp_path / "m.py")
    assert classes(tmp_path / "m.py") == ["M"]
