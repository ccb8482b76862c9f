"""Padding rules become numbers, or layers of their own where a target cannot say them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irconv.errors import Refused
from irconv.ir.bundle import Bundle
from irconv.ir.layers.base import Layer
from irconv.ir.layers.convolution import Conv
from irconv.ir.layers.pooling import AveragePool, MaxPool
from irconv.ir.layers.tensor_ops import Concat
from irconv.ir.layers.window import padding_of_axis
from irconv.passes import padding
from tests.helpers import Builder, numbers, predictions, rejection, used_types

SIZES = st.tuples(st.integers(1, 30), st.integers(1, 7), st.integers(1, 4), st.integers(1, 3))


@given(SIZES)
def test_same_padding_gives_as_many_windows_as_strides_fit(axis: tuple[int, int, int, int]) -> None:
    size, kernel, stride, dilation = axis
    for mode in ("same_upper", "same_lower"):
        pair = padding_of_axis(mode, size, kernel, stride, dilation)
        assert pair is not None
        room = size + sum(pair) - ((kernel - 1) * dilation + 1)
        assert room // stride + 1 == -(-size // stride)
        low, high = sorted(pair)
        assert high - low <= 1
        assert pair == ((low, high) if mode == "same_upper" else (high, low))


@pytest.mark.parametrize(
    ("mode", "axis", "wanted"),
    [
        ("same_upper", (8, 3, 2, 1), (0, 1)),
        ("same_lower", (8, 3, 2, 1), (1, 0)),
        ("same_upper", (7, 3, 2, 1), (1, 1)),
        ("same_upper", (8, 2, 1, 3), (1, 2)),
        ("same_upper", (8, 1, 3, 1), (0, 0)),
        ("theano_half", (8, 3, 2, 1), (1, 0)),
        ("theano_half", (8, 2, 1, 1), (1, 0)),
        ("theano_half", (11, 4, 2, 1), (2, 1)),
        ("theano_pool_same", (8, 2, 2, 1), (1, 0)),
        ("theano_pool_same", (8, 3, 2, 1), (1, 0)),
        ("theano_pool_same", (9, 5, 1, 1), (3, 1)),
        ("same_upper", ("H", 3, 1, 1), (1, 1)),
        ("same_upper", ("H", 3, 2, 1), None),
    ],
)
def test_the_padding_of_each_rule_is_known(mode: str, axis: tuple[int, int, int, int], wanted: object) -> None:
    assert padding_of_axis(mode, *axis) == wanted  # type: ignore[arg-type]


def conv(rule: object) -> Conv:
    return Conv(stride=(2, 1), dilation=(1, 1), groups=1, padding=rule)


def max_pool(rule: object) -> MaxPool:
    return MaxPool(kernel=(3, 2), stride=(2, 1), dilation=(1, 1), padding=rule, ceil_mode=False)


def average_pool(rule: object, count: bool = False) -> AveragePool:
    return AveragePool(kernel=(3, 2), stride=(2, 1), padding=rule, ceil_mode=False, count_padding=count)


def one(layer: Layer, sizes: tuple[int | str, ...] = (8, 6)) -> Bundle:
    operands = {"kernel": numbers(4, 3, 3, 2)} if isinstance(layer, Conv) else {}
    return Builder(x=("N", 3, *sizes)).add("y", layer, "x", **operands).build()


@pytest.mark.parametrize("layer", [conv, max_pool, average_pool])
def test_a_rule_becomes_numbers_where_sizes_are_known(layer: type[Layer]) -> None:
    done = padding.run(one(layer("same_upper")), symmetric=False)
    assert used_types(done) == [done.layers["y"].type]
    assert done.layers["y"].settings()["padding"] == ((0, 1), (0, 1))


@pytest.mark.parametrize(("layer", "fill"), [(conv, 0.0), (max_pool, float("-inf"))])
def test_uneven_padding_becomes_a_layer_in_front_for_targets_that_pad_both_sides_alike(
    layer: type[Layer], fill: float
) -> None:
    done = padding.run(one(layer("same_upper")), symmetric=True)
    assert used_types(done) == ["Pad", done.layers["y"].type]
    pad = done.layers["y.pad"].settings()
    assert (pad["pads"], pad["value"]) == (((0, 0), (0, 0), (0, 1), (0, 1)), fill)
    assert done.layers["y"].settings()["padding"] == ((0, 0), (0, 0))


def test_an_average_that_does_not_count_its_padding_gets_its_divisors_corrected() -> None:
    done = padding.run(one(average_pool("same_upper")), symmetric=True)
    assert used_types(done) == ["Pad", "AveragePool", "Constant", "Mul"]
    factors = done.tensors["y.correction.value"].data.numpy()
    assert factors.shape == (1, 1, 4, 6)
    assert factors[0, 0, :, 0].tolist() == [1.0, 1.0, 1.0, 1.5]
    assert factors[0, 0, 0].tolist() == [1.0, 1.0, 1.0, 1.0, 1.0, 2.0]


@pytest.mark.parametrize("layer", [conv(((1, 1), (1, 1))), max_pool(((1, 1), (1, 1))), average_pool(((1, 1), (0, 0)))])
def test_even_padding_stays_in_the_layer(layer: Layer) -> None:
    done = padding.run(one(layer), symmetric=True)
    assert used_types(done) == [layer.type]
    assert done.layers["y"].settings() == layer.settings()


def test_a_pool_padded_by_more_than_half_its_window_is_padded_in_front() -> None:
    assert used_types(padding.run(one(max_pool(((2, 2), (0, 0)))), symmetric=True)) == ["Pad", "MaxPool"]


@pytest.mark.parametrize(("layer", "fill"), [(conv, 0.0), (max_pool, float("-inf"))])
def test_same_padding_of_unknown_sizes_is_computed_when_the_model_runs(layer: type[Layer], fill: float) -> None:
    done = padding.run(one(layer("same_upper"), ("H", "W")), symmetric=True)
    assert used_types(done) == ["SamePad", done.layers["y"].type]
    assert done.layers["y.pad"].settings()["value"] == fill


def test_same_padding_of_unknown_sizes_stays_a_rule_for_targets_that_have_it() -> None:
    done = padding.run(one(conv("same_upper"), ("H", "W")), symmetric=False)
    assert done.layers["y"].settings()["padding"] == "same_upper"


def test_all_paddings_that_a_target_cannot_compute_are_refused_at_once() -> None:
    builder = Builder(x=("N", 3, "H", "W")).add("a", average_pool("same_upper"), "x")
    bundle = builder.add("b", max_pool("theano_pool_same"), "x").add("y", Concat(axis=1), "a", "b").build()
    advice = "This target needs sizes that are known."
    assert rejection(lambda: padding.run(bundle, symmetric=True), Refused).splitlines() == [
        f"layer a (AveragePool): its padding same_upper depends on the input's size, which is ('H', 'W'). {advice}",
        f"layer b (MaxPool): its padding theano_pool_same depends on the input's size, which is ('H', 'W'). {advice}",
    ]


def test_a_shared_layer_whose_uses_need_other_padding_becomes_two() -> None:
    builder = Builder(a=("N", 3, 8, 6), b=("N", 3, 7, 6)).add(
        "conv", conv("same_upper"), "a", kernel=numbers(4, 3, 3, 1)
    )
    bundle = builder.use("conv", "b", result="second").build("conv", "second")
    done = padding.run(bundle, symmetric=False)
    assert {name: layer.settings()["padding"] for name, layer in done.layers.items()} == {
        "conv": ((0, 1), (0, 0)),
        "conv.second": ((1, 1), (0, 0)),
    }
    assert done.layers["conv"].operands == done.layers["conv.second"].operands


def test_padding_as_long_as_a_window_is_refused() -> None:
    layer = MaxPool(kernel=(2, 3), stride=(1, 1), dilation=(1, 1), padding=((2, 0), (1, 1)), ceil_mode=False)
    said = rejection(lambda: Builder(x=(1, 2, 9, 9)).add("pool", layer, "x").build(), Refused)
    assert "padding ((2, 0), (1, 1)) is as long as a window of (2, 3), which would hold no element" in said


def test_a_dilated_window_reaches_over_padding_as_long_as_the_kernel(tmp_path: Path) -> None:
    layer = MaxPool(kernel=(2, 3), stride=(1, 2), dilation=(4, 1), padding=((2, 3), (1, 1)), ceil_mode=False)
    x = numbers(2, 3, 7, 9)
    padded = np.pad(x, ((0, 0), (0, 0), (2, 3), (1, 1)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 3), (2, 3))[:, :, :, ::2, ::4]
    found = predictions(Builder(x=(2, 3, 7, 9)).add("pool", layer, "x").build(), [x], tmp_path)
    for runtime, (got,) in found.items():
        np.testing.assert_array_equal(got, windows.max((4, 5)), err_msg=runtime)


@pytest.mark.parametrize("size", [1, 5])
def test_a_bias_of_another_size_than_the_outputs_is_refused(size: int) -> None:
    layer = Conv(stride=(1, 1), dilation=(1, 1), groups=1, padding=((0, 0), (0, 0)))
    built = Builder(x=(1, 2, 9, 9))
    said = rejection(
        lambda: built.add("conv", layer, "x", kernel=numbers(4, 2, 3, 3), bias=numbers(size)).build(), Refused
    )
    assert f"a bias of shape ({size},) does not go with 4 outputs" in said
