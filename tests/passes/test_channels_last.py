"""Transposes around channels-last layers go away, and the function stays the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import irconv
from irconv.ir.bundle import Bundle
from irconv.ir.inference import infer_types
from irconv.ir.layers.activations import Relu, Softmax
from irconv.ir.layers.base import Layer
from irconv.ir.layers.convolution import Conv, Linear
from irconv.ir.layers.normalisation import BatchNorm
from irconv.ir.layers.pooling import MaxPool
from irconv.ir.layers.tensor_ops import Add, Concat, Flatten, Pad, Reduce, Reshape, Transpose
from irconv.passes import channels_last
from tests.helpers import Array, Builder, error, numbers, turned, used_types

IN, OUT = (0, 3, 1, 2), (0, 2, 3, 1)


class Naive(Builder):
    """A graph of channels-last values, each channels-first layer between two transposes."""

    def image(self, name: str, layer: Layer, source: str, **operands: Array) -> Naive:
        self.turn(f"{name}.in", IN, source)
        self.add(f"{name}.first", layer, f"{name}.in", **operands)
        self.turn(name, OUT, f"{name}.first")
        return self

    def turn(self, name: str, order: tuple[int, ...], source: str) -> Naive:
        self.add(name, Transpose(permutation=order), source)
        return self

    def conv(self, name: str, source: str, channels: int, filters: int) -> Naive:
        layer = Conv(stride=(1, 1), dilation=(1, 1), groups=1, padding=((1, 1), (0, 1)))
        return self.image(name, layer, source, kernel=numbers(filters, channels, 3, 2, seed=filters))


def chain() -> Bundle:
    model = Naive(x=("N", 7, 6, 3)).conv("a", "x", 3, 5)
    model.add("relu", Relu(), "a")
    return model.conv("b", "relu", 5, 4).build()


def normalised() -> Bundle:
    model = Naive(x=("N", 7, 6, 3)).conv("a", "x", 3, 5)
    vectors = {role: np.abs(numbers(5, seed=i)) for i, role in enumerate(["gamma", "beta", "mean", "variance"])}
    model.image("norm", BatchNorm(epsilon=1e-3, momentum=0.9), "a", **vectors)
    pool = MaxPool(kernel=(2, 3), stride=(2, 1), dilation=(1, 1), padding=((0, 0), (0, 0)), ceil_mode=False)
    return model.image("pool", pool, "norm").build()


def axis_fields() -> Bundle:
    model = Naive(x=("N", 7, 6, 3)).conv("a", "x", 3, 5).conv("b", "x", 3, 4)
    model.add("join", Concat(axis=3), "a", "b")
    model.add("soft", Softmax(axis=2), "join")
    model.add("pad", Pad(pads=((0, 0), (1, 2), (3, 0), (0, 1)), mode="constant", value=0.5), "soft")
    return model.conv("c", "pad", 10, 2).build()


def reduced() -> Bundle:
    model = Naive(x=("N", 7, 6, 3)).conv("a", "x", 3, 5)
    model.add("gate", Reduce(op="mean", axes=(1, 2), keepdims=True), "a")
    model.add("sum", Add(), "a", "gate")
    return model.add("y", Reduce(op="max", axes=(1, 2), keepdims=False), "sum").build()


def flattened() -> Bundle:
    model = Naive(x=("N", 7, 6, 3)).conv("a", "x", 3, 5)
    model.add("flat", Flatten(start_axis=1), "a")
    vectors = {role: np.abs(numbers(210, seed=i)) for i, role in enumerate(["gamma", "beta", "mean", "variance"])}
    model.add("norm", BatchNorm(epsilon=1e-3, momentum=0.9), "flat", **vectors)
    model.add("relu", Relu(), "norm")
    return model.add("fc", Linear(), "relu", kernel=numbers(4, 210), bias=numbers(4)).build()


def flattened_twice() -> Bundle:
    model = Naive(x=("N", 7, 6, 3)).conv("a", "x", 3, 5).add("flat", Flatten(start_axis=1), "a")
    model.add("left", Linear(), "flat", kernel=numbers(4, 210))
    return model.add("right", Linear(), "flat", kernel=numbers(4, 210, seed=9)).add("y", Add(), "left", "right").build()


def flattened_output() -> Bundle:
    return Naive(x=("N", 7, 6, 3)).conv("a", "x", 3, 5).add("flat", Flatten(start_axis=1), "a").build()


def flattened_and_kept() -> Bundle:
    """One consumer of the Flatten could follow its order, the other is an output."""
    model = Naive(x=("N", 7, 6, 3)).conv("a", "x", 3, 5).add("flat", Flatten(start_axis=1), "a")
    return model.add("fc", Linear(), "flat", kernel=numbers(4, 210)).build("fc", "flat")


def shared_after_flatten() -> Bundle:
    """A Linear used on two Flattens of other shapes has one kernel, which cannot have both orders."""
    model = Naive(x=("N", 4, 6, 3), z=("N", 6, 4, 3)).conv("a", "x", 3, 5).conv("b", "z", 3, 5)
    model.add("flat_a", Flatten(start_axis=1), "a").add("flat_b", Flatten(start_axis=1), "b")
    model.add("fc", Linear(), "flat_a", kernel=numbers(4, 120)).use("fc", "flat_b", result="second")
    return model.add("y", Add(), "fc", "second").build()


def flattened_branches() -> Bundle:
    """Two maps of other sizes, one of them twice, and a vector, side by side; then BatchNorm and a Linear."""
    model = Naive(x=("N", 4, 5, 3), z=("N", 3, 2, 2), v=("N", 7)).conv("a", "x", 3, 5).conv("b", "z", 2, 4)
    model.add("flat_a", Flatten(start_axis=1), "a").add("flat_b", Flatten(start_axis=1), "b")
    model.add("relu", Relu(), "flat_b").add("some", Concat(axis=1), "v", "relu")
    model.add("all", Concat(axis=1), "flat_a", "some", "flat_a")
    vectors = {role: np.abs(numbers(231, seed=i)) for i, role in enumerate(["gamma", "beta", "mean", "variance"])}
    model.add("norm", BatchNorm(epsilon=1e-3, momentum=0.9), "all", **vectors)
    return model.add("fc", Linear(), "norm", kernel=numbers(4, 231), bias=numbers(4)).build()


def flattened_batches() -> Bundle:
    """Side by side along the batch, where no column of the Linear is one map's alone."""
    model = Naive(x=("N", 4, 5, 3)).conv("a", "x", 3, 5).add("flat", Flatten(start_axis=1), "a")
    model.add("all", Concat(axis=0), "flat", "flat")
    return model.add("fc", Linear(), "all", kernel=numbers(4, 100)).build()


