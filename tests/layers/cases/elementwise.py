"""Mathematical functions of one value against torch, on values inside and outside their domains."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from irconv.ir.layers import layer_class
from tests.layers.harness import Case, arrays

SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0], np.float32)
REAL = (arrays(3, x=(3, 5, 7))["x"] * 3).astype(np.float32)
POSITIVE = np.abs(REAL) + np.float32(0.01)
SMALL = np.array([1e-7, -1e-7, 3e-6, -2e-4, 0.3, -0.3, 0.499, -0.9], np.float32)
HALVES = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4999, -2.51], np.float32)
UNIT = np.tanh(REAL)
INTEGERS = np.array([[-7, -1, 0, 1, 7, 100]], np.int32)


def _torch(function: str, x: np.ndarray) -> Callable[[], dict[str, np.ndarray]]:
    def run() -> dict[str, np.ndarray]:
        import torch

        return {"y": getattr(torch, function)(torch.from_numpy(x)).numpy()}

    return run


def _case(name: str, layer: str, function: str, x: np.ndarray) -> Case:
    shapes = {"x": ("N", *x.shape[1:])}
    # The layer is made when it is wanted: all of these have no settings.
    return Case(name, layer_class(layer)(), {"x": x}, _torch(function, x), f"torch.{function}", shapes=shapes)


def _both(layer: str, function: str, x: np.ndarray) -> list[Case]:
    return [
        _case("ordinary values", layer, function, x),
        _case("zeros, infinities and NaN", layer, function, SPECIAL),
    ]


CASES = [
    *_both("Abs", "abs", REAL),
    *_both("Neg", "neg", REAL),
    *_both("Sqrt", "sqrt", POSITIVE),
    *_both("Rsqrt", "rsqrt", POSITIVE),
    *_both("Square", "square", REAL),
    *_both("Reciprocal", "reciprocal", POSITIVE),
    *_both("Exp2", "exp2", REAL),
    *_both("Expm1", "expm1", REAL),
    _case("keeps the digits of small values", "Expm1", "expm1", SMALL[:4]),
    *_both("Log", "log", POSITIVE),
    *_both("Log1p", "log1p", POSITIVE),
    _case("keeps the digits of small values", "Log1p", "log1p", SMALL[:4]),
    _case("goes below zero", "Log1p", "log1p", SMALL),
    *_both("Log2", "log2", POSITIVE),
    *_both("Log10", "log10", POSITIVE),
    *_both("Floor", "floor", REAL),
    *_both("Ceil", "ceil", REAL),
    *_both("Round", "round", REAL),
    _case("takes halves to the even number", "Round", "round", HALVES),
    *_both("Trunc", "trunc", REAL),
    *_both("Sin", "sin", REAL),
    *_both("Cos", "cos", REAL),
    *_both("Tan", "tan", UNIT),
    *_both("Asin", "asin", UNIT),
    *_both("Acos", "acos", UNIT),
    *_both("Atan", "atan", REAL),
    *_both("Sinh", "sinh", REAL),
    *_both("Cosh", "cosh", REAL),
    *_both("Asinh", "asinh", REAL),
    *_both("Acosh", "acosh", POSITIVE + 1),
    *_both("Atanh", "atanh", UNIT * np.float32(0.99)),
    *_both("Erf", "erf", REAL),
    *_both("IsNaN", "isnan", REAL),
    *_both("IsInf", "isinf", REAL),
    *_both("IsFinite", "isfinite", REAL),
    _case("gives -1, 0 and 1", "Sign", "sign", REAL),
    _case("gives -1, 0 and 1 for integers", "Sign", "sign", INTEGERS),
    _case("makes integers positive", "Abs", "abs", INTEGERS),
]
