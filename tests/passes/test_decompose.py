"""Composite layers become the simpler ones their class says they are made of."""

from __future__ import annotations

from collections.abc import Mapping

import irconv
from irconv.ir.inference import infer_types
from irconv.ir.layers.activations import GeneralRelu, Relu, Silu
from irconv.ir.layers.arithmetic import Div, FloorDiv
from irconv.ir.layers.base import Decomposition, Layer, ValueType
from irconv.ir.layers.formula import Formula
from irconv.passes import decompose
from tests.helpers import Builder, error, numbers, used_types


def test_a_composite_becomes_its_steps_with_the_same_result() -> None:
    bundle = Builder(x=("N", 3)).add("swish", Silu(), "x").add("y", Relu(), "swish").build()
    done = decompose.run(bundle, {"Sigmoid", "Mul", "Relu"})
    assert used_types(done) == ["Sigmoid", "Mul", "Relu"]
    assert infer_types(done)["swish"] == infer_types(bundle)["swish"]
    got, wanted = (list(irconv.run(b, [numbers(2, 3)], runtime="numpy").values()) for b in (done, bundle))
    assert error(got, wanted) < 1e-6


def test_what_is_supported_stays() -> None:
    bundle = Builder(x=("N", 3)).add("swish", Silu(), "x").build()
    assert decompose.run(bundle, {"Silu"}).manifest() == bundle.manifest()


def test_a_layer_that_would_be_a_part_of_itself_stays_for_the_table_to_refuse() -> None:
    bundle = Builder(x=("N", 3)).add("y", FloorDiv(), "x", "x").build()

    def around(layer: Layer, given: Mapping[str, ValueType]) -> Decomposition | None:
        f = Formula(layer, given)
        other = FloorDiv() if isinstance(layer, Div) else Div()
        return f.ends(other, "x0", "x1") if isinstance(layer, Div | FloorDiv) else None

    assert used_types(decompose.run(bundle, (), around)) == ["FloorDiv"]


def test_two_uses_of_one_composite_keep_their_values_apart() -> None:
    builder = Builder(a=("N", 3), b=("N", 3)).add("swish", Silu(), "a").use("swish", "b", result="second")
    done = decompose.run(builder.build("swish", "second"), {"Sigmoid", "Mul"})
    assert used_types(done) == ["Sigmoid", "Mul", "Sigmoid", "Mul"]
    assert done.graph is not None
    made = [value for node in done.graph.nodes for value in node.outputs.values()]
    assert len(set(made)) == len(made)


def test_a_composite_of_constants_brings_them_along() -> None:
    layer = GeneralRelu(max_value=1.5, negative_slope=0.2, threshold=0.3)
    bundle = Builder(x=("N", 3)).add("y", layer, "x").build()
    done = decompose.run(bundle, {"ThresholdedRelu", "Clip", "Constant", "Add", "Mul"})
    assert "GeneralRelu" not in used_types(done)
    got, wanted = (list(irconv.run(b, [numbers(2, 3) * 3], runtime="numpy").values()) for b in (done, bundle))
    assert error(got, wanted) < 1e-6