def vector() -> Bundle:
    return Builder(x=("N", 5)).add("y", Linear(), "x", kernel=numbers(3, 5)).build()


def explicit_transpose() -> Bundle:
    """A Transpose that the model itself wants: rank 3, no image."""
    model = Naive(x=("N", 5, 4)).add("t", Transpose(permutation=(0, 2, 1)), "x")
    return model.add("y", Linear(), "t", kernel=numbers(3, 5)).build()


#: The naive graph -> transposes left.
MODELS: dict[str, tuple[Callable[[], Bundle], int]] = {
    "a chain of convolutions": (chain, 0),
    "normalisation and pooling": (normalised, 0),
    "layers with axis fields": (axis_fields, 0),
    "reductions with and without kept axes": (reduced, 0),
    "a flattened map that becomes a vector": (flattened, 0),
    "a flattened map with two consumers": (flattened_twice, 0),
    "a flattened map that is an output": (flattened_output, 1),
    "a flattened map of which one consumer is an output": (flattened_and_kept, 1),
    "a shared layer after two flattened maps": (shared_after_flatten, 2),
    "flattened maps side by side": (flattened_branches, 0),
    "flattened maps one after another": (flattened_batches, 1),
    "a vector": (vector, 0),
    "a transpose that the model itself wants": (explicit_transpose, 1),
}


def run(bundle: Bundle, arrays: list[Array]) -> list[Array]:
    return list(irconv.run(bundle, arrays, runtime="numpy", io="native").values())


@pytest.mark.parametrize("name", MODELS)
def test_the_function_stays_the_same_on_channels_first_images(name: str) -> None:
    naive = MODELS[name][0]()
    done = channels_last.run(naive)
    assert naive.graph is not None
    assert done.graph is not None
    arrays = [numbers(2, *port.shape[1:], seed=i) for i, port in enumerate(naive.graph.inputs)]
    got = run(done, turned(arrays, done.graph.inputs, "native"))
    assert error(turned(got, done.graph.outputs, "source"), run(naive, arrays)) < 1e-6


