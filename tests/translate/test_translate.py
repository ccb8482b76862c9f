"""Whole models through a table, both ways."""

from __future__ import annotations

import numpy as np
import pytest

import irconv
from irconv.codec import Codec, Native, NativeWeight, SizeOf, Table
from irconv.errors import Refused
from irconv.ir.layers.activations import LeakyRelu, Relu
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.pooling import MaxPool
from irconv.ir.layers.shape_ops import Full
from irconv.ir.layers.slicing import Split
from irconv.ir.layers.tensor_ops import Add
from irconv.ir.tensors import LazyTensor
from irconv.rows import TUPLE, Attribute, Axes, Input, Only, Weight
from irconv.translate import NativeModel, NativeUse, decode, encode
from tests.helpers import SOURCE, golden, numbers, port, rejection, used_types

TABLE = Table(
    "Toy",
    [
        Codec("Affine", Linear, Input("x"), Weight("w", "kernel", "in out", positional=True)),
        Codec("Ramp", Relu, Input("x")),
        Codec("Leaky", LeakyRelu, Attribute("leak", "slope")),
        Codec("Sum", Add),
        Codec(
            "Peak",
            MaxPool,
            Axes("order", {"last": "n *s c"}),
            Attribute("window", "kernel", TUPLE),
            Only("stride", (1, 1)),
            Only("dilation", (1, 1)),
            Only("padding", ((0, 0), (0, 0))),
            Only("ceil_mode", False),
        ),
    ],
)


def affine(name: str, *shape: int) -> Native:
    weight = NativeWeight(f"file/{name}", LazyTensor.of(numbers(*shape)), trainable=True)
    return Native("Affine", name, {}, {"w": weight})


def model(layers: list[Native], uses: list[NativeUse], shape: tuple[int | str, ...], output: str) -> NativeModel:
    named = {layer.name: layer for layer in layers}
    ports = (port("x", shape),), (port(output, ()),)
    return NativeModel(named, tuple(uses), *ports, {name: f"m: layer {name}" for name in named})


def test_layers_are_decoded_in_order_with_their_tensors_and_provenance() -> None:
    uses = [NativeUse("fc", ("x",), ("fc",)), NativeUse("relu", ("fc",), ("relu",), "block")]
    bundle = decode(model([affine("fc", 5, 3), Native("Ramp", "relu")], uses, ("N", 5), "relu"), TABLE, SOURCE, "m")
    assert bundle.graph is not None
    assert [(node.layer, node.scope) for node in bundle.graph.nodes] == [("fc", ""), ("relu", "block")]
    assert (bundle.graph.outputs[0].dtype, bundle.graph.outputs[0].shape) == ("float32", ("N", 3))
    record = bundle.tensors["fc.kernel"].record
    assert (record.axes, record.letters, record.shape, record.trainable) == ("out in", "OI", (3, 5), True)
    assert record.source is not None
    assert (record.source.file, record.source.name, record.source.shape) == ("m", "file/fc", (5, 3))
    assert np.array_equal(bundle.source_tensors()["file/fc"].numpy(), numbers(5, 3))


def test_a_layer_in_other_axes_gets_a_transpose_before_and_after() -> None:
    pool = Native("Peak", "pool", {"order": "last", "window": [2, 3]})
    naive = decode(model([pool], [NativeUse("pool", ("x",), ("pool",))], ("N", 5, 6, 2), "pool"), TABLE, SOURCE, "m")
    assert used_types(naive) == ["Transpose", "MaxPool", "Transpose"]
    x = numbers(2, 5, 6, 2)
    wanted = np.lib.stride_tricks.sliding_window_view(x, (2, 3), (1, 2)).max((-2, -1))
    assert np.array_equal(irconv.run(naive, [x], runtime="numpy")["pool"], wanted)


def test_a_layer_used_twice_is_decoded_once() -> None:
    uses = [NativeUse("fc", ("x",), ("a",)), NativeUse("fc", ("a",), ("b",)), NativeUse("sum", ("a", "b"), ("y",))]
    bundle = decode(model([affine("fc", 3, 3), Native("Sum", "sum")], uses, ("N", 3), "y"), TABLE, SOURCE, "m")
    assert (list(bundle.layers), list(bundle.tensors)) == (["fc", "sum"], ["fc.kernel"])
    assert used_types(bundle) == ["Linear", "Linear", "Add"]


