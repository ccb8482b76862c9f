"""The importer: what it answers about the values it has made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import irconv
from irconv.codec import Codec, Native, NativeWeight, Table
from irconv.errors import Refused
from irconv.ir.layers.activations import Relu
from irconv.ir.layers.arithmetic import Sub
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.matrix import MatMul
from irconv.ir.layers.shape_ops import ShapeOf, Unsqueeze
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Add, Concat, Pad, Reshape, Transpose
from irconv.ir.shapes import Size
from irconv.ir.tensors import LazyTensor
from irconv.rows import ConstantInput, Input, Inputs, Iso, Only, Weight
from irconv.translate import Importer, Unknown
from tests.helpers import SOURCE, numbers, port, rejection, used_types

PAIRS = Iso(lambda rows: tuple(map(tuple, rows)), list)
TABLE = Table(
    "Toy",
    [
        Codec("Product", Linear, Input("x"), Weight("w", "kernel", "in out", positional=True)),
        Codec("Product", MatMul, Input("left"), Input("right")),
        Codec("Join", Concat, Inputs(), ConstantInput("axis", "axis", "int32")),
        Codec("Rim", Pad, Input("x"), ConstantInput("pads", "pads", "int32", PAIRS), Only("mode", "constant"),
              Only("value", 0.0)),
        Codec("Backwards", Sub, Input("x1"), Input("x0")),
    ],
)  # fmt: skip


def importer(*shapes: tuple[int | str, ...]) -> Importer:
    made = Importer(TABLE, "m")
    for i, shape in enumerate(shapes):
        made.input(port(f"x{i}", shape))
    return made


def weight(made: Importer, name: str, *shape: int) -> str:
    return made.weight(name, NativeWeight(f"file/{name}", LazyTensor.of(numbers(*shape)), trainable=True))


def outputs(made: Importer, *values: str) -> Any:
    return made.bundle(SOURCE, [port(value, ()) for value in values])


def test_a_stored_operand_makes_a_layer_and_a_computed_one_a_product() -> None:
    made = importer(("N", 3), (3, 4))
    made.add(Native("Product", "fc"), ["x0", weight(made, "w", 3, 4)], ["a"])
    made.add(Native("Product", "mm"), ["x0", "x1"], ["b"])
    assert used_types(outputs(made, "a", "b")) == ["Linear", "MatMul"]
    assert made.type_of("a") == made.type_of("b") == ("float32", ("N", 4))


def test_inputs_come_in_the_order_of_the_op_and_not_of_the_layer() -> None:
    made = importer((2, 3), (2, 3))
    made.add(Native("Backwards", "b"), ["x0", "x1"], ["y"])
    first, second = numbers(2, 3), numbers(2, 3) * 2
    assert np.array_equal(irconv.run(outputs(made, "y"), [first, second], runtime="numpy")["y"], second - first)


def test_numbers_given_as_inputs_become_settings() -> None:
    made = importer((2, 3), (2, 3))
    made.constant("axis", np.array(1, np.int32))
    made.add(Native("Join", "j"), ["x0", "x1", "axis"], ["y"])
    made.constant("pads", np.array([[0, 0], [1, 2]], np.int32))
    made.add(Native("Rim", "r"), ["y", "pads"], ["z"])
    bundle = outputs(made, "z")
    assert used_types(bundle) == ["Concat", "Pad"]
    assert made.type_of("z").shape == (2, 9)


def test_a_number_that_only_running_would_tell_is_refused_by_name() -> None:
    made = importer((2, 3), (2, 2))
    with made.reading("m: op r", ["z"]):
        made.add(Native("Rim", "r"), ["x0", "x1"], ["z"], where="m: op r")
    text = rejection(lambda: outputs(made, "z"), Refused)
    assert text == "m: op r: expected pads to be known before the model runs, but x1 is computed."


def test_shapes_that_are_computed_are_known_with_their_symbols() -> None:
    made = importer(("N", 4, "T"))
    made.place(ShapeOf(), {"x": "x0"}, ["shape"])
    made.constant("first", np.array(0))
    made.place(Gather(axis=0), {"x": "shape", "indices": "first"}, ["n"])
    made.place(Unsqueeze(axes=(0,)), {"x": "n"}, ["row"])
    made.place(Slice(axes=(0,), starts=(1,), ends=(None,), steps=(1,)), {"x": "shape"}, ["rest"])
    made.place(Concat(axis=0), {"x0": "rest", "x1": "row"}, ["turned"])
    known = made.known("turned")
    assert known is not None
    assert known.tolist() == [4, Size.of("T"), Size.of("N")]


def test_sums_and_products_of_sizes_are_known() -> None:
    made = importer(("N", 4))
    made.place(ShapeOf(), {"x": "x0"}, ["shape"])
    made.constant("two", np.array([2, 2]))
    made.place(Add(), {"x0": "shape", "x1": "two"}, ["more"])
    known = made.known("more")
    assert known is not None
    assert known.tolist() == [Size.of("N + 2"), 6]


def test_values_that_depend_on_no_input_are_constants_where_they_are_used() -> None:
    made = importer((2, 4))
    made.place(ShapeOf(), {"x": "x0"}, ["shape"])
    made.constant("two", np.array([2, 3]))
    made.place(Add(), {"x0": "shape", "x1": "two"}, ["sum"])
    made.place(Add(), {"x0": "sum", "x1": "shape"}, ["more"])
    assert used_types(outputs(made, "more")) == ["Constant", "Constant", "Add"]


@pytest.mark.parametrize("steps", [1, 2])
def test_a_weight_seen_through_transposes_and_reshapes_is_stored_once_with_its_steps(steps: int) -> None:
    made = importer(("N", 6), ("N", 4))
    value = weight(made, "w", 3, 2, 1, 4)
    made.place(Reshape(shape=(6, 4)), {"x": value}, ["flat"])
    made.place(Transpose(permutation=(1, 0)), {"x": "flat"}, ["turned"])
    made.place(Linear(), {"x": "x0", "kernel": "turned"}, ["y"], name="fc")
    outs = ["y"]
    if steps == 2:
        made.place(Transpose(permutation=(1, 0)), {"x": "turned"}, ["back"])
        made.place(Linear(), {"x": "x1", "kernel": "back"}, ["z"], name="fd")
        outs.append("z")
    bundle = outputs(made, *outs)
    assert set(bundle.tensors) == {"fc.kernel", "fd.kernel"} if steps == 2 else {"fc.kernel"}
    assert bundle.tensors["fc.kernel"].record.letters == "OI"
    assert np.array_equal(bundle.tensors["fc.kernel"].data.numpy(), numbers(3, 2, 1, 4).reshape(6, 4).T)
    assert np.array_equal(bundle.source_tensors()["file/w"].numpy(), numbers(3, 2, 1, 4))


def test_one_array_of_two_layers_stays_one_tensor() -> None:
    made = importer(("N", 3))
    value = weight(made, "w", 3, 3)
    made.place(Linear(), {"x": "x0", "kernel": value}, ["a"])
    made.place(Linear(), {"x": "a", "kernel": value}, ["b"])
    assert list(outputs(made, "b").tensors) == ["a.kernel"]


def test_after_a_failure_only_the_rules_of_what_depends_on_it_are_looked_up() -> None:
    made = importer(("N", 3))
    ops = [("Spiral", ["x0"], ["a"]), ("Spring", ["a"], ["b"]), ("Product", ["b", "x0"], ["c"])]
    for kind, taken, given in ops:
        with made.reading(f"m: {kind}", given):
            made.add(Native(kind, kind), taken, given, where=f"m: {kind}")
    with made.reading("m: shape", ["d"]):
        made.place(Relu(), {"x": "c"}, ["d"])
    with pytest.raises(Unknown):
        made.type_of("d")
    text = rejection(lambda: outputs(made, "d"), Refused)
    assert [line.split(".")[0] for line in text.splitlines()] == [
        "m: Spiral: irconv has no rule for Toy's Spiral",
        "m: Spring: irconv has no rule for Toy's Spring",
    ]


def test_sizes_that_meet_are_one_and_the_bundle_says_so() -> None:
    made = importer(("N", 3), ("M", 3))
    made.place(Add(), {"x0": "x0", "x1": "x1"}, ["y"])
    bundle = outputs(made, "y")
    assert [p.shape for p in (*bundle.graph.inputs, *bundle.graph.outputs)] == [("N", 3)] * 3
    assert [(fact.name, fact.value) for fact in bundle.source.facts[-1:]] == [("size", "M = N")]


def test_a_body_takes_constants_along_and_captures_what_is_computed() -> None:
    made = importer(("N", 3))
    value = weight(made, "w", 3, 3)
    made.place(Relu(), {"x": "x0"}, ["a"])
    inner = made.nested()
    inner.input(port("h", ("N", 3)))
    inner.place(Linear(), {"x": "h", "kernel": value}, ["hw"])
    inner.place(Add(), {"x0": "hw", "x1": "a"}, ["next"])
    assert inner.captured == ["a"]
    assert [node.layer for node in inner.nodes] == ["hw", "next"]
