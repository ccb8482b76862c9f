"""What `irconv inspect` shows: a table for a pipe, a tree for a terminal, one layer, one tensor."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

import irconv
from irconv.cli import main
from irconv.comparison.statistics import statistics
from irconv.ir.layers import MODULES, layer_class
from irconv.ir.tensors import LazyTensor
from irconv.report.inspect import print_bundle
from irconv.report.settings import settings
from irconv.report.summary import rows, totals
from tests.helpers import ROOT, lenet
from tests.layers.harness import bundle_of
from tests.layers.test_layers import CASES

LENET = lenet("tf2.15-lenet5-h5").model
PROGRAM = ROOT / "fixtures" / "torch-programs" / "torch213-shuffle" / "model.pt2"


def ran(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, list(map(str, words)))
    assert result.exit_code == code, result.output
    return result.output


def on_a_terminal(path: Path, width: int) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=width, color_system=None)
    print_bundle(irconv.read(path), console)
    return out.getvalue().split("\n")


def test_in_a_pipe_every_layer_is_one_line_with_its_whole_name_settings_and_weights() -> None:
    lines = ran("inspect", LENET).split("\n")
    (line,) = [line for line in lines if line.startswith("conv2d_1.activation ")]
    assert line.split() == ["conv2d_1.activation", "Tanh", "Nx16x10x10", "0", "0", "conv2d_1", "-", "-"]
    (line,) = [line for line in lines if line.startswith("average_pooling2d ")]
    assert line.endswith("kernel 2, stride 2")
    (line,) = [line for line in lines if line.startswith("conv2d ")]
    assert "156 " in line
    assert "117,600" in line
    assert "kernel 6x1x5x5 OIHW, bias 6 O" in line


def test_totals_are_said_once_with_the_sizes_by_element_type_and_the_arithmetic() -> None:
    out = ran("inspect", LENET)
    assert "61,706 parameters: 61,706 trainable, 0 not; 246.8 kB float32\n" in out
    assert "416,520 multiply-adds for one sample\n" in out


@pytest.mark.parametrize("width", [80, 140])
def test_on_a_terminal_the_table_is_a_tree_that_fits(width: int) -> None:
    lines = on_a_terminal(LENET, width)
    assert max(map(len, lines)) <= width
    assert any(line.startswith("conv2d ") for line in lines)
    assert any(line.startswith("  activation ") for line in lines)


def test_modules_are_named_once_above_what_lies_in_them() -> None:
    found = irconv.read(PROGRAM)
    assert found.graph is not None
    inside = [row for row in rows(found) if len(row.path) > 1]
    assert inside
    lines = on_a_terminal(PROGRAM, 120)
    heading = ".".join(inside[0].path[:-1])
    assert lines.count(next(line for line in lines if line.strip() == heading)) >= 1


def test_a_tensor_that_two_layers_share_is_counted_once() -> None:
    bundle = irconv.read(LENET)
    assert bundle.graph is not None
    found = rows(bundle)
    assert sum(row.parameters for row in found) == totals(bundle, found).trainable == 61_706


@pytest.mark.parametrize(
    ("type_name", "wanted"),
    [
        ("Linear", lambda given: np.prod(given["x"].shape[:-1]) * np.prod(given["kernel"].shape)),
        ("MatMul", None),
        ("Conv", None),
        ("LSTM", None),
        ("MultiHeadAttention", None),
    ],
)
def test_arithmetic_is_counted_for_whatever_multiplies_matrices(type_name: str, wanted: object) -> None:
    case = replace(next(case for case in CASES if case.layer.type == type_name), shapes={})
    (row,) = rows(bundle_of(case))
    assert isinstance(row.multiply_adds, int)
    assert row.multiply_adds > 0
    if callable(wanted):
        from irconv.ir.layers.base import ValueType

        given = {k: ValueType("float32", v.shape) for k, v in {**case.inputs, **case.operands}.items()}
        assert row.multiply_adds == wanted(given)


@pytest.mark.parametrize("name", sorted({case.layer.type for case in CASES}))
def test_settings_are_words_without_classes_of_irconv(name: str) -> None:
    for case in (case for case in CASES if case.layer.type == name):
        text = settings(case.layer)
        assert not any(f"{kind}(type=" in text for kind in MODULES)
        assert "=" not in text or layer_class(name).__name__ == "Einsum"


def test_one_layer_is_shown_with_everything_that_is_known_of_it() -> None:
    out = ran("inspect", LENET, "--layer", "conv2d_1")
    for line in (
        "conv2d_1: Conv",
        "source: keras's Conv2D conv2d_1",
        "setting stride: (1, 1)",
        "kernel: conv2d_1.kernel float32 16x6x5x5 OIHW",
        "output y: conv2d_1.linear float32 Nx16x10x10",
        "multiply-adds for one sample: 240,000",
    ):
        assert line in out.split("\n")
    document = json.loads(ran("inspect", LENET, "--layer", "conv2d_1", "--json"))
    assert (document["type"], list(document["tensors"])) == ("Conv", ["conv2d_1.kernel", "conv2d_1.bias"])


def test_one_tensor_is_shown_with_its_history_and_its_numbers() -> None:
    bundle = irconv.read(LENET)
    array = bundle.tensors["dense.kernel"].data.numpy().astype(np.float64)
    for name in ("dense.kernel", "model_weights/dense/dense/kernel:0"):
        out = ran("inspect", LENET, "--tensor", name)
        assert "dense.kernel float32 120x400 OI\nrole: parameter, trainable\nused by: dense (kernel)\n" in out
        assert "step: out (h w c) -> out (c h w), h is 5, w is 5, c is 16\n" in out
        assert f"min {array.min():.6g}, max {array.max():.6g}, mean {array.mean():.6g}" in out
        assert f"standard deviation {array.std():.6g}, L2 {np.linalg.norm(array):.6g}" in out
        assert out.count("#") > 100
    document = json.loads(ran("inspect", LENET, "--tensor", "dense.kernel", "--json"))
    assert sum(document["statistics"]["counts"]) == array.size


def test_a_tensor_of_one_number_everywhere_has_that_number_as_its_least_and_its_largest() -> None:
    found = statistics(LazyTensor.of(np.zeros(256, np.float32)), 8)
    assert (found.low, found.high, found.zeros, found.counts) == (0.0, 0.0, 256, (256,))
    found = statistics(LazyTensor.of(np.full((2, 4), 0.75)), 8)
    assert (found.low, found.high, found.deviation, found.counts) == (0.75, 0.75, 0.0, (8,))


def test_a_tensor_without_a_finite_number_is_said_to_have_none(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", a=np.full(5, np.nan))
    assert "5 numbers, none of them finite" in ran("inspect", tmp_path / "w.npz", "--tensor", "a")


def test_a_name_that_is_none_is_refused_with_those_near_it() -> None:
    assert ran("inspect", LENET, "--layer", "conv", code=3) == (
        "--layer conv: the model has no layer of this name. Near it: conv2d, conv2d_1.\n"
    )
    assert (
        "--tensor dense.kernal: the model has no tensor of this name, in its own file or here. Near it: dense."
        in ran("inspect", LENET, "--tensor", "dense.kernal", code=3)
    )


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--layer", "a", "--tensor", "b"], "Give one of --layer, --tensor and --html"),
        (["--html", "p.html", "--layer", "a"], "Give one of --layer, --tensor and --html"),
        (["--force"], "--force replaces the page of --html, which is not given."),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(words: list[str], reason: str) -> None:
    assert reason in ran("inspect", LENET, *words, code=2)
