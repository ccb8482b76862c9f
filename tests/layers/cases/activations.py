"""Activations against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from irconv.ir.layers.activations import LeakyRelu, Relu, Softmax
from irconv.ir.layers.base import Layer
from tests.layers.harness import Case, arrays

X = arrays(1, x=(3, 5, 7))["x"] * 3


def _torch(function: str, **settings: Any) -> Callable[[], dict[str, np.ndarray]]:
    def run() -> dict[str, np.ndarray]:
        import torch

        return {"y": getattr(torch.nn.functional, function)(torch.from_numpy(X), **settings).numpy()}

    return run


def _case(name: str, layer: Layer, function: str, **settings: Any) -> Case:
    against = f"torch.nn.functional.{function}"
    return Case(name, layer, {"x": X}, _torch(function, **settings), against, shapes={"x": ("N", 5, "T")})


CASES = [
    _case("cuts at zero", Relu(), "relu"),
    _case("keeps a slope of 0.15 below zero", LeakyRelu(slope=0.15), "leaky_relu", negative_slope=0.15),
    _case("sums to one along the middle axis", Softmax(axis=1), "softmax", dim=1),
]
