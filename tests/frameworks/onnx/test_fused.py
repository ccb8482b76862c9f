"""Ops of ONNX Runtime and attention of ONNX, each against the runtime or the reference that defines it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import irconv
from irconv.errors import Refused
from irconv.layout import Array
from tests.helpers import numbers, rejection

_TYPES = {
    "float32": TensorProto.FLOAT,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
}


def _model(nodes: list[Any], given: dict[str, Array], held: dict[str, Array], outputs: list[str], opset: int) -> bytes:
    """A graph with the shapes of its inputs; those of its outputs are left to be inferred."""
    ins = [helper.make_tensor_value_info(n, _TYPES[a.dtype.name], a.shape) for n, a in given.items()]
    outs = [helper.make_empty_tensor_value_info(name) for name in outputs]
    held_there = [numpy_helper.from_array(array, name) for name, array in held.items()]
    graph = helper.make_graph(nodes, "g", ins, outs, held_there)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    made: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    return made


def _fused(op: str, inputs: list[str], outputs: int = 1, **attributes: Any) -> Any:
    names = [f"y{i}" for i in range(outputs)]
    return helper.make_node(op, inputs, names, domain="com.microsoft", **attributes)


def _worst(path: Path, model: bytes, given: dict[str, Array], wanted: list[Array]) -> float:
    path.write_bytes(model)
    found = irconv.run(irconv.read(path), given)
    assert [value.shape for value in found.values()] == [value.shape for value in wanted]
    return max(
        float(np.abs(a - b).max() / max(np.abs(b).max(), 1)) for a, b in zip(found.values(), wanted, strict=True)
    )


def _in_runtime(model: bytes, given: dict[str, Array]) -> list[Array]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    wanted: list[Array] = onnxruntime.InferenceSession(model, options).run(None, given)
    return wanted


X, IMAGE = numbers(2, 5, 12), numbers(2, 3, 7, 6)
KERNEL, MIXED = numbers(12, 36, seed=3), numbers(36, seed=4)

FUSED: dict[str, tuple[Any, dict[str, Array], dict[str, Array]]] = {
    "a norm over all places": (helper.make_node("GlobalLpPool", ["x"], ["y"], p=3), {"x": IMAGE}, {}),
    "a convolution with an activation": (
        _fused("FusedConv", ["x", "k", "b"], activation="LeakyRelu", activation_params=[0.3], strides=[2, 1]),
        {"x": IMAGE},
        {"k": numbers(4, 3, 3, 2), "b": numbers(4, seed=2)},
    ),
    "a convolution with a sum and an activation": (
        _fused("FusedConv", ["x", "k", "b", "z"], activation="Relu", pads=[1, 0, 1, 1]),
        {"x": IMAGE, "z": numbers(2, 4, 7, 6, seed=5)},
        {"k": numbers(4, 3, 3, 2), "b": numbers(4, seed=2)},
    ),
    "a product with both sides turned": (
        _fused("FusedMatMul", ["x", "k"], alpha=0.7, transA=1, transB=1),
        {"x": X},
        {"k": numbers(9, 5)},
    ),
    "a product with the batch turned, too": (
        _fused("FusedMatMul", ["x", "k"], transBatchA=1, transBatchB=1, transB=1, alpha=0.5),
        {"x": numbers(5, 2, 3, 4)},
        {"k": numbers(6, 2, 3, 4, seed=1)},
    ),
    "a product of turned features with a turned batch": (
        _fused("FusedMatMul", ["x", "k"], transBatchA=1, transA=1),
        {"x": numbers(5, 2, 4)},
        {"k": numbers(2, 5, 3, seed=1)},
    ),
    "attention with a mask of ones and zeros": (
        _fused("Attention", ["x", "k", "b", "m"], num_heads=3),
        {"x": X, "m": np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 1]], np.int32)},
        {"k": KERNEL, "b": MIXED},
    ),
    "attention between beginnings and ends": (
        _fused("Attention", ["x", "k", "b", "m"], num_heads=3),
        {"x": X},
        {"k": KERNEL, "b": MIXED, "m": np.array([4, 5, 0, 2], np.int32)},
    ),
    "causal attention with widths and a scale of its own": (
        _fused("Attention", ["x", "k", "b"], num_heads=2, unidirectional=1, scale=0.4, qkv_hidden_sizes=[8, 8, 20]),
        {"x": X},
        {"k": KERNEL, "b": MIXED},
    ),
    "attention with numbers added to its scores": (
        _fused("Attention", ["x", "k", "b", "", "", "more"], num_heads=3),
        {"x": X, "more": numbers(2, 3, 5, 5, seed=8)},
        {"k": KERNEL, "b": MIXED},
    ),
    "attention of projected values": (
        _fused("MultiHeadAttention", ["x", "key", "value", "b"], num_heads=3),
        {"x": X, "key": numbers(2, 4, 12, seed=6), "value": numbers(2, 4, 12, seed=7)},
        {"b": MIXED},
    ),
    "attention to keys that a sample has": (
        _fused("MultiHeadAttention", ["x", "key", "value", "", "m"], num_heads=3),
        {"x": X, "key": numbers(2, 4, 12, seed=6), "value": numbers(2, 4, 9, seed=7), "m": np.array([2, 4], np.int32)},
        {},
    ),
    "rotation of neighbours, in part": (
        _fused("RotaryEmbedding", ["x", "p", "c", "s"], interleaved=1, num_heads=2, rotary_embedding_dim=4),
        {"x": X, "p": np.array([[0, 3, 1, 4, 2], [6, 5, 2, 1, 0]], np.int64)},
        {"c": np.cos(numbers(7, 2)), "s": np.sin(numbers(7, 2))},
    ),
    "rotation of halves from a start": (
        _fused("RotaryEmbedding", ["x", "p", "c", "s"]),
        {"x": numbers(2, 3, 5, 4), "p": np.array([2], np.int64)},
        {"c": np.cos(numbers(9, 2)), "s": np.sin(numbers(9, 2))},
    ),
}


@pytest.mark.parametrize("name", FUSED)
def test_a_fused_op_gives_what_the_runtime_gives(name: str, tmp_path: Path) -> None:
    node, given, held = FUSED[name]
    model = _model([node], given, held, list(node.output), 17)
    assert _worst(tmp_path / "m.onnx", model, given, _in_runtime(model, given)) < 2e-6


HEADS = {"x": numbers(2, 4, 3, 6), "key": numbers(2, 2, 5, 6, seed=2), "value": numbers(2, 2, 5, 4, seed=3)}
STANDARD: dict[str, tuple[Any, dict[str, Array], int]] = {
    "groups, a softcap and a mask that leaves a query nothing": (
        helper.make_node("Attention", ["x", "key", "value", "mask"], ["y"], softcap=0.8, scale=0.3),
        {**HEADS, "mask": np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], bool)},
        23,
    ),
    "a past, causally, with the keys and values given on": (
        helper.make_node("Attention", ["x", "key", "value", "", "pk", "pv"], ["y", "k", "v"], is_causal=1),
        {
            "x": numbers(2, 2, 3, 6),
            "key": numbers(2, 2, 3, 6, seed=2),
            "value": numbers(2, 2, 3, 4, seed=3),
            "pk": numbers(2, 2, 4, 6, seed=4),
            "pv": numbers(2, 2, 4, 4, seed=5),
        },
        23,
    ),
    "heads in the last axis and weights as a result": (
        helper.make_node(
            "Attention",
            ["x", "key", "value"],
            ["y", "", "", "w"],
            q_num_heads=4,
            kv_num_heads=2,
            is_causal=1,
            qk_matmul_output_mode=3,
        ),
        {"x": numbers(2, 5, 12), "key": numbers(2, 5, 6, seed=2), "value": numbers(2, 5, 8, seed=3)},
        23,
    ),
    "keys that a sample has, and a shorter mask": (
        helper.make_node("Attention", ["x", "key", "value", "mask", "", "", "count"], ["y"]),
        {**HEADS, "mask": numbers(3, 4, seed=9), "count": np.array([3, 4], np.int64)},
        24,
    ),
    "a window behind a past, under a mask": (
        helper.make_node(
            "Attention", ["x", "key", "value", "mask", "pk", "pv"], ["y"], left_window_size=2, right_window_size=1
        ),
        {
            "x": numbers(2, 2, 3, 6),
            "key": numbers(2, 2, 3, 6, seed=2),
            "value": numbers(2, 2, 3, 4, seed=3),
            "mask": numbers(3, 7, seed=9),
            "pk": numbers(2, 2, 4, 6, seed=4),
            "pv": numbers(2, 2, 4, 4, seed=5),
        },
        25,
    ),
    "a causal window": (
        helper.make_node("Attention", ["x", "key", "value"], ["y"], is_causal=1, left_window_size=1),
        {"x": numbers(2, 2, 5, 6), "key": numbers(2, 2, 5, 6, seed=2), "value": numbers(2, 2, 5, 4, seed=3)},
        25,
    ),
    "rotation by angles of each place": (
        helper.make_node("RotaryEmbedding", ["x", "cos", "sin", "places"], ["y"], num_heads=2, interleaved=1),
        {
            "x": numbers(2, 5, 12),
            "cos": np.cos(numbers(8, 3)),
            "sin": np.sin(numbers(8, 3)),
            "places": np.array([[1, 0, 7, 3, 2], [4, 5, 6, 0, 1]], np.int64),
        },
        23,
    ),
}


@pytest.mark.parametrize("name", STANDARD)
def test_attention_gives_what_the_reference_gives(name: str, tmp_path: Path) -> None:
    node, given, opset = STANDARD[name]
    outputs = [output for output in node.output if output]
    model = _model([node], given, {}, outputs, opset)
    wanted = [np.asarray(array) for array in ReferenceEvaluator(onnx.load_from_string(model)).run(outputs, given)]
    assert _worst(tmp_path / "m.onnx", model, given, wanted) < 2e-6


def test_attention_that_turns_what_it_attends_to_is_refused(tmp_path: Path) -> None:
    node = _fused("Attention", ["x", "k", "b"], num_heads=3, do_rotary=1)
    (tmp_path / "m.onnx").write_bytes(_model([node], {"x": X}, {"k": KERNEL, "b": MIXED}, ["y0"], 17))
    text = rejection(lambda: irconv.read(tmp_path / "m.onnx"), Refused)
    assert text == ("m.onnx: node y0 (com.microsoft.Attention): turns what it attends to, which irconv does not read.")


def test_what_is_padded_with_infinity_is_kept(tmp_path: Path) -> None:
    node = helper.make_node("Pad", ["x", "pads", "value"], ["y"])
    held = {"pads": np.array([1, 0, 0, 2], np.int64), "value": np.array(-np.inf, np.float32)}
    given = {"x": numbers(2, 3)}
    (tmp_path / "m.onnx").write_bytes(_model([node], given, held, ["y"], 17))
    irconv.convert(tmp_path / "m.onnx", tmp_path / "m.irconv")
    (found,) = irconv.run(irconv.read(tmp_path / "m.irconv"), given).values()
    assert np.array_equal(found, np.pad(given["x"], ((1, 0), (0, 2)), constant_values=-np.inf))


def test_numbers_of_four_bits_are_not_made_while_the_model_runs(tmp_path: Path) -> None:
    zero = helper.make_tensor("z", TensorProto.INT4, [], [3])
    ins = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])]
    outs = [helper.make_tensor_value_info("y", TensorProto.INT4, [3])]
    scale = numpy_helper.from_array(np.array(0.5, np.float32), "s")
    graph = helper.make_graph(
        [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])], "g", ins, outs, [zero, scale]
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]), tmp_path / "m.onnx")
    text = rejection(lambda: irconv.read(tmp_path / "m.onnx"), Refused)
    assert "rounds to numbers of four bits while the model runs, which irconv does not do" in text


def test_blocks_of_elements_have_their_own_scale(tmp_path: Path) -> None:
    node = helper.make_node("DequantizeLinear", ["x", "s", "z"], ["y"], axis=1, block_size=3)
    held = {
        "x": np.arange(16, dtype=np.int8).reshape(2, 8) - 5,
        "s": np.abs(numbers(2, 3)) + 0.1,
        "z": np.array([[1, -2, 0], [3, 0, -1]], np.int8),
    }
    (tmp_path / "m.onnx").write_bytes(_model([node], {}, held, ["y"], 21))
    (found,) = irconv.run(irconv.read(tmp_path / "m.onnx"), {}).values()
    scale, zero = (np.repeat(held[name].astype(np.float32), 3, 1)[:, :8] for name in "sz")
    assert np.allclose(found, (held["x"] - zero) * scale, rtol=1e-6)


INDICES = np.array([[0, -1, 3], [7, 2, -9]], np.int64)
COMPOSED: dict[str, tuple[Any, dict[str, Array], dict[str, Array], int]] = {
    "a new axis in the middle with values of its own": (
        helper.make_node("OneHot", ["x", "depth", "values"], ["y"], axis=1),
        {"x": INDICES},
        {"depth": np.array(5, np.int64), "values": np.array([-2.5, 4.0], np.float32)},
        13,
    ),
    "a new last axis of ones": (
        helper.make_node("OneHot", ["x", "depth", "values"], ["y"]),
        {"x": INDICES},
        {"depth": np.array(4, np.int64), "values": np.array([0, 1], np.float32)},
        11,
    ),
    "a centre that is cut and padded": (
        helper.make_node("CenterCropPad", ["x", "shape"], ["y"], axes=[-1, 2]),
        {"x": IMAGE},
        {"shape": np.array([9, 4], np.int64)},
        18,
    ),
    "statistics of a norm": (
        helper.make_node("LayerNormalization", ["x", "gamma", "beta"], ["y", "mean", "inverse"], axis=1, epsilon=0.02),
        {"x": IMAGE},
        {"gamma": numbers(3, 7, 6, seed=5), "beta": numbers(3, 7, 6, seed=6)},
        17,
    ),
    "a scale for each group": (
        helper.make_node("GroupNormalization", ["x", "gamma", "beta"], ["y"], num_groups=2),
        {"x": numbers(2, 6, 4, 3)},
        {"gamma": numbers(2, seed=5), "beta": numbers(2, seed=6)},
        18,
    ),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_an_op_without_a_row_of_its_own_gives_what_the_reference_gives(name: str, tmp_path: Path) -> None:
    node, given, held, opset = COMPOSED[name]
    model = _model([node], given, held, list(node.output), opset)
    wanted = [np.asarray(a) for a in ReferenceEvaluator(onnx.load_from_string(model)).run(list(node.output), given)]
    assert _worst(tmp_path / "m.onnx", model, given, wanted) < 2e-6
