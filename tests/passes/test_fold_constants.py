"""Folding of constants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from irconv.api import read
from irconv.execute import execute
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node, Port
from irconv.ir.layers.base import StoredOperand, ValueType
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.shape_ops import Full
from irconv.ir.layers.tensor_ops import Constant, Mul
from irconv.ir.manifest import SourceRecord
from irconv.ir.validate import validate
from irconv.passes import fold_constants
from tests.helpers_cases import FIXTURES
from tests.passes.random_graphs import Builder


def _pruned() -> Bundle:
    """A Linear whose kernel is a stored one times a mask, as pruning keeps it."""
    b = Builder(np.random.default_rng(3))
    b.types["x"] = ValueType("float32", ("N", 5))
    weight = b.add(Constant(), value=b.normal(7, 5))
    mask = b.add(Constant(), value=(b.random.random((7, 5)) < 0.5).astype(np.float32))
    kernel = b.add(Mul(), weight, mask)
    y = b.add(Linear(), "x", kernel=b.normal(7, 5), bias=b.normal(7))
    node = b.nodes[-1]
    b.nodes[-1] = node.model_copy(update={"inputs": {"x": "x", "kernel": kernel}})
    b.layers[y] = b.layers[y].model_copy(update={"operands": {"bias": StoredOperand(tensor=f"{y}.bias")}})
    del b.tensors[f"{y}.kernel"]
    ports = [
        Port(name=name, value=name, dtype="float32", shape=("N", size), axes="", source_axes="")
        for name, size in (("x", 5), (y, 7))
    ]
    source = SourceRecord(framework="test", version="", files=(), facts=())
    graph = Graph(inputs=(ports[0],), outputs=(ports[1],), nodes=tuple(b.nodes))
    return Bundle(source, b.layers, graph, b.tensors)


def test_a_computed_kernel_becomes_a_stored_operand_with_the_same_predictions() -> None:
    bundle = _pruned()
    folded = fold_constants.run(bundle, lambda part: execute(part, {}, "numpy"))
    assert folded.graph is not None
    assert [folded.layers[node.layer].type for node in folded.graph.nodes] == ["Linear"]
    assert not validate(folded)
    x = np.random.default_rng(4).standard_normal((3, 5)).astype(np.float32)
    (wanted,) = execute(bundle, {"x": x}, "numpy").values()
    (got,) = execute(folded, {"x": x}, "onnxruntime").values()
    assert np.abs(wanted - got).max() < 1e-6


def test_what_depends_on_an_input_stays() -> None:
    bundle = _pruned()
    assert bundle.graph is not None
    folded = fold_constants.run(bundle, lambda part: execute(part, {}, "numpy"))
    assert folded.graph is not None
    assert folded.graph.inputs == bundle.graph.inputs
    assert [node.inputs for node in folded.graph.nodes] == [{"x": "x"}]


def test_a_size_that_an_input_tells_is_not_computed() -> None:
    """Zeros for each sample, as exporters write initial states, depend on how many samples there are."""
    bundle = _pruned()
    assert bundle.graph is not None
    fill = Node(layer="fill", scope="", inputs={}, outputs={"y": "fill"})
    nodes = (*bundle.graph.nodes, fill)
    port = Port(name="fill", value="fill", dtype="float32", shape=("N", 3), axes="", source_axes="")
    graph = bundle.graph.model_copy(update={"nodes": nodes, "outputs": (*bundle.graph.outputs, port)})
    layers = {**bundle.layers, "fill": Full(shape=("N", 3), value=0.5, dtype="float32")}
    folded = fold_constants.run(replace(bundle, graph=graph, layers=layers), lambda part: execute(part, {}, "numpy"))
    assert folded.graph is not None
    assert [folded.layers[node.layer].type for node in folded.graph.nodes] == ["Linear", "Full"]


def test_the_layers_of_a_body_stay() -> None:
    bundle = read(FIXTURES / "onnx" / "onnx-scan-1" / "model.onnx")
    folded = fold_constants.run(bundle, lambda part: execute(part, {}, "numpy"))
    assert not validate(folded)
    assert {layer.type for layer in folded.layers.values()} == {layer.type for layer in bundle.layers.values()}
