"""Operands that a model leaves out are written with the value their absence means."""

from __future__ import annotations

import numpy as np

from irconv.ir.bundle import Bundle
from irconv.ir.layers.base import StoredOperand
from irconv.ir.layers.normalisation import BatchNorm
from irconv.passes import fill_operands
from tests.helpers import Builder, numbers


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
