"""The way out to channels-last frameworks: transposes around spatial layers alone, and the same function."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from irconv.codec import Codec, NativeModel, Table
from irconv.execute import execute
from irconv.ir.bundle import Bundle
from irconv.ir.layers.activations import Relu, Softmax
from irconv.ir.layers.convolution import Conv, Linear
from irconv.ir.layers.normalisation import BatchNorm, LayerNorm
from irconv.ir.layers.pooling import MaxPool
from irconv.ir.layers.tensor_ops import Add, Concat, Constant, Flatten, Mul, Pad, Reduce, Reshape, Transpose
from irconv.ir.validate import validate
from irconv.passes import boundary, channels_last, to_channels_last
from irconv.rows import TUPLE, Attribute, Axes, ChannelAxis, Derived, Only, Rank, Weight
from irconv.translate import encode, native_axes
from tests.helpers import Builder, error, numbers

IMAGE = {"channels_last": "n *s c", "channels_first": "n c *s"}
NONE = ((0, 0), (0, 0))


TABLE = Table(
    "Last",
    [
        Codec(
            "Conv2D",
            Conv,
            Rank((4,)),
            Axes("data_format", IMAGE),
            Attribute("strides", "stride", TUPLE),
            Attribute("dilation", iso=TUPLE),
            Attribute("groups"),
            Attribute("padding"),
            Weight("kernel", "kernel", "*k in out"),
            Weight("bias", "bias", "out"),
            Derived("filters", lambda draft: draft.types["kernel"].shape[0]),
        ),
        Codec(
            "MaxPooling2D",
            MaxPool,
            Axes("data_format", IMAGE),
            *(Attribute(name) for name in ("kernel", "stride", "dilation", "padding", "ceil_mode")),
        ),
        Codec(
            "BatchNormalization",
            BatchNorm,
            ChannelAxis("axis"),
            Attribute("epsilon"),
            Attribute("momentum"),
            *(Weight(name, name, "c") for name in ("gamma", "beta", "mean", "variance")),
        ),
        Codec(
            "GlobalAveragePooling2D",
            Reduce,
            Axes("data_format", IMAGE, slot_axes="n c *s", result_axes=""),
            Only("op", "mean"),
            Only("axes", (2, 3)),
            Only("keepdims", False),
        ),
        Codec("Dense", Linear, Weight("kernel", "kernel", "in out"), Weight("bias", "bias", "out")),
        Codec("LayerNorm", LayerNorm, Attribute("axis", "axes"), Attribute("epsilon"), Weight("gamma", "gamma", "*k")),
        Codec("Relu", Relu),
        Codec("Softmax", Softmax, Attribute("axis")),
        Codec("Concatenate", Concat, Attribute("axis")),
        Codec("Add", Add),
        Codec("Multiply", Mul),
        Codec("Pad", Pad, Attribute("pads"), Attribute("mode"), Attribute("value")),
        Codec("Flatten", Flatten, Attribute("start", "start_axis")),
        Codec("Reshape", Reshape, Attribute("shape")),
        Codec("Permute", Transpose, Attribute("dims", "permutation")),
    ],
)
AXES = native_axes(TABLE)


class Model(Builder):
    """A graph of channels-first images."""

    def conv(self, name: str, source: str, channels: int, filters: int) -> Model:
        layer = Conv(stride=(1, 2), dilation=(1, 1), groups=1, padding=((1, 1), (0, 1)))
        kernel, bias = numbers(filters, channels, 3, 2, seed=filters), numbers(filters, seed=9)
        self.add(name, layer, source, kernel=kernel, bias=bias)
        return self


def chain() -> Bundle:
    model = Model(x=(2, 3, 7, 6)).conv("a", "x", 3, 5)
    vectors = {role: np.abs(numbers(5, seed=i)) for i, role in enumerate(["gamma", "beta", "mean", "variance"])}
    model.add("norm", BatchNorm(epsilon=1e-3, momentum=0.9), "a", **vectors).add("relu", Relu(), "norm")
    pool = MaxPool(kernel=(2, 3), stride=(1, 1), dilation=(1, 1), padding=((0, 1), (1, 1)), ceil_mode=False)
    return model.add("pool", pool, "relu").conv("b", "pool", 5, 4).build()


def axis_fields() -> Bundle:
    model = Model(x=(2, 3, 7, 6)).conv("a", "x", 3, 5).conv("b", "x", 3, 4)
    model.add("both", Concat(axis=1), "a", "b").add("soft", Softmax(axis=1), "both")
    model.add("pad", Pad(pads=((0, 0), (0, 0), (1, 2), (0, 1)), mode="constant", value=0.0), "soft")
    return model.conv("c", "pad", 9, 2).build()


def gate() -> Bundle:
    """Squeeze and excite."""
    model = Model(x=(2, 3, 7, 6)).conv("a", "x", 3, 3)
    model.add("mean", Reduce(op="mean", axes=(2, 3), keepdims=True), "a").add("scaled", Mul(), "a", "mean")
    return model.conv("b", "scaled", 3, 2).build()


def classifier() -> Bundle:
    model = Model(x=(2, 3, 7, 6)).conv("a", "x", 3, 4).add("flat", Flatten(start_axis=1), "a")
    return model.add("dense", Linear(), "flat", kernel=numbers(5, 84), bias=numbers(5)).build()


def pooled() -> Bundle:
    model = Model(x=(2, 3, 7, 6)).conv("a", "x", 3, 4)
    model.add("mean", Reduce(op="mean", axes=(2, 3), keepdims=False), "a")
    return model.add("dense", Linear(), "mean", kernel=numbers(5, 4), bias=numbers(5)).build()


#: Graphs without a transpose left, and the types of the native layers.
CLEAN: dict[str, tuple[Callable[[], Bundle], list[str]]] = {
    "chain": (chain, ["Conv2D", "BatchNormalization", "Relu", "MaxPooling2D", "Conv2D"]),
    "axis fields": (axis_fields, ["Conv2D", "Conv2D", "Concatenate", "Softmax", "Pad", "Conv2D"]),
    "classifier": (classifier, ["Conv2D", "Flatten", "Dense"]),
    "pooled": (pooled, ["Conv2D", "GlobalAveragePooling2D", "Dense"]),
}


def native_types(model: NativeModel) -> list[str]:
    return [model.layers[use.layer].type for use in model.uses]


def same_function(before: Bundle, after: Bundle) -> None:
    """The numbers of two bundles, given and made in the axes that each port names or has."""
    assert not validate(after), validate(after).all()
    feeds = {p.name: numbers(*p.shape) for p in before.graph.inputs}  # type: ignore[union-attr, arg-type]
    got = execute(boundary.to_source_axes(after), feeds, "onnxruntime")
    wanted = execute(before, feeds, "onnxruntime")
    assert error([got[name] for name in wanted], list(wanted.values())) < 1e-6


@pytest.mark.parametrize("kind", CLEAN)
def test_an_ordinary_network_keeps_no_transpose(kind: str) -> None:
    make, wanted = CLEAN[kind]
    bundle = make()
    turned = to_channels_last.run(bundle, AXES)
    same_function(bundle, turned)
    assert native_types(encode(turned, TABLE)) == wanted


def test_what_a_gate_computes_from_an_image_follows_it() -> None:
    bundle = gate()
    turned = to_channels_last.run(bundle, AXES)
    same_function(bundle, turned)
    assert turned.graph is not None
    assert turned.layers["mean"] == Reduce(op="mean", axes=(1, 2), keepdims=True)


def test_image_inputs_become_channels_last_and_remember_the_sources_axes() -> None:
    turned = to_channels_last.run(chain(), AXES)
    assert turned.graph is not None
    (x,), (y,) = turned.graph.inputs, turned.graph.outputs
    assert (x.axes, x.source_axes, x.shape) == ("NHWC", "NCHW", (2, 7, 6, 3))
    assert (y.axes, y.source_axes, y.shape[-1]) == ("NHWC", "NCHW", 4)


def test_ports_that_must_not_move_keep_their_axes_and_get_a_transpose() -> None:
    bundle = chain()
    turned = to_channels_last.run(bundle, AXES, ports_move=False)
    assert turned.graph is not None
    assert bundle.graph is not None
    assert [p.shape for p in turned.graph.inputs] == [p.shape for p in bundle.graph.inputs]
    same_function(bundle, turned)
    types = native_types(encode(turned, TABLE))
    assert (types[0], types[-1], types.count("Permute")) == ("Permute", "Permute", 2)


def test_encode_takes_the_transposes_around_a_layer_into_its_spelling() -> None:
    model = encode(to_channels_last.run(chain(), AXES), TABLE)
    assert model.layers["a"].config["data_format"] == "channels_last"
    assert model.layers["norm"].config["axis"] == -1
    assert [(use.inputs[0], use.outputs) for use in model.uses] == [
        ("x", ("a",)),
        ("a", ("norm",)),
        ("norm", ("relu",)),
        ("relu", ("pool",)),
        ("pool", ("b",)),
    ]
    assert set(model.layers) == {"a", "norm", "relu", "pool", "b"}


def test_without_the_pass_encode_puts_transposes_around_each_layer_that_turns() -> None:
    types = native_types(encode(pooled(), TABLE))
    assert types == ["Permute", "Conv2D", "Permute", "Permute", "GlobalAveragePooling2D", "Dense"]


def test_a_graph_that_came_from_channels_last_goes_back_without_a_transpose_or_a_convolution_more() -> None:
    """A Linear and a LayerNorm on an image's channels became a convolution and a norm over axis 1 on the way in."""
    model = Model(x=(2, 7, 6, 3)).add("in", Transpose(permutation=(0, 3, 1, 2)), "x").conv("a", "in", 3, 5)
    model.add("last", Transpose(permutation=(0, 2, 3, 1)), "a")
    model.add("norm", LayerNorm(axes=(3,), epsilon=1e-3), "last", gamma=numbers(5))
    model.add("dense", Linear(), "norm", kernel=numbers(4, 5), bias=numbers(4))
    model.add("back", Transpose(permutation=(0, 3, 1, 2)), "dense").conv("b", "back", 4, 2)
    naive = model.add("out", Transpose(permutation=(0, 2, 3, 1)), "b").build()
    first = channels_last.run(naive)
    assert (first.layers["dense"].type, first.layers["norm"]) != ("Linear", naive.layers["norm"])
    turned = to_channels_last.run(first, AXES)
    same_function(naive, turned)
    assert native_types(encode(turned, TABLE)) == ["Conv2D", "LayerNorm", "Dense", "Conv2D"]
    kernel, wanted = turned.tensors["dense.kernel"], naive.tensors["dense.kernel"]
    assert (kernel.record.steps, kernel.record.axes) == ((), "out in")
    assert np.array_equal(kernel.data.numpy(), wanted.data.numpy())
    assert turned.layers["norm"].operands == naive.layers["norm"].operands


