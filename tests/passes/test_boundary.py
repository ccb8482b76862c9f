"""The axes of inputs and outputs are turned back to the source's own on request."""

from __future__ import annotations

from dataclasses import replace

import pytest

import irconv
from irconv.ir.inference import infer_types
from irconv.ir.layers.activations import Relu
from irconv.passes import boundary
from tests.helpers import ONE_OF_EACH, Builder, Case, golden, name_of, numbers, read_case, used_types


@pytest.mark.parametrize("case", ONE_OF_EACH, ids=name_of)
def test_ports_have_the_sources_axes_and_shapes_afterwards(case: Case) -> None:
    bundle = read_case(case)
    done = boundary.to_source_axes(bundle)
    assert bundle.graph is not None
    assert done.graph is not None
    for before, after in zip(
        bundle.graph.inputs + bundle.graph.outputs, done.graph.inputs + done.graph.outputs, strict=True
    ):
        assert (after.axes, after.name, after.dtype) == (before.source_axes, before.name, before.dtype)
        assert sorted(map(str, after.shape)) == sorted(map(str, before.shape))
    types = infer_types(done)
    assert [types[port.value].shape for port in done.graph.outputs] == [port.shape for port in done.graph.outputs]


@pytest.mark.parametrize("case", ONE_OF_EACH, ids=name_of)
def test_one_transpose_is_added_for_each_port_that_moved(case: Case) -> None:
    bundle = read_case(case)
    assert bundle.graph is not None
    moved = sum(port.axes != port.source_axes for port in bundle.graph.inputs + bundle.graph.outputs)
    added = len(used_types(boundary.to_source_axes(bundle))) - len(used_types(bundle))
    assert added == moved


def test_a_model_whose_axes_are_the_sources_is_left_alone() -> None:
    bundle = read_case(golden("tf2.15-dense_2d"))
    assert boundary.to_source_axes(bundle).manifest() == bundle.manifest()


def test_an_input_that_is_an_output_too_is_turned_once_each_way() -> None:
    bundle = Builder(x=("N", 3, 5, 4)).add("y", Relu(), "x").build("y", "x")
    assert bundle.graph is not None
    axes = {"axes": "NCHW", "source_axes": "NHWC"}
    ports = [[port.model_copy(update=axes) for port in ports] for ports in (bundle.graph.inputs, bundle.graph.outputs)]
    graph = bundle.graph.model_copy(update={"inputs": tuple(ports[0]), "outputs": tuple(ports[1])})
    turned = replace(bundle, graph=graph)
    x = numbers(2, 5, 4, 3)
    got = irconv.run(turned, [x], runtime="numpy")
    assert got["x"].tolist() == x.tolist()
    assert got["y"].shape == x.shape
