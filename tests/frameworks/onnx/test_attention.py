"""Attention with a past, of groups and of integers, as onnxruntime computes it, its optimiser off and on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import irconv
from irconv.errors import Refused
from irconv.layout import Array
from tests.helpers import numbers, rejection


def _model(node: Any, given: dict[str, Array], held: dict[str, Array]) -> bytes:
    ins = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in given.items()
    ]
    outs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
    graph = helper.make_graph([node], "g", ins, outs, [numpy_helper.from_array(a, name) for name, a in held.items()])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    made: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    return made


def _wanted(model: bytes, given: dict[str, Array]) -> list[Array]:
    """What onnxruntime gives; the same with its optimiser as without."""
    found = []
    for level in ("ORT_DISABLE_ALL", "ORT_ENABLE_ALL"):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        found.append(onnxruntime.InferenceSession(model, options).run(None, given))
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(*found, strict=True))
    return list(found[0])


def _grouped(*inputs: str, without: tuple[str, ...] = (), heads: int = 4, **attributes: Any) -> Any:
    names = ["query", "key", "value", "past_key", "past_value", "counts", "total", *inputs]
    given = ["" if name in without else name for name in names]
    made = ["y", "present_key", "present_value"]
    settings = {"num_heads": heads, "kv_num_heads": 2, **attributes}
    return helper.make_node("GroupQueryAttention", given, made, domain="com.microsoft", **settings)


STEPS, WIDTH = 3, 32
CALL = {
    "query": numbers(2, STEPS, 4 * WIDTH),
    "key": numbers(2, STEPS, 2 * WIDTH, seed=1),
    "value": numbers(2, STEPS, 2 * WIDTH, seed=2),
}
PAST = {"past_key": numbers(2, 2, 5, WIDTH, seed=3), "past_value": numbers(2, 2, 5, WIDTH, seed=4)}
GROWN = {**{name: value[:1] for name, value in (CALL | PAST).items()}, "counts": np.array([7], np.int32)}
"""Five keys before the three of the call; the runtime takes several steps behind a past of one sample alone."""
ONE = {name: np.ascontiguousarray(value[:, :1]) for name, value in CALL.items()}
SHARED = {**ONE, **PAST, "counts": np.array([3, 1], np.int32)}
"""A past in a memory of five keys, of which the samples use three and one."""
TABLES = {"cos": np.cos(numbers(9, 16, seed=5)), "sin": np.sin(numbers(9, 16, seed=5))}
PART = {name: np.ascontiguousarray(table[:, :8]) for name, table in TABLES.items()}
FULL = {**CALL, "counts": np.array([2, 2], np.int32)}


def _total(number: int) -> dict[str, Array]:
    return {"total": np.array(number, np.int32)}


WITHOUT = ("past_key", "past_value")
GROUPED: dict[str, tuple[Any, dict[str, Array], dict[str, Array]]] = {
    "nothing before": (_grouped(without=WITHOUT), FULL, _total(3)),
    "a past that grows": (_grouped(), GROWN, _total(8)),
    "a past in memory for more": (_grouped(), SHARED, _total(4)),
    "a scale and a softcap": (_grouped(scale=0.31, softcap=0.7), GROWN, _total(8)),
    "a window": (_grouped(local_window_size=2), GROWN, _total(8)),
    "a window with nothing before": (_grouped(without=WITHOUT, local_window_size=2), FULL, _total(3)),
    "a window longer than what there is": (_grouped(local_window_size=20), GROWN, _total(8)),
    "halves turned at their places": (_grouped("cos", "sin", do_rotary=1), GROWN, {**_total(8), **TABLES}),
    "neighbours turned, in part": (
        _grouped("cos", "sin", do_rotary=1, rotary_interleaved=1),
        SHARED,
        {**_total(4), **PART},
    ),
    "turned with nothing before": (
        _grouped("cos", "sin", without=WITHOUT, do_rotary=1),
        FULL,
        {**_total(3), **TABLES},
    ),
    "turned at places that are given": (
        _grouped("cos", "sin", "ids", do_rotary=1),
        {**GROWN, "ids": np.array([[8, 0, 3]], np.int64)},
        {**_total(8), **TABLES},
    ),
    "side by side": (
        _grouped("cos", "sin", without=("key", "value"), do_rotary=1),
        {**{k: v for k, v in GROWN.items() if k not in ("key", "value")}, "query": numbers(1, STEPS, 8 * WIDTH)},
        {**_total(8), **TABLES},
    ),
    "numbers added to the scores": (
        _grouped("", "", "", "bias"),
        {**GROWN, "bias": numbers(1, 4, STEPS, 8, seed=6)},
        _total(8),
    ),
    "numbers added for each sample, with nothing before": (
        _grouped("", "", "", "bias", without=WITHOUT),
        {**FULL, "bias": numbers(2, 1, STEPS, 3, seed=6)},
        _total(3),
    ),
    "a smooth softmax": (_grouped(smooth_softmax=1), GROWN, _total(8)),
    "a smooth softmax in a window with nothing before": (
        _grouped(without=WITHOUT, smooth_softmax=1, local_window_size=2),
        FULL,
        _total(3),
    ),
    "a sink of each head": (
        _grouped("", "", "", "bias", "sink", local_window_size=3),
        {**GROWN, "bias": numbers(1, 1, STEPS, 8, seed=6)},
        {**_total(8), "sink": numbers(4, seed=7)},
    ),
    "samples of other lengths, filled up behind": (
        _grouped(without=WITHOUT),
        {**{name: value[:, :1] for name, value in CALL.items()}, "counts": np.array([0, 0], np.int32)},
        _total(1),
    ),
}


@pytest.mark.parametrize("name", GROUPED)
def test_attention_of_groups_gives_what_the_runtime_gives(name: str, tmp_path: Path) -> None:
    node, given, held = GROUPED[name]
    _same(_model(node, given, held), given, tmp_path / "m.onnx")


def _same(model: bytes, given: dict[str, Array], path: Path, limit: float = 2e-6) -> None:
    path.write_bytes(model)
    found = irconv.run(irconv.read(path), given)
    for got, wanted in zip(found.values(), _wanted(model, given), strict=True):
        assert got.shape == wanted.shape
        assert float(np.abs(got - wanted).max()) < limit * max(float(np.abs(wanted).max()), 1)


X, KERNEL, MIXED = numbers(2, 5, 12), numbers(12, 36, seed=3), numbers(36, seed=4)
OLD = numbers(2, 2, 3, 4, 4, seed=8)


def _fused(op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Any:
    return helper.make_node(op, inputs, outputs, domain="com.microsoft", num_heads=3, **attributes)


KEPT: dict[str, tuple[Any, dict[str, Array], dict[str, Array]]] = {
    "a past before the keys of the call": (
        _fused("Attention", ["x", "k", "b", "", "past"], ["y", "present"], unidirectional=1),
        {"x": X, "past": OLD},
        {"k": KERNEL, "b": MIXED},
    ),
    "keys and values given on, without a past": (
        _fused("Attention", ["x", "k", "b"], ["y", "present"]),
        {"x": X},
        {"k": KERNEL, "b": MIXED},
    ),
    "a past of keys and of values apart": (
        _fused("MultiHeadAttention", ["x", "key", "value", "b", "", "", "pk", "pv"], ["y", "k1", "v1"]),
        {
            "x": X,
            "key": numbers(2, 5, 12, seed=6),
            "value": numbers(2, 5, 12, seed=7),
            "pk": numbers(2, 3, 4, 4, seed=8),
            "pv": numbers(2, 3, 4, 4, seed=9),
        },
        {"b": MIXED},
    ),
    "a past, causally, under a mask": (
        _fused(
            "MultiHeadAttention",
            ["x", "key", "value", "", "", "more", "pk", "pv"],
            ["y", "k1", "v1"],
            unidirectional=1,
            scale=0.4,
        ),
        {
            "x": X,
            "key": numbers(2, 5, 12, seed=6),
            "value": numbers(2, 5, 12, seed=7),
            "more": numbers(2, 3, 5, 9, seed=5),
            "pk": numbers(2, 3, 4, 4, seed=8),
            "pv": numbers(2, 3, 4, 4, seed=9),
        },
        {},
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_attention_with_a_past_gives_what_the_runtime_gives(name: str, tmp_path: Path) -> None:
    node, given, held = KEPT[name]
    _same(_model(node, given, held), given, tmp_path / "m.onnx")


BYTES = np.random.default_rng(1).integers(0, 255, (2, 5, 12)).astype(np.uint8)
SIGNED = np.random.default_rng(2).integers(-127, 127, (12, 36)).astype(np.int8)
SCALES = {"xs": np.array(0.02, np.float32), "xz": np.array(131, np.uint8)}
WHOLE = {"ks": np.array(0.011, np.float32), "kz": np.array(-3, np.int8)}
COLUMNS = {
    "ks": np.abs(numbers(36, seed=9)) * 0.02 + 0.001,
    "kz": np.zeros(36, np.int8),
}
INTEGERS: dict[str, tuple[Any, dict[str, Array], dict[str, Array]]] = {
    "one scale": (
        _fused("QAttention", ["x", "k", "b", "xs", "ks", "", "xz", "kz"], ["y"]),
        {"x": BYTES},
        {"k": SIGNED, "b": MIXED, **SCALES, **WHOLE},
    ),
    "a scale of each column, and a mask": (
        _fused("QAttention", ["x", "k", "b", "xs", "ks", "mask", "xz", "kz"], ["y"], scale=0.3),
        {"x": BYTES, "mask": np.array([[1, 1, 0, 1, 0], [1, 1, 1, 1, 1]], np.int32)},
        {"k": SIGNED, "b": MIXED, **SCALES, **COLUMNS},
    ),
    "a past, causally, without zero points": (
        _fused("QAttention", ["x", "k", "b", "xs", "ks", "", "", "", "past"], ["y", "present"], unidirectional=1),
        {"x": BYTES, "past": OLD},
        {"k": SIGNED, "b": MIXED, "xs": SCALES["xs"], "ks": WHOLE["ks"]},
    ),
}


@pytest.mark.parametrize("name", INTEGERS)
def test_attention_of_integers_gives_what_the_runtime_gives(name: str, tmp_path: Path) -> None:
    node, given, held = INTEGERS[name]
    _same(_model(node, given, held), given, tmp_path / "m.onnx")


REFUSED: dict[str, tuple[Any, dict[str, Array], dict[str, Array], str]] = {
    "a length that is computed": (
        _grouped(),
        {**GROWN, **_total(8)},
        {},
        "expected its input total (total_sequence_length) to be known before the model runs, but it is computed. Give "
        "it with --fix, if it is an input.",
    ),
    "quantised keys": (
        _grouped(k_quant_type="PER_TENSOR"),
        GROWN,
        _total(8),
        "keeps its keys and values quantised, which irconv does not read.",
    ),
    "features that make no heads": (
        _grouped(without=("key", "value"), heads=3),
        GROWN,
        _total(8),
        "expected features for 7 heads, got 128.",
    ),
    "a rotation without its table": (
        _grouped(do_rotary=1),
        GROWN,
        _total(8),
        "rotates without a table of cos.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_attention_that_cannot_be_said_is_refused_by_name(name: str, tmp_path: Path) -> None:
    node, given, held, why = REFUSED[name]
    (tmp_path / "m.onnx").write_bytes(_model(node, given, held))
    text = rejection(lambda: irconv.read(tmp_path / "m.onnx"), Refused)
    assert text == f"m.onnx: node y (com.microsoft.GroupQueryAttention): {why}"


def test_sizes_of_a_past_may_be_open(tmp_path: Path) -> None:
    """Batch, steps and what is kept are symbols; the whole length is a size of the mask, as exporters write it."""
    sizes = {
        "query": ["n", "t", 128],
        "key": ["n", "t", 64],
        "value": ["n", "t", 64],
        "past_key": ["n", 2, "past", 32],
        "past_value": ["n", 2, "past", 32],
        "counts": ["n"],
        "seen": ["n", "total"],
    }
    types = {"counts": TensorProto.INT32, "seen": TensorProto.INT64}
    ins = [
        helper.make_tensor_value_info(name, types.get(name, TensorProto.FLOAT), size) for name, size in sizes.items()
    ]
    nodes = [
        helper.make_node("Shape", ["seen"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["long"]),
        helper.make_node("Cast", ["long"], ["total"], to=TensorProto.INT32),
        _grouped("cos", "sin", do_rotary=1),
    ]
    held = {"one": np.array(1, np.int64), **TABLES}
    outs = [helper.make_empty_tensor_value_info(name) for name in ("y", "present_key", "present_value")]
    graph = helper.make_graph(nodes, "g", ins, outs, [numpy_helper.from_array(a, n) for n, a in held.items()])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    _same(model, {**GROWN, "seen": np.ones((1, 8), np.int64)}, tmp_path / "m.onnx")
    once = {**ONE, **PAST, "counts": np.array([5, 5], np.int32), "seen": np.ones((2, 6), np.int64)}
    _same(model, once, tmp_path / "m.onnx")
