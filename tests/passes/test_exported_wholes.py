"""What exporters of ONNX write out becomes the layer it was, and gives onnxruntime's numbers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import irconv
from irconv.layout import Array
from tests.helpers import numbers


def _node(kind: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    return helper.make_node(
        kind, ["" if name == "-" else name for name in inputs.split()], outputs.split(), **attributes
    )


def _sizes(*sizes: int) -> Array:
    return np.array(sizes, np.int64)


HEADS = {"q": numbers(2, 5, 3, 4), "k": numbers(2, 6, 3, 4, seed=1), "v": numbers(2, 3, 6, 4, seed=2)}
_ROOT = {"root": np.array(0.5946, np.float32)}
_TURNED = [_node("Transpose", "q", "qt", perm=[0, 2, 1, 3]), _node("Mul", "qt root", "qs")]
_ENDS = [_node("Softmax", "scores", "w", axis=-1), _node("MatMul", "w v", "y")]
_BARS = {"zero": np.array([0], np.float32), "none": np.array([-np.inf], np.float32)}
_SEEN = numbers(5, 6, seed=9) > -0.5
_KERNELS = {"W": numbers(2, 12, 7, seed=3), "R": numbers(2, 12, 3, seed=4), "B": numbers(2, 24, seed=5)}
_ATTENTION = {"ScaledDotProductAttention": 1}

Graph = tuple[list[Any], dict[str, Array], dict[str, Array], dict[str, int]]
GRAPHS: dict[str, Graph] = {
    "attention scaled on both sides": (
        [
            *_TURNED,
            _node("Transpose", "k", "kt", perm=[0, 2, 3, 1]),
            _node("Mul", "kt root", "ks"),
            _node("MatMul", "qs ks", "scores"),
            *_ENDS,
        ],
        HEADS,
        _ROOT,
        _ATTENTION,
    ),
    "attention whose keys are turned with heads and samples as one axis": (
        [
            *_TURNED,
            _node("Transpose", "k", "kh", perm=[0, 2, 1, 3]),
            _node("Reshape", "kh merged", "km"),
            _node("Transpose", "km", "kt", perm=[0, 2, 1]),
            _node("Reshape", "kt apart", "ka"),
            _node("Mul", "ka root", "ks"),
            _node("MatMul", "qs ks", "scores"),
            *_ENDS,
        ],
        HEADS,
        {**_ROOT, "merged": _sizes(6, 6, 4), "apart": _sizes(2, 3, 4, 6)},
        _ATTENTION,
    ),
    "attention under a mask of numbers": (
        [
            *_TURNED,
            _node("Transpose", "k", "kt", perm=[0, 2, 3, 1]),
            _node("MatMul", "qs kt", "products"),
            _node("Add", "m products", "scores"),
            *_ENDS,
        ],
        {**HEADS, "m": numbers(2, 1, 5, 6, seed=6)},
        _ROOT,
        _ATTENTION,
    ),
    "attention under truths, with zeros where a query may see nothing": (
        [
            *_TURNED,
            _node("Transpose", "k", "kt", perm=[0, 2, 3, 1]),
            _node("MatMul", "qs kt", "products"),
            _node("Where", "seen zero none", "m"),
            _node("Add", "products m", "scores"),
            _node("Softmax", "scores", "soft", axis=-1),
            _node("IsNaN", "soft", "bad"),
            _node("Where", "bad zero soft", "w"),
            _node("MatMul", "w v", "y"),
        ],
        {**HEADS, "seen": np.where(np.arange(5)[:, None] == 2, False, _SEEN)},
        {**_ROOT, **_BARS},
        _ATTENTION,
    ),
    "groups of channels as channels": (
        [
            _node("Reshape", "x merged", "xm"),
            _node("InstanceNormalization", "xm ones zeros", "n", epsilon=1e-3),
            _node("Reshape", "n apart", "na"),
            _node("Mul", "na gamma", "s"),
            _node("Add", "s beta", "y"),
        ],
        {"x": numbers(2, 6, 3, 5)},
        {
            "merged": _sizes(0, 3, -1),
            "apart": _sizes(2, 6, 3, 5),
            "ones": np.ones(3, np.float32),
            "zeros": np.zeros(3, np.float32),
            "gamma": numbers(6, 1, 1, seed=1),
            "beta": numbers(6, 1, 1, seed=2),
        },
        {"GroupNorm": 1},
    ),
    "a norm over the last of three axes": (
        [
            _node("ReduceMean", "x", "mean", axes=[-1]),
            _node("Sub", "x mean", "c"),
            _node("Mul", "c c", "c2"),
            _node("ReduceMean", "c2", "variance", axes=[-1]),
            _node("Add", "variance small", "e"),
            _node("Sqrt", "e", "root"),
            _node("Div", "c root", "n"),
            _node("Mul", "n gamma", "s"),
            _node("Add", "s beta", "y"),
        ],
        {"x": numbers(2, 4, 7)},
        {"small": np.array(1e-3, np.float32), "gamma": numbers(7, seed=1), "beta": numbers(7, seed=2)},
        {"LayerNorm": 1},
    ),
    "both directions, and their last states": (
        [
            _node("Transpose", "x", "xt", perm=[1, 0, 2]),
            _node("LSTM", "xt W R B - zeros zeros", "Y h c", hidden_size=3, direction="bidirectional"),
            _node("Transpose", "Y", "Yt", perm=[0, 2, 1, 3]),
            _node("Reshape", "Yt merged", "joined"),
            _node("Transpose", "joined", "y", perm=[1, 0, 2]),
        ],
        {"x": numbers(2, 5, 7)},
        {**_KERNELS, "zeros": np.zeros((2, 2, 3), np.float32), "merged": _sizes(5, 2, 6)},
        {"LSTM": 2, "Concat": 1, "Stack": 1},
    ),
    "one index of an axis": (
        [_node("Gather", "x index", "y", axis=1)],
        {"x": numbers(2, 5, 7)},
        {"index": np.array(-2, np.int64)},
        {"Select": 1},
    ),
    "elements repeated in place": (
        [_node("Unsqueeze", "x axis", "a"), _node("Tile", "a times", "t"), _node("Reshape", "t whole", "y")],
        {"x": numbers(2, 5, 3)},
        {"axis": _sizes(2), "times": _sizes(1, 1, 4, 1), "whole": _sizes(2, 20, 3)},
        {"Repeat": 1},
    ),
    "the whole repeated, which is another thing": (
        [_node("Unsqueeze", "x axis", "a"), _node("Tile", "a times", "t"), _node("Reshape", "t whole", "y")],
        {"x": numbers(2, 5, 3)},
        {"axis": _sizes(1), "times": _sizes(1, 1, 4, 1), "whole": _sizes(2, 20, 3)},
        {"Unsqueeze": 1, "Squeeze": 1, "Tile": 1},
    ),
    "a fixed mean and variance": (
        [
            _node("Sub", "x mean", "c"),
            _node("Sqrt", "variance", "s"),
            _node("Clip", "s low", "d"),
            _node("Div", "c d", "y"),
        ],
        {"x": numbers(2, 3, 5)},
        {
            "mean": numbers(1, 3, 1, seed=1),
            "variance": np.abs(numbers(1, 3, 1, seed=2)),
            "low": np.array(1e-7, np.float32),
        },
        {"Standardization": 1},
    ),
}


def _model(nodes: list[Any], given: dict[str, Array], held: dict[str, Array], outputs: list[str]) -> bytes:
    ins = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in given.items()
    ]
    outs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(nodes, "g", ins, outs, [numpy_helper.from_array(a, name) for name, a in held.items()])
    made: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()
    return made


@pytest.mark.parametrize("name", GRAPHS)
def test_what_is_written_out_becomes_the_layer(name: str, tmp_path: Path) -> None:
    nodes, given, held, layers = GRAPHS[name]
    outputs = ["y", *([] if "LSTM" not in layers else ["h"])]
    model = _model(nodes, given, held, outputs)
    (tmp_path / "m.onnx").write_bytes(model)
    bundle = irconv.read(tmp_path / "m.onnx")
    found = irconv.run(bundle, given)
    wanted = onnxruntime.InferenceSession(model).run(None, given)
    for got, right in zip(found.values(), wanted, strict=True):
        assert got.shape == right.shape
        assert np.allclose(got, right, rtol=1e-5, atol=1e-6)
    assert bundle.graph is not None
    kinds = Counter(bundle.layers[node.layer].type for node in bundle.graph.nodes)
    assert kinds - Counter({"Transpose": 9}) == Counter(layers)


def test_a_softmax_over_other_places_is_no_attention(tmp_path: Path) -> None:
    nodes, given, held, _ = GRAPHS["attention scaled on both sides"]
    other = [*nodes[:-2], _node("Softmax", "scores", "w", axis=2), nodes[-1]]
    model = _model(other, given, held, ["y"])
    (tmp_path / "m.onnx").write_bytes(model)
    bundle = irconv.read(tmp_path / "m.onnx")
    assert not any(layer.type == "ScaledDotProductAttention" for layer in bundle.layers.values())
    (found,) = irconv.run(bundle, given).values()
    assert np.allclose(found, onnxruntime.InferenceSession(model).run(None, given)[0], atol=1e-6)


def test_what_is_called_twice_is_one_layer(tmp_path: Path) -> None:
    given = {"a": numbers(2, 5), "b": numbers(2, 5, seed=1)}
    held = {"k": numbers(4, 5, seed=2), "c": numbers(4, seed=3)}
    nodes = [_node("Gemm", f"{x} k c", f"{x}2", transB=1) for x in "ab"] + [_node("Sub", "a2 b2", "y")]
    (tmp_path / "m.onnx").write_bytes(_model(nodes, given, held, ["y"]))
    bundle = irconv.read(tmp_path / "m.onnx")
    assert sorted(layer.type for layer in bundle.layers.values()) == ["Linear", "Sub"]
    (found,) = irconv.run(bundle, given).values()
    assert np.allclose(found, (given["a"] - given["b"]) @ held["k"].T, atol=1e-6)
