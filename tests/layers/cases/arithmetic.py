"""Arithmetic of several values against torch, Keras and TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from irconv.ir.layers import layer_class
from irconv.ir.layers.arithmetic import Atan2, CumSum, FloorDiv, Maximum, Mean, Minimum, Mod, Pow
from irconv.ir.layers.base import Layer
from tests.layers.harness import Arrays, Case, arrays

_RANDOM = np.random.default_rng(7)
FLOATS = arrays(8, x0=(3, 5, 7), x1=(5, 1))
INTEGERS = {
    "x0": np.array([[-7, -6, -1, 0, 1, 6, 7]], np.int64),
    "x1": np.array([[3], [-3], [2], [-2], [7]], np.int64),
}
SIGNS = {
    "x0": np.array([[-7.5, -6.0, -1.0, 0.0, 1.0, 6.0, 7.25]], np.float32),
    "x1": np.array([[3.0], [-3.0], [0.1], [-0.1], [2.5], [0.0]], np.float32),
}
QUADRANTS = {
    "x0": np.array([[2.0, 0.0, -1.5]], np.float32),
    "x1": np.array([[3.0], [0.0], [-0.5]], np.float32),
}
THREE = arrays(9, x0=(3, 5, 7), x1=(3, 5, 7), x2=(3, 5, 7))
SYMBOLS = {"x0": ("N", 5, "T")}


def _torch(function: str, inputs: Arrays, **settings: Any) -> Callable[[], dict[str, np.ndarray]]:
    def run() -> dict[str, np.ndarray]:
        import torch

        values = [torch.from_numpy(value) for value in inputs.values()]
        return {"y": getattr(torch, function)(*values, **settings).numpy()}

    return run


def _keras(path: str, inputs: Arrays) -> Callable[[], dict[str, np.ndarray]]:
    def run() -> dict[str, np.ndarray]:
        import keras

        if path.startswith("layers."):
            return {"y": np.asarray(getattr(keras.layers, path[7:])()(list(inputs.values())))}
        return {"y": np.asarray(getattr(keras.ops, path[4:])(*inputs.values()))}

    return run


def _case(name: str, layer: Layer, function: str, inputs: Arrays, symbols: bool = False) -> Case:
    keras = function.startswith(("layers.", "ops."))
    wanted = _keras(function, inputs) if keras else _torch(function, inputs)
    against = f"{'keras' if keras else 'torch'}.{function}"
    return Case(name, layer, inputs, wanted, against, shapes=SYMBOLS if symbols else {})


def _folded(function: str) -> Callable[[], dict[str, np.ndarray]]:
    """What torch's function of two values makes of three."""

    def run() -> dict[str, np.ndarray]:
        import torch

        x0, x1, x2 = (torch.from_numpy(value) for value in THREE.values())
        combine = getattr(torch, function)
        return {"y": combine(combine(x0, x1), x2).numpy()}

    return run


def _cumsum(name: str, exclusive: bool, reverse: bool) -> Case:
    x = arrays(10, x=(3, 5, 7))["x"]

    def run() -> dict[str, np.ndarray]:
        import tensorflow as tf

        return {"y": tf.math.cumsum(x, axis=1, exclusive=exclusive, reverse=reverse).numpy()}

    layer = CumSum(axis=1, exclusive=exclusive, reverse=reverse)
    return Case(name, layer, {"x": x}, run, "tf.math.cumsum", shapes={"x": ("N", "T", 7)})


_NAN = {"x0": np.array([np.nan, 1.0, 2.0], np.float32), "x1": np.array([0.0, np.nan, 3.0], np.float32)}

CASES = [
    _case("broadcasts", layer_class("Sub")(), "sub", FLOATS, symbols=True),
    _case("integers", layer_class("Sub")(), "sub", INTEGERS),
    _case("broadcasts", layer_class("Div")(), "div", FLOATS, symbols=True),
    Case(
        "cuts integer quotients off towards zero",
        layer_class("Div")(),
        INTEGERS,
        _torch("div", INTEGERS, rounding_mode="trunc"),
        "torch.div(rounding_mode='trunc')",
    ),
    _case("rounds integer quotients down", FloorDiv(), "floor_divide", INTEGERS),
    _case("rounds quotients down, where they are near an integer, too", FloorDiv(), "floor_divide", SIGNS),
    _case("integers have the sign of the divisor", Mod(sign="divisor"), "remainder", INTEGERS),
    _case("floats have the sign of the divisor", Mod(sign="divisor"), "remainder", SIGNS),
    _case("floats have the sign of the divisor in Keras", Mod(sign="divisor"), "ops.mod", SIGNS),
    _case("integers have the sign of the dividend", Mod(sign="dividend"), "fmod", INTEGERS),
    _case("floats have the sign of the dividend", Mod(sign="dividend"), "fmod", SIGNS),
    _case("raises positive numbers", Pow(), "pow", {"x0": np.abs(FLOATS["x0"]), "x1": FLOATS["x1"]}, symbols=True),
    _case("has no fractional powers of negative numbers", Pow(), "pow", FLOATS),
    _case("has every quadrant and axis", Atan2(), "atan2", QUADRANTS),
    _case("broadcasts", Atan2(), "atan2", FLOATS, symbols=True),
    _case("broadcasts", Maximum(), "maximum", FLOATS, symbols=True),
    _case("broadcasts", Minimum(), "minimum", FLOATS, symbols=True),
    _case("keeps NaN", Maximum(), "maximum", _NAN),
    _case("keeps NaN", Minimum(), "minimum", _NAN),
    _case("integers", Maximum(), "maximum", INTEGERS),
    Case("takes three values", Maximum(), THREE, _folded("maximum"), "torch.maximum twice"),
    Case("takes three values", Minimum(), THREE, _folded("minimum"), "torch.minimum twice"),
    Case(
        "takes three values",
        Mean(),
        THREE,
        _keras("layers.Average", THREE),
        "keras.layers.Average",
        shapes=dict.fromkeys(THREE, ("N", 5, "T")),
    ),
    _case("takes two values", Mean(), "layers.Average", {"x0": THREE["x0"], "x1": THREE["x1"]}),
    _cumsum("sums up to the element", False, False),
    _cumsum("sums up to before the element", True, False),
    _cumsum("sums from the element to the end", False, True),
    _cumsum("sums from after the element to the end", True, True),
]