def test_a_layer_shared_by_images_of_equal_rank_turns_at_each_use() -> None:
    model = Model(x=(2, 3, 7, 6), z=(2, 3, 5, 4)).conv("a", "x", 3, 5)
    bundle = model.use("a", "z", result="a2").build("a", "a2")
    turned = to_channels_last.run(bundle, AXES)
    same_function(bundle, turned)
    assert native_types(encode(turned, TABLE)) == ["Conv2D", "Conv2D"]


def test_a_layer_shared_by_values_of_other_ranks_turns_where_it_did_first() -> None:
    vectors = {role: np.abs(numbers(5, seed=i)) for i, role in enumerate(["gamma", "beta", "mean", "variance"])}
    model = Model(x=(2, 5, 7, 6), z=(2, 5, 4)).add("norm", BatchNorm(epsilon=1e-3, momentum=0.9), "x", **vectors)
    bundle = model.use("norm", "z", result="n2").build("norm", "n2")
    turned = to_channels_last.run(bundle, AXES)
    same_function(bundle, turned)
    assert native_types(encode(turned, TABLE)) == ["BatchNormalization", "Permute", "BatchNormalization", "Permute"]


def test_weights_alone_are_left_as_they_are() -> None:
    bundle = Bundle(chain().source)
    assert to_channels_last.run(bundle, AXES) is bundle


