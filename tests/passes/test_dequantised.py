"""Weights of a quantised network, which Keras gets as the real numbers that they stand for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import parser

import irconv
from irconv.options import ReadOptions
from irconv.passes import dequantised
from tests.helpers import used_types

_TEXT = """<ir_version: 8, opset_import: ["":17]> a (float[N,5] x) => (float[N,3] y) <
    float xs = {0.05}, uint8 xz = {120}, float[3] ws = {0.01, 0.02, 0.015}, int8[3] wz = {0, 3, -2},
    float[3] bs = {0.0005, 0.001, 0.00075}, int32[3] bz = {0, 0, 0},
    int8[5,3] w = {5, -6, 100, 7, 8, -9, -100, 11, 12, 127, -128, 3, 2, 1, 0}, int32[3] b = {900, -1200, 33}
> {
    q = QuantizeLinear(x, xs, xz)
    r = DequantizeLinear(q, xs, xz)
    wr = DequantizeLinear<axis=1>(w, ws, wz)
    br = DequantizeLinear<axis=0>(b, bs, bz)
    p = MatMul(r, wr)
    y = Add(p, br)
}"""


def saved(folder: Path) -> Path:
    onnx.save(parser.parse_model(_TEXT), folder / "m.onnx")
    return folder / "m.onnx"


def test_a_quantised_matrix_is_the_kernel_of_a_dense_that_keras_trains(tmp_path: Path) -> None:
    import keras

    path, x = saved(tmp_path), np.random.default_rng(3).uniform(-4, 4, (7, 5)).astype(np.float32)
    irconv.convert(path, tmp_path / "m.keras")
    model = keras.models.load_model(tmp_path / "m.keras", compile=False)
    (wanted,) = onnxruntime.InferenceSession(str(path)).run(None, {"x": x})
    assert np.abs(np.asarray(model(x)) - wanted).max() < 2e-6
    kernel = next(weight for weight in model.trainable_weights if weight.name == "kernel")
    stored = np.array(parser.parse_model(_TEXT).graph.initializer[6].int32_data, np.float32).reshape(5, 3)
    assert np.array_equal(kernel, (stored - np.float32([0, 3, -2])) * np.float32([0.01, 0.02, 0.015]))


def test_what_is_quantised_while_it_runs_stays_so(tmp_path: Path) -> None:
    bundle = irconv.read(saved(tmp_path), ReadOptions(recompose=False))
    assert used_types(bundle).count("DequantizeLinear") == 3
    done = dequantised.run(bundle)
    assert used_types(done).count("DequantizeLinear") == 1
    assert {key: done.tensors[key].record.role for key in ("wr/real", "br/real")} == dict.fromkeys(
        ("wr/real", "br/real"), "parameter"
    )
