"""Names of weights without a graph: the role of each, and the axes in which its framework stores it."""

from __future__ import annotations

import numpy as np
import pytest

from irconv.frameworks.conventions import conventions
from irconv.layout import relayout
from tests.helpers import numbers


@pytest.mark.parametrize(
    ("framework", "shapes", "roles"),
    [
        ("torch", {"weight": (7, 3, 2, 2), "bias": (7,)}, ["kernel", "bias"]),
        ("torch", {"weight": (7,), "bias": (7,), "running_mean": (7,)}, ["gamma", "beta", "mean"]),
        ("torch", {"weight_ih_l0": (8, 3), "bias_hh_l0": (8,)}, ["kernel", "bias_recurrent"]),
        ("keras", {"kernel": (2, 2, 3, 7), "bias": (7,)}, ["kernel", "bias"]),
        ("keras", {"0": (7,), "1": (7,), "2": (7,), "3": (7,)}, ["gamma", "beta", "mean", "variance"]),
        ("keras", {"conv/kernel:0": (3, 7)}, ["kernel"]),
        ("theano", {"W": (3, 7), "b": (7,)}, ["kernel", "bias"]),
        ("handmade", {"whatever": (3,)}, ["whatever"]),
    ],
)
def test_every_framework_says_the_roles_of_its_names(
    framework: str, shapes: dict[str, tuple[int, ...]], roles: list[str]
) -> None:
    said = conventions(framework)(None, shapes)
    assert [said[local].role for local in shapes] == roles


def test_keras_kernels_go_to_channels_first_and_depthwise_ones_by_channel() -> None:
    array = numbers(2, 3, 5, 4)
    said = conventions("keras")(None, {"kernel": array.shape})["kernel"]
    found = relayout(said.axes, said.canonical, array.shape, said.orders, said.sizes).apply(array)
    assert np.array_equal(found, array.transpose(3, 2, 0, 1))
    said = conventions("keras")(None, {"depthwise_kernel": array.shape})["depthwise_kernel"]
    found = relayout(said.axes, said.canonical, array.shape, said.orders, said.sizes).apply(array)
    assert np.array_equal(found, array.transpose(2, 3, 0, 1).reshape(20, 1, 2, 3))


def test_the_gates_of_a_keras_gru_are_put_in_the_order_of_the_ir() -> None:
    shapes = {"kernel": (5, 12), "recurrent_kernel": (4, 12), "bias": (12,)}
    said = conventions("keras")(None, shapes)["bias"]
    found = relayout(said.axes, said.canonical, (12,), said.orders, said.sizes).apply(np.arange(12))
    assert found.tolist() == [4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11]
