"""Sizes that only a run knows: computed once, from the right axis, or refused by name."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from irconv.errors import Refused
from irconv.execute import execute
from irconv.frameworks.onnx.write import to_bytes
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node, Port
from irconv.ir.layers.base import Layer
from irconv.ir.layers.shape_ops import Expand, Full, Range
from irconv.ir.layers.tensor_ops import Identity, Reshape
from irconv.ir.manifest import SourceRecord
from irconv.ir.shapes import Shape

Runtime: TypeAlias = Literal["onnxruntime", "numpy"]
X = np.arange(30, dtype=np.float32).reshape(5, 6)


def _chain(*layers: Layer, shape: Shape = ("N", "T")) -> Bundle:
    """The layers one after another."""
    names = [f"v{i}" for i in range(len(layers) + 1)]
    nodes = tuple(
        Node(layer=f"l{i}", scope="", inputs={"x": names[i]}, outputs={"y": names[i + 1]}) for i in range(len(layers))
    )
    port = Port(name="x", value="v0", dtype="float32", shape=shape, axes="", source_axes="")
    last = port.model_copy(update={"name": "y", "value": names[-1]})
    source = SourceRecord(framework="test", version="", files=(), facts=())
    graph = Graph(inputs=(port,), outputs=(last,), nodes=nodes)
    return Bundle(source, {f"l{i}": layer for i, layer in enumerate(layers)}, graph, {})


@pytest.mark.parametrize("runtime", ["onnxruntime", "numpy"])
@pytest.mark.parametrize(
    "size", ["(N - 7)//2 + 3", "(3*T - 2*N + 1)//4", "N*T - 29", "T//4*2", "2*(T//4)", "N - T//4*3"]
)
def test_arithmetic_is_pythons(size: str, runtime: Runtime) -> None:
    wanted = eval(size, {}, {"N": 5, "T": 6})
    bundle = _chain(Expand(shape=(size, "N", "T")))
    (got,) = execute(bundle, {"x": X}, runtime).values()
    assert got.shape == (wanted, 5, 6)


def test_a_size_is_computed_once() -> None:
    turned = Reshape(shape=("T", "N"))
    bundle = _chain(turned, Reshape(shape=("N", "T")), turned)
    ops = Counter(node.op_type for node in onnx.load_from_string(to_bytes(bundle)).graph.node)
    assert ops == {"Reshape": 3, "Shape": 2, "Concat": 2}


def test_sizes_in_place_are_not_computed() -> None:
    ops = [node.op_type for node in onnx.load_from_string(to_bytes(_chain(Reshape(shape=("N", 1, "T"))))).graph.node]
    assert ops == ["Reshape"]


@pytest.mark.parametrize("runtime", ["onnxruntime", "numpy"])
@pytest.mark.parametrize(
    ("layer", "wanted"),
    [
        (Range(start=1, limit="2*T", step=3), np.arange(1, 12, 3)),
        (Range(start="T - N", limit=-5, step=-2), np.arange(1, -5, -2)),
        (Full(shape=("T", 2, "N"), value=7, dtype="int64"), np.full((6, 2, 5), 7)),
    ],
)
def test_values_are_made_from_sizes_alone(layer: Layer, wanted: npt.NDArray[np.int64], runtime: Runtime) -> None:
    graph = _chain(Identity())
    assert graph.graph is not None
    port = Port(name="made", value="made", dtype="int64", shape=layer.infer({})["y"].shape, axes="", source_axes="")
    nodes = (*graph.graph.nodes, Node(layer="made", scope="", inputs={}, outputs={"y": "made"}))
    outputs = (*graph.graph.outputs, port)
    bundle = replace(
        graph.with_layer("made", layer), graph=graph.graph.model_copy(update={"nodes": nodes, "outputs": outputs})
    )
    np.testing.assert_array_equal(execute(bundle, {"x": X}, runtime)["made"], wanted)


def test_a_symbol_that_nothing_has_is_refused_by_name() -> None:
    with pytest.raises(Refused, match=r"layer l0 \(Expand\): its shape depends on Q, which is the size of no value"):
        to_bytes(_chain(Expand(shape=("2*Q + 1", "N", "T"))))
