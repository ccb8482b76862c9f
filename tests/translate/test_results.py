"""Layers that give any number of results are written with all of them, whatever a graph names."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

import irconv
from irconv.ir.bundle import Bundle
from irconv.ir.graph import Graph, Node
from irconv.ir.layers.slicing import Split
from irconv.ir.layers.tensor_ops import Identity
from tests.helpers import SOURCE, in_onnxruntime, in_torch, port

_X = np.arange(12, dtype=np.float32).reshape(2, 6)


def _one_of_three(slot: str, size: int) -> Bundle:
    nodes = (
        Node(layer="cut", scope="", inputs={"x": "x"}, outputs={slot: "piece"}),
        Node(layer="y", scope="", inputs={"x": "piece"}, outputs={"y": "y"}),
    )
    graph = Graph(inputs=(port("x", ("N", 6)),), outputs=(port("y", ("N", size)),), nodes=nodes)
    return Bundle(SOURCE, {"cut": Split(axis=1, sizes=(1, 3, 2)), "y": Identity()}, graph)


@pytest.mark.parametrize(
    ("slot", "size", "piece"), [("y0", 1, slice(0, 1)), ("y1", 3, slice(1, 4)), ("y2", 2, slice(4, 6))]
)
def test_a_piece_alone_is_the_same_piece_in_every_framework(slot: str, size: int, piece: slice, tmp_path: Path) -> None:
    bundle = _one_of_three(slot, size)
    for name in ("m.onnx", "m.py", "m.keras"):
        irconv.write(bundle, tmp_path / name)
    made = [
        in_onnxruntime(tmp_path / "m.onnx", [_X], optimised=False)[0],
        in_torch(tmp_path / "m.py", [_X])[0],
        np.asarray(keras.models.load_model(tmp_path / "m.keras", compile=False)(_X)),
    ]
    for found in made:
        assert np.array_equal(found, _X[:, piece])
