"""Layers that a graph writes out are put together again, and what only looks like them is left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import irconv
from irconv.codec import NativeWeight, Table
from irconv.ir.bundle import Bundle
from irconv.ir.layers.activations import Relu, Sigmoid
from irconv.ir.layers.arithmetic import Div, Sub
from irconv.ir.layers.composite_activations import Threshold
from irconv.ir.layers.convolution import Conv, Linear
from irconv.ir.layers.elementwise import Erf, Rsqrt, Sqrt, Square
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.normalisation import BatchNorm
from irconv.ir.layers.shape_ops import Tile
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Add, Mul, Reduce, Reshape, Transpose
from irconv.ir.tensors import LazyTensor
from irconv.passes import recompose
from irconv.translate import Importer
from tests.helpers import SOURCE, numbers, port, used_types
from tests.passes.near_misses import faults

X = (2, 3, 4, 5)


class Graph:
    """A graph written as a formula."""

    def __init__(self, shape: tuple[int, ...] = X) -> None:
        self.importer, self.count = Importer(Table("None", []), "m"), 0
        self.importer.input(port("x", shape))

    def weight(self, *shape: int, positive: bool = False) -> str:
        self.count += 1
        array = np.abs(numbers(*shape)) + 0.5 if positive else numbers(*shape) + self.count
        return self.importer.weight(f"w{self.count}", NativeWeight(f"w{self.count}", LazyTensor.of(array)))

    def number(self, value: float) -> str:
        self.count += 1
        return self.importer.constant(f"n{self.count}", np.float32(value))

    def __call__(self, layer: Any, *values: str, **operands: str) -> str:
        self.count += 1
        slots = [f"x{i}" for i in range(len(values))] if layer.VARIADIC else list(layer.SLOTS)
        inputs = dict(zip(slots, values, strict=False)) | operands
        return self.importer.place(layer, inputs, [f"v{self.count}"])[0]

    def bundle(self, *outputs: str) -> Bundle:
        return self.importer.bundle(SOURCE, [port(value, ()) for value in outputs])


def recomposed(graph: Graph, *outputs: str, shape: tuple[int, ...] = X) -> list[str]:
    """The types after the pass, which changes no number, does nothing the second time, and no harm to near misses."""
    before = graph.bundle(*outputs)
    after = recompose.run(before)
    x = numbers(*shape) * 0.3
    for want, got in zip(*(irconv.run(b, [x], runtime="numpy").values() for b in (before, after)), strict=True):
        assert np.abs(want - got).max() <= 2e-6 * np.abs(want).max()
    assert used_types(recompose.run(after)) == used_types(after)
    wrong = [fault for fault in faults(before, {"x": x}) if fault]
    assert not wrong, "\n".join(wrong)
    return used_types(after)


def conv(channels: int) -> Conv:
    return Conv(stride=(1, 1), dilation=(1, 1), groups=1, padding=((0, 0), (0, 0)))


def test_a_sum_behind_a_convolution_is_its_bias() -> None:
    f = Graph()
    assert recomposed(f, f(Add(), f(conv(3), "x", kernel=f.weight(6, 3, 2, 2)), f.weight(6, 1, 1))) == ["Conv"]


def test_a_sum_along_another_axis_is_no_bias() -> None:
    f = Graph()
    assert "Add" in recomposed(f, f(Add(), f(conv(3), "x", kernel=f.weight(6, 3, 2, 2)), f.weight(3, 1)))


def test_a_sum_with_another_user_of_the_product_is_no_bias() -> None:
    f = Graph((4, 3))
    product = f(Linear(), "x", kernel=f.weight(5, 3))
    biased = f(Add(), product, f.weight(5))
    assert "Add" in recomposed(f, biased, f(Relu(), product), shape=(4, 3))


def test_a_reshape_that_keeps_the_batch_and_merges_the_rest_is_a_flatten() -> None:
    f = Graph()
    assert recomposed(f, f(Relu(), f(Reshape(shape=(2, 60)), "x"))) == ["Flatten", "Relu"]
    f = Graph()
    assert recomposed(f, f(Relu(), f(Reshape(shape=(6, 20)), "x"))) == ["Reshape", "Relu"]


def batch_norm(f: Graph, axes: tuple[int, ...], inside: bool = True) -> str:
    variance, epsilon = f.weight(*axes, positive=True), f.number(1e-3)
    inverse = f(Rsqrt(), f(Add(), variance, epsilon)) if inside else f(Add(), f(Rsqrt(), variance), epsilon)
    scale = f(Mul(), inverse, f.weight(*axes))
    return f(Add(), f(Mul(), "x", scale), f(Sub(), f.weight(*axes), f(Mul(), f.weight(*axes), scale)))


def test_axes_that_are_cut_apart_behind_a_turn_are_so_before_it_where_they_were_merged() -> None:
    f = Graph((5, 2, 12))
    merged = f(Reshape(shape=(5, 6, 4)), "x")
    turned = f(Transpose(permutation=(1, 0, 2)), merged)
    found = recomposed(f, f(Reshape(shape=(2, 3, 5, 4)), turned), shape=(5, 2, 12))
    assert found == ["Reshape", "Transpose"]


def test_axes_that_are_merged_behind_a_turn_stay_so() -> None:
    f = Graph((5, 2, 12))
    turned = f(Transpose(permutation=(1, 0, 2)), f(Reshape(shape=(5, 6, 4)), "x"))
    found = recomposed(f, f(Reshape(shape=(3, 10, 4)), turned), shape=(5, 2, 12))
    assert found == ["Reshape", "Transpose", "Reshape"]


def test_a_linear_over_rows_merged_with_its_heads_is_one_over_the_last_axis() -> None:
    f = Graph((5, 2, 3, 4))
    rows = f(Linear(), f(Reshape(shape=(10, 12)), "x"), kernel=f.weight(7, 12))
    found = recomposed(f, f(Reshape(shape=(5, 2, 7)), rows), shape=(5, 2, 3, 4))
    assert found == ["Reshape", "Linear"]


@pytest.mark.parametrize("axes", [(3, 1, 1), (5,)])
def test_a_batch_norm_that_is_written_out_is_one_whether_channels_are_first_or_last(axes: tuple[int, ...]) -> None:
    f = Graph()
    found = recomposed(f, batch_norm(f, axes))
    assert [kind for kind in found if kind != "Transpose"] == ["BatchNorm"]


def test_an_epsilon_outside_the_root_is_no_batch_norm() -> None:
    f = Graph()
    assert "BatchNorm" not in recomposed(f, batch_norm(f, (3, 1, 1), inside=False))


def layer_norm(f: Graph, axes: tuple[int, ...], others: tuple[int, ...] | None = None) -> str:
    mean = f(Reduce(op="mean", axes=axes, keepdims=True), "x")
    centred = f(Sub(), "x", mean)
    variance = f(Reduce(op="mean", axes=others or axes, keepdims=True), f(Square(), centred))
    return f(Div(), centred, f(Sqrt(), f(Add(), variance, f.number(1e-5))))


def test_a_layer_norm_that_is_written_out_is_one() -> None:
    f = Graph()
    assert recomposed(f, f(Add(), f(Mul(), layer_norm(f, (3,)), f.weight(5)), f.weight(5))) == ["LayerNorm"]


def test_a_norm_over_the_spatial_axes_is_an_instance_norm() -> None:
    f = Graph()
    assert recomposed(f, f(Mul(), layer_norm(f, (2, 3)), f.weight(3, 1, 1))) == ["InstanceNorm"]


def test_a_mean_and_a_variance_over_different_axes_are_no_norm() -> None:
    f = Graph()
    assert "LayerNorm" not in recomposed(f, layer_norm(f, (3,), (2,)))


def gelu(f: Graph, root: float) -> str:
    gate = f(Add(), f(Erf(), f(Div(), "x", f.number(root))), f.number(1.0))
    return f(Mul(), f(Mul(), "x", gate), f.number(0.5))


def graph_of_a_gelu(root: float) -> Bundle:
    """A GELU written out, right where the root is that of 2."""
    f = Graph()
    return f.bundle(gelu(f, root))


def test_a_gelu_that_is_written_out_is_one_and_another_root_is_none() -> None:
    for root, wanted in ((2**0.5, ["Gelu"]), (1.5, None)):
        f = Graph()
        found = recomposed(f, gelu(f, root))
        assert found == wanted if wanted else "Gelu" not in found


def _cut(f: Graph, start: int | None, end: int | None, axis: int = 3, step: int = 1) -> str:
    return f(Slice(axes=(axis,), starts=(start,), ends=(end,), steps=(step,)), "x")


def test_cuts_that_are_all_of_an_axis_are_one_split() -> None:
    f = Graph()
    assert recomposed(f, _cut(f, 3, None), _cut(f, 0, 1), _cut(f, 1, -2)) == ["Split"]


@pytest.mark.parametrize(
    "cuts", [((0, 2), (3, 5)), ((0, 3), (2, 5)), ((0, 2), (2, 4)), ((0, 2), (0, 2), (2, 5)), ((0, 5),)]
)
def test_cuts_with_gaps_or_overlaps_stay_cuts(cuts: tuple[tuple[int, int], ...]) -> None:
    f = Graph()
    assert recomposed(f, *(_cut(f, *cut) for cut in cuts)) == ["Slice"] * len(cuts)


def test_a_half_that_the_other_gates_is_a_glu() -> None:
    f = Graph((2, 4, 6))
    first, second = _cut(f, 0, 3, axis=2), _cut(f, 3, 6, axis=2)
    assert recomposed(f, f(Mul(), first, f(Sigmoid(), second)), shape=(2, 4, 6)) == ["Glu"]


def test_a_half_that_gates_the_other_from_the_front_is_none() -> None:
    f = Graph((2, 4, 6))
    first, second = _cut(f, 0, 3, axis=2), _cut(f, 3, 6, axis=2)
    assert "Glu" not in recomposed(f, f(Mul(), second, f(Sigmoid(), first)), shape=(2, 4, 6))


def test_a_half_that_something_else_takes_too_is_gated_by_itself() -> None:
    f = Graph((2, 4, 6))
    first, second = _cut(f, 0, 3, axis=2), _cut(f, 3, 6, axis=2)
    found = recomposed(f, f(Mul(), first, f(Sigmoid(), second)), first, shape=(2, 4, 6))
    assert sorted(found) == ["Mul", "Sigmoid", "Split"]


def test_whole_axes_backwards_are_flipped() -> None:
    f = Graph()
    assert recomposed(f, _cut(f, None, None, step=-1)) == ["Flip"]


def test_part_of_an_axis_backwards_stays_a_cut() -> None:
    f = Graph()
    assert recomposed(f, _cut(f, 3, None, step=-1)) == ["Slice"]


def _strided(places: list[int]) -> list[str]:
    f = Graph((2, 3, 1, 1))
    at = f.importer.constant("at", np.array(places, np.int64).reshape(2, -1, 1, 1))
    flat = f(Reshape(shape=(6,)), "x")
    return recomposed(f, f(Add(), f(Gather(axis=0), flat, at), f.number(1.0)), shape=(2, 3, 1, 1))


def test_places_that_are_all_in_order_are_the_value_itself() -> None:
    assert "Gather" not in _strided([0, 1, 2, 3, 4, 5])


def test_places_in_another_order_are_gathered() -> None:
    assert "Gather" in _strided([1, 0, 2, 3, 4, 5])
    assert "Gather" in _strided([0, 1, 2, 3])


def test_running_statistics_of_instances_are_a_batch_norm() -> None:
    norm = BatchNorm(epsilon=1e-5, momentum=0.9)

    def written(merged: tuple[int, ...], times: int = 2) -> list[str]:
        f = Graph()
        roles = ("gamma", "beta", "mean", "variance")
        vectors = {role: f(Tile(repeats=(times,)), f.weight(6 // times, positive=True)) for role in roles}
        normed = f(norm, f(Reshape(shape=merged), "x"), **vectors)
        return recomposed(f, f(Reshape(shape=X), normed))

    assert written((1, 6, 4, 5)) == ["BatchNorm"]
    assert "Tile" in written((1, 6, 5, 4))
    assert "Tile" in written((1, 6, 4, 5), times=3)


def test_a_threshold_at_zero_is_a_relu_and_any_other_is_not() -> None:
    for threshold, value, wanted in ((0.0, 0.0, "Relu"), (0.0, 0.5, "Threshold"), (0.1, 0.0, "Threshold")):
        f = Graph()
        assert recomposed(f, f(Threshold(threshold=threshold, value=value), "x")) == [wanted]