def test_every_layer_that_cannot_be_decoded_is_named_once_and_at_once() -> None:
    layers = [Native("Spiral", "a"), affine("fc", 3, 3), Native("Wave", "b"), Native("Leaky", "c", {"leek": 1})]
    uses = [
        NativeUse("a", ("x",), ("a",)),
        NativeUse("fc", ("a",), ("fc",)),
        NativeUse("b", ("fc",), ("b",)),
        NativeUse("b", ("b",), ("b2",)),
        NativeUse("c", ("x",), ("c",)),
    ]
    text = rejection(lambda: decode(model(layers, uses, ("N", 3), "c"), TABLE, SOURCE, "m"), Refused)
    assert [line.split(". ")[0] for line in text.splitlines()] == [
        "m: layer a: irconv has no rule for Toy's Spiral",
        "m: layer b: irconv has no rule for Toy's Wave",
        "m: layer c: expected the setting 'leak', which is missing.",
    ]


def test_inputs_that_do_not_fit_are_named() -> None:
    uses = [NativeUse("fc", ("x",), ("fc",))]
    text = rejection(lambda: decode(model([affine("fc", 5, 3)], uses, ("N", 4), "fc"), TABLE, SOURCE, "m"), Refused)
    assert text == "m: layer fc: its inputs do not fit: a kernel of shape (3, 5) does not take 4 features."


@pytest.mark.parametrize("count", [2, 3])
def test_more_inputs_than_a_layer_takes_are_refused(count: int) -> None:
    uses = [NativeUse("fc", ("x",) * count, ("fc",))]
    text = rejection(lambda: decode(model([affine("fc", 5, 3)], uses, ("N", 5), "fc"), TABLE, SOURCE, "m"), Refused)
    assert text.startswith("m: layer fc: takes 1 ")


def test_encoding_gives_back_layers_uses_and_tensors() -> None:
    uses = [NativeUse("fc", ("x",), ("fc",)), NativeUse("leaky", ("fc",), ("y",))]
    native = model([affine("fc", 5, 3), Native("Leaky", "leaky", {"leak": 0.25})], uses, ("N", 5), "y")
    back = encode(decode(native, TABLE, SOURCE, "m"), TABLE)
    assert {name: (layer.type, dict(layer.config)) for name, layer in back.layers.items()} == {
        "fc": ("Affine", {}),
        "leaky": ("Leaky", {"leak": 0.25}),
    }
    assert [(use.layer, use.inputs, use.outputs) for use in back.uses] == [
        ("fc", ("x", "fc.w"), ("fc",)),
        ("leaky", ("fc",), ("y",)),
    ]
    assert np.array_equal(back.layers["fc"].tensors["w"].data.numpy(), numbers(5, 3))


def test_results_that_nobody_wants_have_no_name_and_no_value() -> None:
    table = Table("Toy", [Codec("Halves", Split, Only("axis", 1), Only("sizes", (2, 3)))])
    uses = [NativeUse("cut", ("x",), ("", "rest"))]
    bundle = decode(model([Native("Halves", "cut")], uses, ("N", 5), "rest"), table, SOURCE, "m")
    assert bundle.graph is not None
    assert [dict(node.outputs) for node in bundle.graph.nodes] == [{"y1": "rest"}]
    assert bundle.graph.outputs[0].shape == ("N", 3)


def test_a_setting_may_be_the_size_of_a_value() -> None:
    rows = Attribute("shape", iso=TUPLE), Attribute("value"), Only("dtype", "float32")
    table = Table("Toy", [Codec("Like", Full, *rows)])
    layers = [
        Native("Like", "whole", {"shape": SizeOf("x", None), "value": 1.0}),
    ]
    bundle = decode(model(layers, [NativeUse("whole", (), ("y",))], ("N", 5), "y"), table, SOURCE, "m")
    assert bundle.graph is not None
    assert bundle.graph.outputs[0].shape == ("N", 5)


def test_the_pieces_of_one_array_are_tensors_of_their_own() -> None:
    """A GRU of Keras keeps both of its biases in one array, which differ."""
    bundle = irconv.read(golden("keras2.3.1-recurrent_options").model)
    biases = {key: tensor.data.numpy() for key, tensor in bundle.tensors.items() if ".bias_" in key}
    assert {key.split(".")[-1] for key in biases} == {"bias_input", "bias_recurrent"}
    assert len({array.tobytes() for array in biases.values()}) == len(biases) >= 2
