"""Quantised numbers against torch; the values include exact halves and numbers outside the range."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from irconv.ir.layers.base import Layer
from irconv.ir.layers.quantisation import DequantizeLinear, DynamicQuantizeLinear, FakeQuantize, QuantizeLinear
from tests.layers.harness import Case, arrays

X = np.concatenate([arrays(51, x=(3, 5, 7))["x"] * 40, np.arange(-52, 53, dtype=np.float32).reshape(3, 5, 7) / 4], 2)
SCALES = np.array([0.5, 0.3, 0.07, 1.1, 0.25], np.float32)
BYTES = np.random.default_rng(52).integers(-128, 128, (3, 5, 7)).astype(np.int8)


def _case(
    name: str,
    layer: Layer,
    against: str,
    function: Callable[[Any, Any], Any],
    scale: Any,
    zero_point: np.ndarray,
    x: np.ndarray = X,
) -> Case:
    def run() -> dict[str, np.ndarray]:
        import torch

        warnings.simplefilter("ignore", UserWarning)  # quantised tensors are deprecated
        return {"y": function(torch, torch.from_numpy(x)).numpy()}

    operands = {"scale": np.asarray(scale, np.float32), "zero_point": zero_point}
    return Case(name, layer, {"x": x}, run, against, operands, shapes={"x": ("N", 5, "T")})


def _dequantize(torch: Any, x: Any, scales: Any, zeros: Any) -> Any:
    """torch has quantised tensors of its own; this is one with these integers."""
    return torch._make_per_channel_quantized_tensor(x, torch.tensor(scales), torch.tensor(zeros), 1).dequantize()


def _quotient(axis: int | None, scale: Any, zero_point: Any) -> Case:
    """PyTorch has none that rounds the quotient: NumPy, by the formula."""
    scale, zero_point = np.asarray(scale, np.float32), np.asarray(zero_point, np.int8)
    shape = (1, 5, 1) if axis else ()
    whole = np.rint(X / scale.reshape(shape)) + zero_point.reshape(shape).astype(np.float32)
    wanted = np.clip(whole, -128, 127).astype(np.int8)
    return Case(
        f"rounds the quotient, axis {axis}",
        QuantizeLinear(axis=axis, rounds="quotient"),
        {"x": X},
        lambda: {"y": wanted},
        "numpy, by the formula",
        {"scale": scale, "zero_point": zero_point},
        shapes={"x": ("N", 5, "T")},
    )


def _dynamic() -> dict[str, np.ndarray]:
    from onnx.reference.ops.op_dynamic_quantize_linear import DynamicQuantizeLinear as Reference

    y, scale, zero_point = Reference._run(Reference.__new__(Reference), X)
    return {"y": y, "scale": np.asarray(scale, np.float32), "zero_point": np.asarray(zero_point, np.uint8)}


ZEROS = np.array([0, 3, -8, 100, -1], np.int8)

CASES = [
    _quotient(None, 0.5, 37),
    _quotient(1, SCALES, ZEROS),
    _case(
        "one scale, unsigned",
        QuantizeLinear(axis=None, rounds="sum"),
        "torch.quantize_per_tensor quint8",
        lambda t, x: t.quantize_per_tensor(x, 0.5, 37, t.quint8).int_repr(),
        0.5,
        np.array(37, np.uint8),
    ),
    _case(
        "one scale, signed",
        QuantizeLinear(axis=None, rounds="sum"),
        "torch.quantize_per_tensor qint8",
        lambda t, x: t.quantize_per_tensor(x, 0.25, -5, t.qint8).int_repr(),
        0.25,
        np.array(-5, np.int8),
    ),
    _case(
        "a scale for each channel",
        QuantizeLinear(axis=1, rounds="sum"),
        "torch.quantize_per_channel qint8",
        lambda t, x: t.quantize_per_channel(x, t.tensor(SCALES), t.tensor(ZEROS), 1, t.qint8).int_repr(),
        SCALES,
        ZEROS,
    ),
    _case(
        "one scale",
        DequantizeLinear(axis=None),
        "torch, an integer tensor dequantised",
        lambda t, x: t._make_per_tensor_quantized_tensor(x, 0.3, -7).dequantize(),
        0.3,
        np.array(-7, np.int8),
        BYTES,
    ),
    _case(
        "a scale for each channel",
        DequantizeLinear(axis=1),
        "torch, an integer tensor dequantised",
        lambda t, x: _dequantize(t, x, SCALES, ZEROS),
        SCALES,
        ZEROS,
        BYTES,
    ),
    _case(
        "one scale, a narrow range",
        FakeQuantize(axis=None, low=-127, high=127),
        "torch.fake_quantize_per_tensor_affine",
        lambda t, x: t.fake_quantize_per_tensor_affine(x, 0.5, -3, -127, 127),
        0.5,
        np.array(-3, np.int8),
    ),
    _case(
        "a scale for each channel, four bits",
        FakeQuantize(axis=1, low=-8, high=7),
        "torch.fake_quantize_per_channel_affine",
        lambda t, x: t.fake_quantize_per_channel_affine(
            x, t.tensor(SCALES), t.tensor([0, 3, -8, 7, -1], dtype=t.int32), 1, -8, 7
        ),
        SCALES,
        np.array([0, 3, -8, 7, -1], np.int8),
    ),
    Case(
        "finds scale and zero point",
        DynamicQuantizeLinear(),
        {"x": X},
        _dynamic,
        "onnx's reference evaluator: no framework has the op alone",
        shapes={"x": ("N", 5, "T")},
    ),
]
