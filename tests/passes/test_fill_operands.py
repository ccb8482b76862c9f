"""Operands that a model leaves out are written with the value their absence means."""

from __future__ import annotations

import numpy as np
import pytest

from irconv.execute import execute
from irconv.ir.bundle import Bundle
from irconv.ir.layers.base import StoredOperand
from irconv.ir.layers.normalisation import BatchNorm, InstanceNorm
from irconv.ir.shapes import Shape
from irconv.passes import fill_operands
from tests.helpers import Builder, numbers
from tests.layers.harness import Case, bundle_of


def two() -> Bundle:
    builder = Builder(x=("N", 3))
    statistics = {"mean": numbers(3), "variance": np.abs(numbers(3, seed=2))}
    builder.add("a", BatchNorm(epsilon=1e-3, momentum=None), "x", **statistics)
    return builder.add("b", BatchNorm(epsilon=1e-3, momentum=None), "a", gamma=numbers(3, seed=4), **statistics).build()


def test_absent_operands_get_the_value_their_absence_means() -> None:
    done = fill_operands.run(two(), {"BatchNorm": ("gamma", "beta")})
    assert {name: sorted(layer.operands) for name, layer in done.layers.items()} == {
        name: ["beta", "gamma", "mean", "variance"] for name in "ab"
    }
    assert done.tensors["a.gamma"].data.numpy().tolist() == [1.0, 1.0, 1.0]
    assert done.tensors["b.beta"].data.numpy().tolist() == [0.0, 0.0, 0.0]
    assert np.array_equal(done.tensors["b.gamma"].data.numpy(), numbers(3, seed=4))


def test_what_is_made_says_that_it_is_no_tensor_of_the_source() -> None:
    record = fill_operands.run(two(), {"BatchNorm": ("gamma",)}).tensors["a.gamma"].record
    assert (record.role, record.source, record.steps, record.axes) == ("constant", None, (), "c")


def test_only_the_layers_asked_for_are_filled() -> None:
    done = fill_operands.run(two(), {"BatchNorm": ("gamma", "beta")}, only=["b"])
    assert sorted(done.layers["a"].operands) == ["mean", "variance"]
    assert isinstance(done.layers["b"].operands["beta"], StoredOperand)


def test_nothing_missing_is_nothing_changed() -> None:
    bundle = two()
    assert fill_operands.run(bundle, {"BatchNorm": ("mean",), "Linear": ("bias",)}).manifest() == bundle.manifest()


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), ("N", "C", 4, 5)], ids=["known", "free"])
def test_a_norm_without_factors_is_written_for_onnx_whatever_is_known_of_its_channels(shape: Shape) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    case = Case("plain", InstanceNorm(epsilon=1e-3), {"x": x}, dict, "a formula", shapes={"x": shape})
    got = execute(bundle_of(case), {"in.x": x}, "onnxruntime")["y"]
    middle = x - x.mean((2, 3), keepdims=True)
    wanted = middle / np.sqrt((middle**2).mean((2, 3), keepdims=True) + 1e-3)
    assert np.abs(got - wanted).max() < 1e-5