@pytest.mark.parametrize("name", MODELS)
def test_no_transpose_is_left_that_can_be_moved(name: str) -> None:
    make, left = MODELS[name]
    assert used_types(channels_last.run(make())).count("Transpose") == left


@pytest.mark.parametrize("name", MODELS)
def test_a_second_run_changes_nothing_more(name: str) -> None:
    once = channels_last.run(MODELS[name][0]())
    twice = channels_last.run(once)
    assert used_types(twice) == used_types(once)
    assert infer_types(twice).keys() == infer_types(once).keys()


def test_images_are_channels_first_at_the_boundary_and_their_axes_are_named() -> None:
    graph = channels_last.run(chain()).graph
    assert graph is not None
    assert [(p.shape, p.axes, p.source_axes) for p in graph.inputs] == [(("N", 3, 7, 6), "NCHW", "NHWC")]
    assert [(p.shape, p.axes, p.source_axes) for p in graph.outputs] == [(("N", 4, 7, 6), "NCHW", "NHWC")]


def test_a_fold_into_weights_is_a_recorded_step_that_can_be_undone() -> None:
    naive, done = flattened(), channels_last.run(flattened())
    for role, axes in (("kernel", "out (h w c)"), ("bias", None)):
        tensor = done.tensors[f"fc.{role}"]
        assert [step.source for step in tensor.record.steps] == ([axes] if axes else [])
        assert np.array_equal(tensor.native().numpy(), naive.tensors[f"fc.{role}"].data.numpy())
    assert [step.source for step in done.tensors["norm.mean"].record.steps] == ["(h w c)"]


def test_a_fold_behind_a_concat_is_a_step_for_each_map_that_can_be_undone() -> None:
    naive, done = flattened_branches(), channels_last.run(flattened_branches())
    for key, lead in (("fc.kernel", "out "), ("norm.mean", "")):
        steps = [(step.source, step.target, step.sizes) for step in done.tensors[key].record.steps]
        a, b = {"h": 4, "w": 5, "c": 5}, {"h": 3, "w": 2, "c": 4}
        assert sorted(steps, key=str) == [
            (f"{lead}[(h w c) after]", f"{lead}[(c h w) after]", {**a, "after": 131}),
            (f"{lead}[before (h w c) after]", f"{lead}[before (c h w) after]", {**b, "before": 107, "after": 100}),
            (f"{lead}[before (h w c)]", f"{lead}[before (c h w)]", {**a, "before": 131}),
        ]
        assert np.array_equal(done.tensors[key].native().numpy(), naive.tensors[key].data.numpy())


def test_a_layer_shared_by_values_of_other_ranks_stays_as_it_is() -> None:
    model = Naive(x=("N", 7, 6, 3), v=("N", 5)).conv("a", "x", 3, 5)
    model.add("fc", Linear(), "a", kernel=numbers(4, 5)).use("fc", "v", result="second").conv("b", "fc", 4, 2)
    done = channels_last.run(model.build("b", "second"))
    assert used_types(done).count("Transpose") == 2
    assert done.layers["fc"].type == "Linear"


def test_a_reshape_shared_by_images_stays_as_it_is() -> None:
    model = Naive(x=(2, 4, 6, 3), z=(2, 4, 6, 3)).conv("a", "x", 3, 5)
    shared = Reshape(shape=(2, 24, 5))
    model.conv("c", "z", 3, 5).add("rows", shared, "a").use("rows", "c", result="second")
    naive = model.add("y", Add(), "rows", "second").build()
    done = channels_last.run(naive)
    assert done.layers["rows"] == shared
    assert done.graph is not None
    arrays = [numbers(2, 4, 6, 3, seed=i) for i in range(2)]
    got = run(done, turned(arrays, done.graph.inputs, "native"))
    assert error(got, run(naive, arrays)) < 1e-6


def test_a_bundle_without_a_graph_is_left_alone(tmp_path: Path) -> None:
    weights = Bundle(chain().source)
    assert channels_last.run(weights) is weights
