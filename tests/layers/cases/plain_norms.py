"""Normalisations without weights against torch, TensorFlow, Keras and onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np

from irconv.ir.layers.plain_norms import LocalResponseNorm, MeanVarianceNorm, UnitNorm
from tests.layers.harness import Arrays, Case, arrays

IMAGE = arrays(21, x=(2, 7, 5, 3))["x"] * 2
SYMBOLS = {"x": ("N", 7, "H", "W")}
SMALL = IMAGE * np.array([1e-9, 1.0], np.float32)[:, None, None, None]


def _lrn_of_torch(name: str, size: int, x: np.ndarray = IMAGE) -> Case:
    def run() -> Arrays:
        import torch

        return {"y": torch.nn.functional.local_response_norm(torch.from_numpy(x), size, 0.3, 0.75, 1.5).numpy()}

    layer = LocalResponseNorm(before=size // 2, after=(size - 1) // 2, alpha=0.3, alpha_of="window", beta=0.75, k=1.5)
    symbols = {"x": ("N", 7, "H", "W")[: len(x.shape)]}
    return Case(name, layer, {"x": x}, run, "torch.nn.functional.local_response_norm", shapes=symbols)


def _lrn_of_tensorflow() -> Arrays:
    import tensorflow as tf

    y = tf.nn.local_response_normalization(np.moveaxis(IMAGE, 1, 3), depth_radius=2, bias=1.5, alpha=0.2, beta=0.6)
    return {"y": np.moveaxis(y.numpy(), 3, 1)}


def _normalize(name: str, order: Any, dim: Any, axes: tuple[int, ...], epsilon: float, x: np.ndarray = IMAGE) -> Case:
    def run() -> Arrays:
        import torch

        return {"y": torch.nn.functional.normalize(torch.from_numpy(x), order, dim, epsilon).numpy()}

    layer = UnitNorm(axes=axes, order=order, epsilon=epsilon, least="norm")
    return Case(name, layer, {"x": x}, run, "torch.nn.functional.normalize", shapes=SYMBOLS)


def _unit_norm_of_keras() -> Arrays:
    import keras

    return {"y": np.asarray(keras.layers.UnitNormalization(axis=[1, 3])(IMAGE))}


def _l2_normalize(x: np.ndarray, epsilon: float) -> Arrays:
    import tensorflow as tf

    return {"y": tf.nn.l2_normalize(x, axis=[1], epsilon=epsilon).numpy()}


def _l2(name: str, x: np.ndarray, epsilon: float) -> Case:
    layer = UnitNorm(axes=(1,), order=2, epsilon=epsilon, least="square_sum")
    return Case(name, layer, {"x": x}, lambda: _l2_normalize(x, epsilon), "tf.nn.l2_normalize", shapes=SYMBOLS)


def _mean_variance(axes: tuple[int, ...]) -> Arrays:
    """The op's own result in onnxruntime; the layer does not use the op."""
    import onnxruntime
    from onnx import helper

    port = [helper.make_tensor_value_info(name, 1, IMAGE.shape) for name in "xy"]
    node = helper.make_node("MeanVarianceNormalization", ["x"], ["y"], axes=axes)
    graph = helper.make_graph([node], "mvn", port[:1], port[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return {"y": np.asarray(session.run(None, {"x": IMAGE})[0])}


def _centred() -> Arrays:
    import torch

    x = torch.from_numpy(IMAGE)
    return {"y": (x - x.mean((2, 3), keepdim=True)).numpy()}


def _added_epsilon() -> Arrays:
    import torch

    x = torch.from_numpy(IMAGE)
    std, mean = torch.std_mean(x, (1, 2, 3), correction=0, keepdim=True)
    return {"y": ((x - mean) / (std + 0.25)).numpy()}


CASES = [
    _lrn_of_torch("an odd window", 5),
    _lrn_of_torch("an even window, which PyTorch begins earlier", 4),
    _lrn_of_torch("a window of one", 1),
    _lrn_of_torch("a window wider than the channels", 9),
    _lrn_of_torch("an odd window over sequences", 3, IMAGE[..., 0].copy()),
    _lrn_of_torch("an even window over sequences", 2, IMAGE[..., 0].copy()),
    Case(
        "alpha for each element",
        LocalResponseNorm(before=2, after=2, alpha=0.2, alpha_of="element", beta=0.6, k=1.5),
        {"x": IMAGE},
        _lrn_of_tensorflow,
        "tf.nn.local_response_normalization",
        shapes=SYMBOLS,
    ),
    _normalize("the root of the sum of squares", 2, 1, (1,), 1e-12),
    _normalize("the sum of absolute values", 1, 1, (1,), 1e-12),
    _normalize("two axes", 2, (1, 2), (1, 2), 1e-12),
    _normalize("small norms are not divided by", 2, 1, (1,), 1e-3, SMALL),
    Case(
        "two axes in Keras",
        UnitNorm(axes=(1, 3), order=2, epsilon=1e-12, least="norm"),
        {"x": IMAGE},
        _unit_norm_of_keras,
        "keras.layers.UnitNormalization",
        shapes=SYMBOLS,
    ),
    _l2("TensorFlow's least sum of squares", IMAGE, 1e-12),
    _l2("small sums of squares are not divided by", SMALL, 1e-3),
    Case(
        "over the batch and the spatial axes",
        MeanVarianceNorm(axes=(0, 2, 3), divide=True, epsilon=1e-9),
        {"x": IMAGE},
        lambda: _mean_variance((0, 2, 3)),
        "onnxruntime's MeanVarianceNormalization",
        shapes=SYMBOLS,
    ),
    Case(
        "an epsilon that can be seen",
        MeanVarianceNorm(axes=(1, 2, 3), divide=True, epsilon=0.25),
        {"x": IMAGE},
        _added_epsilon,
        "torch.std_mean",
        shapes=SYMBOLS,
    ),
    Case(
        "takes the mean away only",
        MeanVarianceNorm(axes=(2, 3), divide=False, epsilon=0.0),
        {"x": IMAGE},
        _centred,
        "torch.Tensor.mean",
        shapes=SYMBOLS,
    ),
]
