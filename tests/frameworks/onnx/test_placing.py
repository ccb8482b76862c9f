"""Ops that put elements where something says, and settings that only running tells, against onnx's own reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import irconv
from irconv.errors import Refused
from irconv.layout import Array
from tests.helpers import numbers, rejection

IMAGE = numbers(2, 3, 7, 6)
SIGNAL = numbers(2, 40, 1)


def _ints(*values: int) -> Array:
    return np.array(values, np.int64)


def _op(kind: str, inputs: str, outputs: str = "y", **attributes: Any) -> Any:
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(kind, names, outputs.split(), **attributes)


MODELS: dict[str, tuple[Any, dict[str, Array], dict[str, Array], int]] = {
    "columns of known blocks": (
        _op("Col2Im", "x size block", strides=[2, 1], dilations=[1, 2], pads=[1, 0, 0, 2]),
        {"x": numbers(2, 18, 20)},
        {"size": _ints(7, 7), "block": _ints(2, 3)},
        18,
    ),
    "columns of computed blocks": (
        _op("Col2Im", "x size block", strides=[2, 1], dilations=[1, 2], pads=[1, 0, 0, 2]),
        {"x": numbers(2, 18, 20), "size": _ints(7, 7), "block": _ints(2, 3)},
        {},
        18,
    ),
    "columns of three axes": (
        _op("Col2Im", "x size block", strides=[1, 2, 1]),
        {"x": numbers(1, 24, 16), "size": _ints(3, 5, 5), "block": _ints(2, 3, 2)},
        {},
        18,
    ),
    "products along a computed axis": (_op("CumProd", "x axis", reverse=1), {"x": IMAGE, "axis": np.array(-2)}, {}, 26),
    "sums along a computed axis": (
        _op("CumSum", "x axis", exclusive=1),
        {"x": IMAGE, "axis": np.array(1, np.int64)},
        {},
        14,
    ),
    "bits": (_op("BitCast", "x", to=7), {"x": np.array([[1.5, -2.0, 1e300]])}, {}, 26),
    "a transform along a computed axis": (
        _op("DFT", "x - axis", inverse=1),
        {"x": numbers(2, 5, 6, 2), "axis": np.array(-2, np.int64)},
        {},
        20,
    ),
    "a transform along a computed first axis": (
        _op("DFT", "x - axis"),
        {"x": numbers(3, 5, 1), "axis": np.array(0, np.int64)},
        {},
        20,
    ),
    "frames at computed steps": (
        _op("STFT", "x step window"),
        {"x": SIGNAL, "step": np.array(7, np.int64), "window": np.hamming(12).astype(np.float32)},
        {},
        17,
    ),
    "frames of a computed length": (
        _op("STFT", "x step - length"),
        {"x": SIGNAL, "step": np.array(5, np.int64), "length": np.array(12, np.int64)},
        {},
        17,
    ),
    "rows of a cache": (
        _op("TensorScatter", "x u at"),
        {"x": numbers(3, 2, 6, 4), "u": numbers(3, 2, 2, 4, seed=8), "at": _ints(0, 4, 1)},
        {},
        24,
    ),
    "rows of a cache, round and round, along an axis": (
        _op("TensorScatter", "x u at", mode="circular", axis=1),
        {"x": numbers(3, 6, 4), "u": numbers(3, 3, 4, seed=8), "at": _ints(5, 0, 4)},
        {},
        24,
    ),
    "windows that lie apart, counted by columns": (
        _op("MaxPool", "x", "y where", kernel_shape=[2, 3], strides=[2, 1], storage_order=1),
        {"x": numbers(1, 1, 7, 6)},
        {},
        12,
    ),
    "elements back under their windows": (
        _op("MaxUnpool", "x where", kernel_shape=[2, 2], strides=[2, 2]),
        {"x": numbers(1, 2, 2, 3), "where": _ints(1, 8, 5, 12, 14, 22, 24, 27, 28, 37, 44, 47).reshape(1, 2, 2, 3)},
        {},
        11,
    ),
    "smaller by computed scales with a wider window": (
        _op("Resize", "x - scales", mode="linear", antialias=1),
        {"x": IMAGE, "scales": np.array([1, 1, 0.6, 0.4], np.float32)},
        {},
        19,
    ),
    "smaller to computed sizes with a wider cubic window, without what is outside": (
        _op("Resize", "x - - sizes", mode="cubic", antialias=1, axes=[3, 2], exclude_outside=1),
        {"x": IMAGE, "sizes": _ints(4, 3)},
        {},
        19,
    ),
    "a region of computed size": (
        _op(
            "Resize",
            "x roi - sizes",
            mode="linear",
            coordinate_transformation_mode="tf_crop_and_resize",
            axes=[2, 3],
            extrapolation_value=7.5,
        ),
        {"x": IMAGE, "roi": np.array([0.3, -0.2, 1.3, 0.7], np.float32), "sizes": _ints(5, 4)},
        {},
        19,
    ),
}


def _model(node: Any, given: dict[str, Array], held: dict[str, Array], opset: int) -> bytes:
    ins = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in given.items()
    ]
    outs = [helper.make_empty_tensor_value_info(name) for name in node.output]
    kept = [numpy_helper.from_array(array, name) for name, array in held.items()]
    opsets = [helper.make_opsetid("", opset)]
    made: bytes = helper.make_model(
        helper.make_graph([node], "g", ins, outs, kept), opset_imports=opsets, ir_version=10
    ).SerializeToString()
    return made


@pytest.mark.parametrize("name", MODELS)
def test_what_is_put_somewhere_is_where_the_reference_puts_it(name: str, tmp_path: Path) -> None:
    node, given, held, opset = MODELS[name]
    model = _model(node, given, held, opset)
    (tmp_path / "m.onnx").write_bytes(model)
    wanted = ReferenceEvaluator(onnx.load_from_string(model)).run(None, given)
    found = irconv.run(irconv.read(tmp_path / "m.onnx"), given)
    for a, b in zip(found.values(), wanted, strict=True):
        assert a.shape == b.shape
        assert np.abs(a - b).max() <= 2e-6 * max(np.abs(b).max(), 1)


def test_a_result_whose_shape_depends_on_an_axis_that_is_computed_is_refused(tmp_path: Path) -> None:
    given = {"x": numbers(2, 5, 6, 1), "axis": np.array(1, np.int64)}
    node = helper.make_node("DFT", ["x", "", "axis"], ["y"], onesided=1)
    (tmp_path / "m.onnx").write_bytes(_model(node, given, {}, 20))
    text = rejection(lambda: irconv.read(tmp_path / "m.onnx"), Refused)
    assert "transforms to another length along an axis that is computed" in text


def test_elements_that_fill_another_shape_are_refused(tmp_path: Path) -> None:
    given = {"x": numbers(1, 1, 2, 2), "where": _ints(0, 2, 8, 10).reshape(1, 1, 2, 2), "s": _ints(1, 1, 5, 5)}
    node = helper.make_node("MaxUnpool", ["x", "where", "s"], ["y"], kernel_shape=[2, 2], strides=[2, 2])
    (tmp_path / "m.onnx").write_bytes(_model(node, given, {}, 11))
    text = rejection(lambda: irconv.read(tmp_path / "m.onnx"), Refused)
    assert "fills an output_shape of its own, of which runtimes make different things" in text
