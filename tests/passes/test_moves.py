"""The layout pass on every layer type: between transposes, it gives the numbers it gave before, both ways."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from irconv.frameworks.keras.table import TABLE
from irconv.frameworks.onnx.write import to_bytes
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node, Port
from irconv.ir.layers.base import Layer
from irconv.ir.layers.tensor_ops import Identity, Transpose
from irconv.ir.validate import validate
from irconv.layout import invert
from irconv.passes import boundary, channels_last, to_channels_last
from irconv.translate import native_axes
from tests.helpers import in_onnxruntime
from tests.layers.harness import Case, bundle_of, difference
from tests.layers.test_layers import CASES

TOLERANCE = 1e-5
"""onnxruntime sums in another order where other axes are next to each other, and a spectral norm is a long way."""


def between_transposes(case: Case, random: np.random.Generator) -> tuple[Bundle, list[np.ndarray]]:
    """A graph of the one layer, whose inputs come and whose results go in other orders of axes, and its inputs."""
    bundle = bundle_of(case)
    assert bundle.graph is not None
    layers: dict[str, Layer] = dict(bundle.layers)
    before, after, inputs, outputs, feeds = [], [], [], [], []

    def turn(source: str, order: tuple[int, ...], result: str) -> Node:
        if not order:  # ONNX writers cannot say a Transpose of a number
            layers["same"] = Identity()
            return Node(layer="same", scope="", inputs={"x": source}, outputs={"y": result})
        name = f"transpose_{''.join(map(str, order))}"
        layers[name] = Transpose(permutation=order)
        return Node(layer=name, scope="", inputs={"x": source}, outputs={"y": result})

    for port in bundle.graph.inputs:
        order = _order(len(port.shape), random)
        outer = f"{port.value}.outer"
        before.append(turn(outer, order, port.value))
        shape = tuple(port.shape[axis] for axis in invert(order))
        inputs.append(Port(name=port.name, value=outer, dtype=port.dtype, shape=shape, axes="", source_axes=""))
        feeds.append(np.array(case.inputs[port.name.removeprefix("in.")].transpose(invert(order)), order="C"))
    for port in bundle.graph.outputs:
        order = _order(len(port.shape), random)
        outer = f"{port.value}.outer"
        after.append(turn(port.value, order, outer))
        shape = tuple(port.shape[axis] for axis in order)
        outputs.append(port.model_copy(update={"value": outer, "shape": shape}))
    nodes = (*before, *bundle.graph.nodes, *after)
    graph = Graph(inputs=tuple(inputs), outputs=tuple(outputs), nodes=nodes)
    return Bundle(bundle.source, layers, graph, bundle.tensors), feeds


def _order(rank: int, random: np.random.Generator) -> tuple[int, ...]:
    """Often that between channels-first and channels-last, else any that leaves the batch in place."""
    kind, last = random.integers(4), (*range(2, rank), 1)
    if rank < 3 or kind == 0:
        return tuple(range(rank))
    if kind == 1:
        return (0, *last)
    return invert((0, *last)) if kind == 2 else (0, *(int(axis) + 1 for axis in random.permutation(rank - 1)))


@pytest.mark.parametrize("case", CASES, ids=[f"{case.layer.type}: {case.name}" for case in CASES])
def test_a_layer_between_transposes_gives_the_same_numbers(case: Case) -> None:
    for seed in range(3):
        naive, feeds = between_transposes(case, np.random.default_rng(zlib.crc32(case.name.encode()) + seed))
        done = channels_last.run(naive)
        assert not validate(done), validate(done).all()
        back = to_channels_last.run(done, native_axes(TABLE))
        assert not validate(back), validate(back).all()
        bundles = (naive, boundary.to_source_axes(done), boundary.to_source_axes(back))
        wanted, *others = (in_onnxruntime(to_bytes(bundle), feeds, optimised=False) for bundle in bundles)
        for got in others:
            worst = max(difference(array, want) for array, want in zip(got, wanted, strict=True))
            assert worst <= TOLERANCE, f"seed {seed}"
