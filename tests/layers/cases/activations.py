"""Activations against torch, and against Keras or TensorFlow where PyTorch has no such thing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from irconv.ir.layers.activations import (
    Celu,
    Clip,
    Elu,
    Exp,
    Gelu,
    GeneralRelu,
    HardShrink,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    LogSoftmax,
    Mish,
    PRelu,
    Relu,
    Selu,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    SoftShrink,
    Softsign,
    Tanh,
    ThresholdedRelu,
)
from irconv.ir.layers.base import Layer
from tests.layers.harness import Case, arrays

X = arrays(1, x=(3, 5, 7))["x"] * 3
IMAGE = arrays(2, x=(2, 3, 5, 7))["x"]
FAR = np.array([[-200.0, -90.0, -30.0, -1e-5, 0.0, 1e-5, 30.0, 90.0, 200.0]], np.float32)
EDGE = np.array([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0], np.float32)
SYMBOLS = {"x": ("N", 5, "T")}


def torch_result(function: str, x: np.ndarray, **settings: Any) -> Callable[[], dict[str, np.ndarray]]:
    """What a function of torch.nn.functional, or else of torch, gives."""

    def run() -> dict[str, np.ndarray]:
        import torch

        found = getattr(torch.nn.functional, function, None) or getattr(torch, function)
        return {"y": found(torch.from_numpy(x), **settings).numpy()}

    return run


def keras_result(function: str, x: np.ndarray, **settings: Any) -> Callable[[], dict[str, np.ndarray]]:
    """What a function of keras.activations gives."""

    def run() -> dict[str, np.ndarray]:
        import keras

        return {"y": np.asarray(getattr(keras.activations, function)(x, **settings))}

    return run


def _case(name: str, layer: Layer, function: str, **settings: Any) -> Case:
    wanted = torch_result(function, X, **settings)
    return Case(name, layer, {"x": X}, wanted, f"torch.nn.functional.{function}", shapes=SYMBOLS)


def _far(layer: Layer, function: str, **settings: Any) -> Case:
    wanted, against = torch_result(function, FAR, **settings), f"torch.nn.functional.{function}"
    return Case("does not overflow far from zero", layer, {"x": FAR}, wanted, against)


def _keras(name: str, layer: Layer, function: str, **settings: Any) -> Case:
    wanted = keras_result(function, X, **settings)
    return Case(name, layer, {"x": X}, wanted, f"keras.activations.{function}", shapes=SYMBOLS)


def _prelu_of_torch(name: str, slope: np.ndarray) -> Case:
    def run() -> dict[str, np.ndarray]:
        import torch

        return {"y": torch.nn.functional.prelu(torch.from_numpy(IMAGE), torch.from_numpy(slope)).numpy()}

    shapes = {"x": ("N", 3, "H", "W")}
    against = "torch.nn.functional.prelu"
    return Case(name, PRelu(), {"x": IMAGE}, run, against, operands={"slope": slope}, shapes=shapes)


def _prelu_of_keras(name: str, shared_axes: list[int] | None, slope: np.ndarray) -> Case:
    """Keras counts the shared axes in its own channels-last layout, in which the slope is turned here."""

    def run() -> dict[str, np.ndarray]:
        import keras

        layer = keras.layers.PReLU(shared_axes=shared_axes)
        layer.build((None, 5, 7, 3))
        layer.set_weights([np.moveaxis(slope, 0, 2)])
        return {"y": np.moveaxis(np.asarray(layer(np.moveaxis(IMAGE, 1, 3))), 3, 1)}

    against = "keras.layers.PReLU"
    shapes = {"x": ("N", 3, 5, 7)}
    return Case(name, PRelu(), {"x": IMAGE}, run, against, operands={"slope": slope}, shapes=shapes)


def _relu_of_keras(name: str, layer: Layer, x: np.ndarray = X, **settings: Any) -> Case:
    def run() -> dict[str, np.ndarray]:
        import keras

        return {"y": np.asarray(keras.layers.ReLU(**settings)(x))}

    return Case(name, layer, {"x": x}, run, "keras.layers.ReLU", shapes=SYMBOLS if x is X else {})


def _edge(layer: Layer, function: str, **settings: Any) -> Case:
    wanted, against = torch_result(function, EDGE, **settings), f"torch.nn.functional.{function}"
    return Case("is right at the ends of its pieces", layer, {"x": EDGE}, wanted, against, shapes={"x": ("N",)})


def _computed_slope() -> dict[str, np.ndarray]:
    import torch

    return {"y": torch.nn.functional.prelu(torch.from_numpy(IMAGE), torch.from_numpy(_SLOPES["channels"])).numpy()}


_SLOPES = arrays(3, one=(1,), channels=(3,), elements=(3, 5, 7), rows=(3, 5, 1), features=(7,))


def _prelu_of_features() -> Case:
    x, slope = arrays(4, x=(5, 7))["x"], _SLOPES["features"]

    def run() -> dict[str, np.ndarray]:
        import torch

        return {"y": torch.nn.functional.prelu(torch.from_numpy(x), torch.from_numpy(slope)).numpy()}

    against = "torch.nn.functional.prelu"
    return Case("one slope a feature", PRelu(), {"x": x}, run, against, {"slope": slope}, {"x": ("N", 7)})


CASES = [
    _case("cuts at zero", Relu(), "relu"),
    _case("keeps a slope of 0.15 below zero", LeakyRelu(slope=0.15), "leaky_relu", negative_slope=0.15),
    _keras("keeps Keras' slope of 0.3", LeakyRelu(slope=0.3), "leaky_relu", negative_slope=0.3),
    _case("is RReLU at inference", LeakyRelu(slope=0.2), "rrelu", lower=0.1, upper=0.3),
    _case("is zero up to 0.7", ThresholdedRelu(threshold=0.7), "threshold", threshold=0.7, value=0.0),
    _case("is ReLU6", Clip(low=0.0, high=6.0), "relu6"),
    _case("is Hardtanh", Clip(low=-0.5, high=1.5), "hardtanh", min_val=-0.5, max_val=1.5),
    _keras("is Keras' hard tanh", Clip(low=-1.0, high=1.0), "hard_tanh"),
    _case("leaves the top open", Clip(low=0.25, high=None), "clamp", min=0.25),
    _case("leaves the bottom open", Clip(low=None, high=0.25), "clamp", max=0.25),
    _relu_of_keras(
        "has all settings at once",
        GeneralRelu(max_value=3.0, negative_slope=0.1, threshold=0.5),
        max_value=3.0,
        negative_slope=0.1,
        threshold=0.5,
    ),
    _relu_of_keras(
        "has no top",
        GeneralRelu(max_value=None, negative_slope=0.2, threshold=1.5),
        negative_slope=0.2,
        threshold=1.5,
    ),
    _case("bends with alpha 0.7", Elu(alpha=0.7), "elu", alpha=0.7),
    _keras("bends with alpha 1.3", Elu(alpha=1.3), "elu", alpha=1.3),
    _case("has the constants of the paper", Selu(), "selu"),
    _keras("has the constants of the paper in Keras", Selu(), "selu"),
    _case("lies between 0 and 1", Sigmoid(), "sigmoid"),
    _far(Sigmoid(), "sigmoid"),
    _case("has a slope of 1/6 in PyTorch", HardSigmoid(slope=1 / 6, offset=0.5), "hardsigmoid"),
    _keras("has a slope of 1/6 in Keras 3", HardSigmoid(slope=1 / 6, offset=0.5), "hard_sigmoid"),
    _keras("is Keras' sparse sigmoid", HardSigmoid(slope=0.5, offset=0.5), "sparse_sigmoid"),
    Case(
        "has a slope of 0.2 in Keras 2 and Theano",
        HardSigmoid(slope=0.2, offset=0.5),
        {"x": X},
        lambda: {"y": np.clip(np.float32(0.2) * X + np.float32(0.5), 0, 1)},
        "numpy, by the formula",
        shapes=SYMBOLS,
    ),
    _case("lies between -1 and 1", Tanh(), "tanh"),
    _case("is smooth", Softplus(), "softplus"),
    _keras("is smooth in Keras", Softplus(), "softplus"),
    _far(Softplus(), "softplus"),
    _case("lies between -1 and 1", Softsign(), "softsign"),
    _case("grows", Exp(), "exp"),
    _case("is gated by its sigmoid", Silu(), "silu"),
    _far(Silu(), "silu"),
    _case("is exact", Gelu(approximation="none"), "gelu", approximate="none"),
    _case("is approximated by tanh", Gelu(approximation="tanh"), "gelu", approximate="tanh"),
    _keras("is exact in Keras", Gelu(approximation="none"), "gelu", approximate=False),
    _keras("is approximated by tanh in Keras", Gelu(approximation="tanh"), "gelu", approximate=True),
    _case("is gated by its hard sigmoid", HardSwish(), "hardswish"),
    _keras("is gated by its hard sigmoid in Keras", HardSwish(), "hard_silu"),
    _case("is zero between -0.6 and 0.6", HardShrink(threshold=0.6), "hardshrink", lambd=0.6),
    _keras("is zero between -0.5 and 0.5 in Keras", HardShrink(threshold=0.5), "hard_shrink", threshold=0.5),
    _case("moves towards zero by 0.6", SoftShrink(threshold=0.6), "softshrink", lambd=0.6),
    _keras("moves towards zero by 0.5 in Keras", SoftShrink(threshold=0.5), "soft_shrink", threshold=0.5),
    _case("bends with alpha 0.7", Celu(alpha=0.7), "celu", alpha=0.7),
    _keras("bends with alpha 1.3 in Keras", Celu(alpha=1.3), "celu", alpha=1.3),
    _case("is gated by the tanh of its softplus", Mish(), "mish"),
    _far(Mish(), "mish"),
    _prelu_of_torch("has one slope", _SLOPES["one"]),
    _prelu_of_torch("has one slope a channel", _SLOPES["channels"]),
    _prelu_of_features(),
    _prelu_of_keras("has a slope for each element", None, _SLOPES["elements"]),
    _prelu_of_keras("shares slopes along the width", [2], _SLOPES["rows"]),
    Case(
        "takes a slope that the graph computes",
        PRelu(),
        {"x": IMAGE, "slope": _SLOPES["channels"]},
        _computed_slope,
        "torch.nn.functional.prelu",
        shapes={"x": ("N", 3, "H", "W")},
    ),
    _edge(Relu(), "relu"),
    _edge(ThresholdedRelu(threshold=0.5), "threshold", threshold=0.5, value=0.0),
    _edge(HardShrink(threshold=0.5), "hardshrink", lambd=0.5),
    _edge(SoftShrink(threshold=0.5), "softshrink", lambd=0.5),
    _edge(HardSwish(), "hardswish"),
    _relu_of_keras(
        "has Keras' step",
        GeneralRelu(max_value=3.0, negative_slope=0.1, threshold=0.5),
        x=EDGE,
        max_value=3.0,
        negative_slope=0.1,
        threshold=0.5,
    ),
    Case(
        "keeps float64",
        Clip(low=-0.1, high=0.7),
        {"x": EDGE.astype(np.float64)},
        torch_result("clamp", EDGE.astype(np.float64), min=-0.1, max=0.7),
        "torch.clamp",
        tolerance=1e-15,
    ),
    _case("sums to one along the middle axis", Softmax(axis=1), "softmax", dim=1),
    _keras("sums to one along the last axis", Softmax(axis=2), "softmax", axis=-1),
    _far(Softmax(axis=1), "softmax", dim=1),
    _case("is the logarithm of a softmax", LogSoftmax(axis=1), "log_softmax", dim=1),
    _keras("is the logarithm of a softmax in Keras", LogSoftmax(axis=2), "log_softmax", axis=-1),
    _far(LogSoftmax(axis=1), "log_softmax", dim=1),
]
