"""Activations made of simpler ones against torch, and against Keras or TensorFlow where PyTorch has no such thing."""

from __future__ import annotations

from typing import Any

import numpy as np

from irconv.ir.layers.base import Layer
from irconv.ir.layers.composite_activations import (
    Crelu,
    Glu,
    LogSigmoid,
    ScaledSoftplus,
    ScaledTanh,
    Softmin,
    Sparsemax,
    SparsePlus,
    Squareplus,
    Swish,
    TanhShrink,
    Threshold,
)
from tests.layers.cases.activations import EDGE, FAR, SYMBOLS, X, keras_result, torch_result
from tests.layers.harness import Arrays, Case, arrays


def _case(name: str, layer: Layer, function: str, x: np.ndarray = X, **settings: Any) -> Case:
    shapes = SYMBOLS if x is X else {}
    wanted = torch_result(function, x, **settings)
    return Case(name, layer, {"x": x}, wanted, f"torch.nn.functional.{function}", shapes=shapes)


def _keras(name: str, layer: Layer, function: str, **settings: Any) -> Case:
    wanted = keras_result(function, X, **settings)
    return Case(name, layer, {"x": X}, wanted, f"keras.activations.{function}", shapes=SYMBOLS)


_EVEN = arrays(4, x=(3, 6, 8))["x"]


def _crelu() -> Arrays:
    import tensorflow as tf

    return {"y": tf.nn.crelu(X, axis=1).numpy()}


def _swish_of_tensorflow() -> Arrays:
    import tensorflow as tf

    return {"y": tf.nn.swish(X, beta=0.7).numpy()}


def _quick_gelu() -> Arrays:
    import torch

    x = torch.from_numpy(X)
    return {"y": (x * torch.sigmoid(1.702 * x)).numpy()}


def _scaled_tanh() -> Arrays:
    import torch

    return {"y": (1.7159 * torch.tanh(torch.from_numpy(X) * (2 / 3))).numpy()}


def _nearest_in_simplex() -> Arrays:
    """The tau for which the result sums to 1, found without the formula that is tested."""
    x = X.astype(np.float64)
    low, high = x.max(1, keepdims=True) - 1, x.max(1, keepdims=True)
    for _ in range(60):
        middle = (low + high) / 2
        above = np.maximum(x - middle, 0).sum(1, keepdims=True) > 1
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return {"y": np.maximum(x - low, 0).astype(np.float32)}


CASES = [
    _case("is 20 up to 0.7", Threshold(threshold=0.7, value=20.0), "threshold", threshold=0.7, value=20.0),
    _keras(
        "is -3 up to 0.5 in Keras", Threshold(threshold=0.5, value=-3.0), "threshold", threshold=0.5, default_value=-3
    ),
    _case(
        "takes the value at its end", Threshold(threshold=0.5, value=9.0), "threshold", EDGE, threshold=0.5, value=9.0
    ),
    _case("is what tanh leaves", TanhShrink(), "tanhshrink"),
    _keras("is what tanh leaves in Keras", TanhShrink(), "tanh_shrink"),
    _case("is the logarithm of a sigmoid", LogSigmoid(), "logsigmoid"),
    _keras("is the logarithm of a sigmoid in Keras", LogSigmoid(), "log_sigmoid"),
    _case("does not overflow", LogSigmoid(), "logsigmoid", FAR),
    _case("bends with beta 2.5", ScaledSoftplus(beta=2.5), "softplus", beta=2.5),
    _case("bends with beta 0.4, without a threshold", ScaledSoftplus(beta=0.4), "softplus", beta=0.4, threshold=1e9),
    _keras("bends with b 1.3", Squareplus(b=1.3), "squareplus", b=1.3),
    _keras("bends between -1 and 1", SparsePlus(), "sparse_plus"),
    Case("scales before and after", ScaledTanh(scale_in=2 / 3, scale_out=1.7159), {"x": X}, _scaled_tanh, "torch.tanh"),
    Case("has a beta in TensorFlow", Swish(beta=0.7), {"x": X}, _swish_of_tensorflow, "tf.nn.swish", shapes=SYMBOLS),
    Case("is CLIP's quick gelu", Swish(beta=1.702), {"x": X}, _quick_gelu, "torch.sigmoid", shapes=SYMBOLS),
    Case(
        "halves the middle axis",
        Glu(axis=1),
        {"x": _EVEN},
        torch_result("glu", _EVEN, dim=1),
        "torch.nn.functional.glu",
        shapes={"x": ("N", 6, "T")},
    ),
    Case(
        "halves an axis whose size is not known",
        Glu(axis=2),
        {"x": _EVEN},
        keras_result("glu", _EVEN, axis=2),
        "keras.activations.glu",
        shapes={"x": ("N", 6, "T")},
    ),
    Case("doubles the middle axis", Crelu(axis=1), {"x": X}, _crelu, "tf.nn.crelu", shapes=SYMBOLS),
    _case("falls along the middle axis", Softmin(axis=1), "softmin", dim=1),
    _keras("has Keras' tau along the last axis", Sparsemax(axis=2, tau_of="keras"), "sparsemax", axis=-1),
    _keras("has Keras' tau along the middle axis", Sparsemax(axis=1, tau_of="keras"), "sparsemax", axis=1),
    Case(
        "is the nearest point of the simplex",
        Sparsemax(axis=1, tau_of="simplex"),
        {"x": X},
        _nearest_in_simplex,
        "numpy, by bisection on tau",
        shapes=SYMBOLS,
    ),
]
