"""What PyTorch and Keras do not do as ONNX does: the written file gives the numbers of ONNX all the same."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import helper, numpy_helper

import irconv
from irconv.errors import Refused
from irconv.frameworks.keras.outline import taken_for_bias
from irconv.layout import Array
from tests.helpers import numbers, rejection

QUOTIENTS = np.array([[-7, 7, -8, 8], [6, -6, 9, -9]])
BOTH = np.array([[0, -1, 2], [-3, 1, -2]], np.int64)

#: Name -> (node, inputs, opset, targets).
MODELS: dict[str, tuple[Any, dict[str, Array], int, str]] = {
    **{
        f"quotients of {dtype} are cut off towards zero": (
            helper.make_node("Div", ["x", "d"], ["y"]),
            {"x": QUOTIENTS.astype(dtype), "d": np.array([3, 3, -3, -5]).astype(dtype)},
            14,
            "torch keras",
        )
        for dtype in ("int8", "int32", "int64")
    },
    **{
        f"{op} of {dtype}": (
            helper.make_node(op, ["x", "d"], ["y"]),
            {"x": np.array([3, 2**16 - 1, 9], dtype), "d": np.array([5, 7, 9], dtype)},
            14,
            "torch",
        )
        for op in ("Add", "Sub", "Div", "Less", "GreaterOrEqual")
        for dtype in ("uint16", "uint32")
    },
    "a batch of one that is spread": (
        helper.make_node("Mul", ["x", "d"], ["y"]),
        {"x": numbers(3, 4), "d": numbers(1, 4)},
        13,
        "torch keras",
    ),
    "a vector along an axis as long as the last": (
        helper.make_node("Add", ["x", "d"], ["y"]),
        {"x": numbers(3, 4, 4), "d": numbers(1, 4, 1)},
        13,
        "torch keras",
    ),
    "a norm whose factors are inputs": (
        helper.make_node("LayerNormalization", ["x", "g", "b"], ["y"]),
        {"x": numbers(3, 5), "g": numbers(5, seed=2), "b": numbers(5, seed=3)},
        17,
        "torch keras",
    ),
    "elements counted from the end": (
        helper.make_node("GatherElements", ["x", "i"], ["y"], axis=1),
        {"x": numbers(2, 3), "i": BOTH},
        13,
        "torch",
    ),
    "elements put where a place counts from the end": (
        helper.make_node("ScatterElements", ["x", "i", "u"], ["y"], axis=1),
        {"x": numbers(2, 3), "i": BOTH, "u": numbers(2, 3, seed=4)},
        13,
        "torch",
    ),
    "a pool whose elements lie apart": (
        helper.make_node(
            "MaxPool", ["x"], ["y"], kernel_shape=[3, 2], dilations=[2, 3], strides=[1, 2], pads=[1, 0, 2, 1]
        ),
        {"x": numbers(2, 3, 9, 8)},
        13,
        "torch keras",
    ),
    "a pool whose elements lie apart, with its size rounded up": (
        helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2], dilations=[2], strides=[3], ceil_mode=1),
        {"x": numbers(2, 3, 10)},
        13,
        "keras",
    ),
    "products of integers": (
        helper.make_node("CumProd", ["x", "a"], ["y"], exclusive=1),
        {"x": QUOTIENTS.astype(np.int32), "a": np.array(1, np.int64)},
        26,
        "torch keras",
    ),
    "no bounds": (helper.make_node("Clip", ["x"], ["y"]), {"x": numbers(2, 3)}, 13, "torch keras"),
    "a shape with a one where there are several": (
        helper.make_node("Expand", ["x", "s"], ["y"]),
        {"x": numbers(3, 1), "s": np.array([2, 1, 6], np.int64)},
        13,
        "torch",
    ),
}


def _saved(path: Path, node: Any, given: dict[str, Array], opset: int) -> Path:
    ins = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in given.items()
    ]
    graph = helper.make_graph([node], "g", ins, [helper.make_empty_tensor_value_info("y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    path.write_bytes(model.SerializeToString())
    return path


def _in_torch(path: Path, given: dict[str, Array]) -> Array:
    import torch

    spec = importlib.util.spec_from_file_location("written", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with torch.no_grad():
        return np.asarray(module.load()(*(torch.from_numpy(array) for array in given.values())))


def _in_keras(path: Path, given: dict[str, Array]) -> Array:
    import keras

    model = keras.saving.load_model(path, compile=False)
    return np.asarray(model([*given.values()] if len(given) > 1 else next(iter(given.values()))))


@pytest.mark.parametrize(("name", "target"), [(name, target) for name in MODELS for target in MODELS[name][3].split()])
def test_the_written_model_gives_what_onnxruntime_gives(name: str, target: str, tmp_path: Path) -> None:
    node, given, opset, _ = MODELS[name]
    source = _saved(tmp_path / "m.onnx", node, given, opset)
    (wanted,) = onnxruntime.InferenceSession(source).run(None, given)
    if target == "torch":
        irconv.convert(source, tmp_path / "m.py")
        found = _in_torch(tmp_path / "m.py", given)
    else:
        irconv.convert(source, tmp_path / "m.keras", io="source")
        found = _in_keras(tmp_path / "m.keras", given)
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    assert np.allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_numbers_of_64_bits_without_a_sign_are_refused_by_name(tmp_path: Path) -> None:
    given = {"x": np.array([1, 2], np.uint64), "d": np.array([3, 4], np.uint64)}
    source = _saved(tmp_path / "m.onnx", helper.make_node("Add", ["x", "d"], ["y"]), given, 14)
    text = rejection(lambda: irconv.convert(source, tmp_path / "m.py"), Refused)
    assert "PyTorch keeps uint64, and computes nothing with it" in text
    assert not (tmp_path / "m.py").exists()


@pytest.mark.parametrize(
    ("first", "second", "wrong"),
    [
        ((3, 4, 5), (5,), False),
        ((3, 4, 5), (4, 1), False),
        ((3, 4, 4), (4, 1), True),
        ((2, 4, 4, 7), (4, 1), True),
        ((2, 4, 6, 7), (6, 1), False),
        (("N", 4, 4), ("N", 1, 1), False),
        ((1, 4, 1), (4,), True),
        ((4,), (1, 4, 1), False),
    ],
)
def test_keras_takes_for_a_bias_what_only_looks_like_one(first: Any, second: Any, wrong: bool) -> None:
    assert taken_for_bias(first, second) is wrong


def test_numbers_up_to_a_size_that_an_input_tells_are_running_sums_in_keras(tmp_path: Path) -> None:
    held = {"one": np.array(1, np.int64), "zero": np.array(0, np.int64)}
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["size"]),
        helper.make_node("Range", ["zero", "size", "one"], ["places"]),
        helper.make_node("Cast", ["places"], ["numbers"], to=1),
        helper.make_node("Mul", ["x", "numbers"], ["y"]),
    ]
    port = helper.make_tensor_value_info("x", 1, ["N", "T"])
    kept = [numpy_helper.from_array(array, name) for name, array in held.items()]
    graph = helper.make_graph(nodes, "g", [port], [helper.make_empty_tensor_value_info("y")], kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    irconv.convert(tmp_path / "m.onnx", tmp_path / "m.keras", io="source")
    for size in (5, 9):
        x = numbers(3, size)
        assert np.allclose(_in_keras(tmp_path / "m.keras", {"x": x}), x * np.arange(size))


def test_the_largest_of_nothing_is_infinite(tmp_path: Path) -> None:
    node = helper.make_node("ReduceMax", ["x", "a"], ["y"], keepdims=0)
    graph = helper.make_graph(
        [helper.make_node("Slice", ["w", "z", "z", "o"], ["x"]), node],
        "g",
        [helper.make_tensor_value_info("w", 1, [2, 3])],
        [helper.make_empty_tensor_value_info("y")],
        [
            numpy_helper.from_array(np.array([number], np.int64), name)
            for name, number in zip("zoa", (0, 1, 1), strict=True)
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    (found,) = irconv.run(irconv.read(tmp_path / "m.onnx"), {"w": numbers(2, 3)}).values()
    assert found.tolist() == [-np.inf, -np.inf]


def test_a_gated_half_is_an_operator_of_keras_as_its_activation_layer_says_the_wrong_shape(tmp_path: Path) -> None:
    import keras

    x, kernel = numbers(3, 6), numbers(6, 8, seed=2)
    nodes = [
        helper.make_node("MatMul", ["x", "k"], ["p"]),
        helper.make_node("Split", ["p"], ["a", "b"], axis=1),
        helper.make_node("Sigmoid", ["b"], ["g"]),
        helper.make_node("Mul", ["a", "g"], ["h"]),
        helper.make_node("MatMul", ["h", "m"], ["y"]),
    ]
    ports = [helper.make_tensor_value_info(name, 1, ["N", size]) for name, size in (("x", 6), ("y", 3))]
    held = [numpy_helper.from_array(kernel, "k"), numpy_helper.from_array(numbers(4, 3, seed=4), "m")]
    graph = helper.make_graph(nodes, "a", ports[:1], ports[1:], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    (wanted,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    irconv.convert(tmp_path / "m.onnx", tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras", compile=False)
    assert "Glu" in [type(operation).__name__ for operation in loaded.operations]
    assert loaded.layers[-1].input.shape == (None, 4)
    assert np.abs(np.asarray(loaded(x)) - wanted).max() <= 2e-6 * np.abs(wanted).max()
