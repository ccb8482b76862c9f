"""Nodes that pass their input on are taken out."""

from __future__ import annotations

import numpy as np

import irconv
from irconv.ir.layers.activations import Relu
from irconv.ir.layers.tensor_ops import Concat, Identity
from irconv.ir.layers.training import Dropout
from irconv.passes import remove_identity
from tests.helpers import Builder, numbers, used_types


def test_identities_and_dropouts_are_taken_out() -> None:
    builder = (
        Builder(x=("N", 3)).add("id", Identity(), "x").add("drop", Dropout(rate=0.5, noise="zero", shared=()), "id")
    )
    bundle = builder.add("relu", Relu(), "drop").add("last", Identity(), "relu").build()
    done = remove_identity.run(bundle)
    assert used_types(done) == ["Relu"]
    assert list(done.layers) == ["relu"]
    assert done.graph is not None
    assert done.graph.nodes[0].inputs == {"x": "x"}
    assert [port.name for port in done.graph.outputs] == ["last"]
    assert done.graph.outputs[0].value == done.graph.nodes[0].outputs["y"]


def test_an_output_that_would_be_an_input_keeps_one_identity() -> None:
    done = remove_identity.run(Builder(x=("N", 3)).add("drop", Dropout(rate=0.5, noise="zero", shared=()), "x").build())
    assert used_types(done) == ["Identity"]
    assert np.array_equal(irconv.run(done, [numbers(2, 3)], runtime="numpy")["drop"], numbers(2, 3))


def test_a_bundle_without_them_is_the_same() -> None:
    bundle = Builder(x=("N", 3)).add("relu", Relu(), "x").build()
    assert remove_identity.run(bundle).manifest() == bundle.manifest()


def test_a_join_of_one_value_is_taken_out() -> None:
    builder = Builder(x=("N", 3)).add("join", Concat(axis=1), "x").add("relu", Relu(), "join")
    assert used_types(remove_identity.run(builder.build())) == ["Relu"]
    ends = remove_identity.run(Builder(x=("N", 3)).add("join", Concat(axis=1), "x").build())
    assert used_types(ends) == ["Identity"]
    assert np.array_equal(irconv.run(ends, [numbers(2, 3)], runtime="numpy")["join"], numbers(2, 3))
