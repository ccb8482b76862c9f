"""Several Transposes in a row are one, and none where they undo each other."""

from __future__ import annotations

import numpy as np

import irconv
from irconv.frameworks.onnx.lower import lower
from irconv.ir.bundle import Bundle
from irconv.ir.layers.activations import Relu
from irconv.ir.layers.attention import ScaledDotProductAttention
from irconv.ir.layers.tensor_ops import Transpose
from irconv.passes import compose_transposes
from tests.helpers import Builder, numbers, used_types

FIRST, LAST = (0, 2, 3, 1), (0, 3, 1, 2)


def orders(bundle: Bundle) -> list[tuple[int, ...]]:
    assert bundle.graph is not None
    layers = [bundle.layers[node.layer] for node in bundle.graph.nodes]
    return [layer.permutation for layer in layers if isinstance(layer, Transpose)]


def composed(bundle: Bundle) -> Bundle:
    """After the pass, which changes no number."""
    after = compose_transposes.run(bundle)
    x = numbers(2, 3, 4, 5)
    for want, got in zip(*(irconv.run(b, [x], runtime="numpy").values() for b in (bundle, after)), strict=True):
        np.testing.assert_array_equal(want, got)
    return after


def test_two_turns_are_one() -> None:
    b = Builder(x=(2, 3, 4, 5)).add("a", Transpose(permutation=(0, 2, 1, 3)), "x")
    found = composed(b.add("b", Transpose(permutation=(0, 1, 3, 2)), "a").build())
    assert orders(found) == [(0, 2, 3, 1)]


def test_a_turn_and_the_way_back_are_nothing() -> None:
    b = Builder(x=(2, 3, 4, 5)).add("a", Transpose(permutation=FIRST), "x")
    found = composed(b.add("b", Transpose(permutation=LAST), "a").add("y", Relu(), "b").build())
    assert used_types(found) == ["Relu"]


def test_a_turn_that_something_else_takes_stays_beside_the_one_of_both() -> None:
    b = Builder(x=(2, 3, 4, 5)).add("a", Transpose(permutation=FIRST), "x").add("y", Relu(), "a")
    found = composed(b.add("b", Transpose(permutation=(0, 1, 3, 2)), "a").build("y", "b"))
    assert orders(found) == [FIRST, (0, 2, 1, 3)]


def test_keys_that_are_turned_to_their_heads_are_turned_once_for_the_product_in_onnx() -> None:
    b = Builder(q=(2, 3, 4, 5), k=(2, 4, 3, 5), v=(2, 3, 4, 5)).add("keys", Transpose(permutation=(0, 2, 1, 3)), "k")
    layer = ScaledDotProductAttention(scale=0.5, softcap=None, causal="none", fully_masked="zero")
    b.layers["y"] = layer
    from irconv.ir.graph import Node

    b.nodes.append(Node(layer="y", scope="", inputs={"query": "q", "key": "keys", "value": "v"}, outputs={"y": "y"}))
    assert orders(lower(b.build())) == [(0, 2, 3, 1)]