def test_a_vector_of_the_channels_needs_no_transpose_either_way() -> None:
    model = Model(x=(2, 7, 6, 3)).add("in", Transpose(permutation=(0, 3, 1, 2)), "x").conv("a", "in", 3, 5)
    model.add("last", Transpose(permutation=(0, 2, 3, 1)), "a").add("gamma", Constant(), value=numbers(5))
    model.add("scaled", Mul(), "last", "gamma").add("back", Transpose(permutation=(0, 3, 1, 2)), "scaled")
    model.conv("b", "back", 5, 2)
    naive = model.add("out", Transpose(permutation=(0, 2, 3, 1)), "b").build()
    turned = to_channels_last.run(channels_last.run(naive), AXES)
    same_function(naive, turned)
    assert turned.graph is not None
    taken = to_channels_last.taken_in(turned, turned.graph, to_channels_last.turns(turned, AXES))
    assert taken.graph is not None
    assert "Transpose" not in [taken.layers[node.layer].type for node in taken.graph.nodes]


def test_an_output_has_its_batch_first_whatever_was_merged_with_it() -> None:
    build = Builder(x=(2, 3, 5, 4))
    conv = Conv(stride=(1, 1), dilation=(1, 1), groups=1, padding=NONE)
    build.add("conv", conv, "x", kernel=numbers(6, 3, 2, 2))
    build.add("merged", Reshape(shape=(1, 12, 4, 3)), "conv")
    norm = BatchNorm(epsilon=1e-5, momentum=0.9)
    build.add("norm", norm, "merged", mean=numbers(12), variance=numbers(12) ** 2 + 1)
    build.add("y", Reshape(shape=(2, 6, 4, 3)), "norm").add("z", Relu(), "y")
    bundle = build.build()
    made = to_channels_last.run(bundle, AXES)
    assert made.graph is not None
    assert made.graph.outputs[0].shape[0] == 2
    same_function(bundle, made)
