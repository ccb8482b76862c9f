"""Normalisations with weights or statistics against torch and Keras, all weights random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from irconv.ir.layers.base import Layer
from irconv.ir.layers.normalisation import (
    BatchNorm,
    ChannelAffine,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    RMSNorm,
    Standardization,
)
from tests.layers.harness import Arrays, Case, arrays

W = arrays(11, gamma=(6,), beta=(6,), mean=(6,), spread=(6,))
VARIANCE = np.abs(W["spread"]) + np.float32(0.05)
IMAGE = arrays(12, x=(2, 6, 5, 7))["x"] * 2 + 1
SYMBOLS = {2: ("N", 6), 3: ("N", 6, "T"), 4: ("N", 6, "H", "W"), 5: ("N", 6, "D", "H", "W")}


def _of_rank(rank: int) -> np.ndarray:
    return arrays(13, x=(2, 6, 5, 3, 4)[:rank])["x"] * 2


def _batch_norm_of_torch(name: str, rank: int, epsilon: float, *roles: str) -> Case:
    x, affine = _of_rank(rank), {role: W[role] for role in roles}

    def run() -> Arrays:
        import torch

        values = [torch.from_numpy(value) for value in (x, W["mean"], VARIANCE)]
        weights = [torch.from_numpy(affine[role]) if role in affine else None for role in ("gamma", "beta")]
        return {"y": torch.nn.functional.batch_norm(*values, *weights, False, 0.1, epsilon).numpy()}

    return Case(
        name,
        BatchNorm(epsilon=epsilon, momentum=None if rank == 2 else 0.9),
        {"x": x},
        run,
        "torch.nn.functional.batch_norm",
        {**affine, "mean": W["mean"], "variance": VARIANCE},
        {"x": SYMBOLS[rank]},
    )


def _keras(layer: Any, x: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    layer.build((None, *x.shape[1:]))
    layer.set_weights(weights)
    return np.asarray(layer(x))


def _channels_last(layer: Any, x: np.ndarray, *weights: np.ndarray) -> Arrays:
    """A Keras layer on channels-last values, the result channels-first again."""
    return {"y": np.moveaxis(_keras(layer, np.moveaxis(x, 1, -1), list(weights)), -1, 1)}


def _batch_norm_of_keras(name: str, *roles: str) -> Case:
    def run() -> Arrays:
        import keras

        layer = keras.layers.BatchNormalization(epsilon=1e-3, scale="gamma" in roles, center="beta" in roles)
        return _channels_last(layer, IMAGE, *(W[role] for role in roles), W["mean"], VARIANCE)

    return Case(
        name,
        BatchNorm(epsilon=1e-3, momentum=0.99),
        {"x": IMAGE},
        run,
        "keras.layers.BatchNormalization",
        {**{role: W[role] for role in roles}, "mean": W["mean"], "variance": VARIANCE},
        {"x": SYMBOLS[4]},
    )


def _along_channels(vector: np.ndarray) -> np.ndarray:
    return vector[:, None, None]


def _spread(name: str, role: str, epsilon: float, formula: Callable[[np.ndarray], np.ndarray], *roles: str) -> Case:
    """Lasagne, Theano and Keras 1.0.5 cannot be installed here; the formula is theirs, in float64."""

    def run() -> Arrays:
        y = formula(IMAGE.astype(np.float64) - _along_channels(W["mean"]))
        y = y * _along_channels(W["gamma"]) if "gamma" in roles else y
        y = y + _along_channels(W["beta"]) if "beta" in roles else y
        return {"y": y.astype(np.float32)}

    return Case(
        name,
        BatchNorm(epsilon=epsilon, momentum=0.9),
        {"x": IMAGE},
        run,
        "numpy, by the formula of the framework named",
        {**{r: W[r] for r in roles}, "mean": W["mean"], role: VARIANCE},
        {"x": SYMBOLS[4]},
    )


def _layer_norm(name: str, x: np.ndarray, count: int, roles: tuple[str, ...], epsilon: float = 1e-5) -> Case:
    shape = x.shape[-count:]
    weights = arrays(14, gamma=shape, beta=shape)

    def run() -> Arrays:
        import torch

        given = [torch.from_numpy(weights[role]) if role in roles else None for role in ("gamma", "beta")]
        return {"y": torch.nn.functional.layer_norm(torch.from_numpy(x), shape, *given, epsilon).numpy()}

    rank = len(x.shape)
    layer = LayerNorm(axes=tuple(range(rank - count, rank)), epsilon=epsilon)
    operands, symbols = {role: weights[role] for role in roles}, ("N", "T")[: rank - count]
    against = "torch.nn.functional.layer_norm"
    return Case(name, layer, {"x": x}, run, against, operands, {"x": (*symbols, *x.shape[len(symbols) :])})


def _keras_norm(name: str, kind: str, layer: Layer, axis: Any, axes: tuple[int, ...], roles: tuple[str, ...]) -> Case:
    """A Keras normalisation of a value that is not moved; `axes` are the normalised ones."""
    shape = tuple(IMAGE.shape[axis] for axis in axes)
    weights = arrays(15, gamma=shape, beta=shape)

    def run() -> Arrays:
        import keras

        native = getattr(keras.layers, kind)(axis=axis, epsilon=layer.settings()["epsilon"])
        return {"y": _keras(native, IMAGE, [weights[role] for role in roles])}

    sizes = tuple(size if axis in axes else "NABC"[axis] for axis, size in enumerate(IMAGE.shape))
    operands = {role: weights[role] for role in roles}
    return Case(name, layer, {"x": IMAGE}, run, f"keras.layers.{kind}", operands, {"x": sizes})


def _rms_norm_of_torch(name: str, roles: tuple[str, ...], epsilon: float | None) -> Case:
    weights = arrays(16, gamma=(5, 7))

    def run() -> Arrays:
        import torch

        gamma = torch.from_numpy(weights["gamma"]) if roles else None
        return {"y": torch.nn.functional.rms_norm(torch.from_numpy(IMAGE), (5, 7), gamma, epsilon).numpy()}

    layer = RMSNorm(axes=(2, 3), epsilon=1.1920929e-07 if epsilon is None else epsilon)
    operands = {role: weights[role] for role in roles}
    return Case(name, layer, {"x": IMAGE}, run, "torch.nn.functional.rms_norm", operands, {"x": ("N", "C", 5, 7)})


def _group_norm(name: str, groups: int, roles: tuple[str, ...], x: np.ndarray = IMAGE) -> Case:
    def run() -> Arrays:
        import torch

        given = [torch.from_numpy(W[role]) if role in roles else None for role in ("gamma", "beta")]
        return {"y": torch.nn.functional.group_norm(torch.from_numpy(x), groups, *given, 1e-5).numpy()}

    layer, operands = GroupNorm(groups=groups, epsilon=1e-5), {role: W[role] for role in roles}
    shapes = {"x": SYMBOLS[len(x.shape)]}
    return Case(name, layer, {"x": x}, run, "torch.nn.functional.group_norm", operands, shapes)


def _group_norm_of_keras() -> Arrays:
    import keras

    return _channels_last(keras.layers.GroupNormalization(groups=2, epsilon=1e-3), IMAGE, W["gamma"], W["beta"])


def _instance_norm(name: str, rank: int, roles: tuple[str, ...]) -> Case:
    x = _of_rank(rank)

    def run() -> Arrays:
        import torch

        given = [torch.from_numpy(W[role]) if role in roles else None for role in ("gamma", "beta")]
        return {"y": torch.nn.functional.instance_norm(torch.from_numpy(x), None, None, *given, eps=1e-5).numpy()}

    against, operands = "torch.nn.functional.instance_norm", {role: W[role] for role in roles}
    return Case(name, InstanceNorm(epsilon=1e-5), {"x": x}, run, against, operands, {"x": SYMBOLS[rank]})


def _running_instance_norm() -> Arrays:
    import torch

    layer = torch.nn.InstanceNorm2d(6, affine=True, track_running_stats=True).eval()
    state = {"weight": "gamma", "bias": "beta", "running_mean": "mean"}
    layer.load_state_dict(
        {
            **{native: torch.from_numpy(W[role]) for native, role in state.items()},
            "running_var": torch.from_numpy(VARIANCE),
            "num_batches_tracked": torch.tensor(3),
        }
    )
    return {"y": layer(torch.from_numpy(IMAGE)).detach().numpy()}


_TINY = np.where(np.arange(6) == 2, np.float32(1e-20), VARIANCE).astype(np.float32)


def _standardization(name: str, invert: bool, variance: np.ndarray) -> Case:
    def run() -> Arrays:
        import keras

        return _channels_last(keras.layers.Normalization(mean=W["mean"], variance=variance, invert=invert), IMAGE)

    layer = Standardization(epsilon=1e-7, invert=invert)
    operands = {"mean": W["mean"], "variance": variance}
    return Case(name, layer, {"x": IMAGE}, run, "keras.layers.Normalization", operands, {"x": SYMBOLS[4]})


def _affine(name: str, roles: tuple[str, ...]) -> Case:
    operands = {"scale": W["gamma"], "shift": W["beta"]}

    def run() -> Arrays:
        import torch

        zero, one = torch.zeros(6), torch.ones(6)
        scale = torch.from_numpy(operands["scale"]) if "scale" in roles else one
        shift = torch.from_numpy(operands["shift"]) if "shift" in roles else zero
        return {"y": torch.nn.functional.batch_norm(torch.from_numpy(IMAGE), zero, one, scale, shift, eps=0).numpy()}

    against = "torch.nn.functional.batch_norm with mean 0, variance 1 and epsilon 0"
    chosen = {role: operands[role] for role in roles}
    return Case(name, ChannelAffine(), {"x": IMAGE}, run, against, chosen, {"x": SYMBOLS[4]})


_BOTH, _NONE = ("gamma", "beta"), ()

CASES = [
    _batch_norm_of_torch("vectors", 2, 1e-5, *_BOTH),
    _batch_norm_of_torch("one spatial axis", 3, 1e-5, *_BOTH),
    _batch_norm_of_torch("two spatial axes", 4, 1e-5, *_BOTH),
    _batch_norm_of_torch("three spatial axes and another epsilon", 5, 1e-2, *_BOTH),
    _batch_norm_of_torch("without gamma and beta", 4, 1e-5),
    _batch_norm_of_keras("Keras' epsilon", *_BOTH),
    _batch_norm_of_keras("without gamma", "beta"),
    _batch_norm_of_keras("without beta", "gamma"),
    _spread("Lasagne's inverse deviation", "inv_std", 1e-4, lambda x: x * _along_channels(VARIANCE), *_BOTH),
    _spread("an inverse deviation without gamma and beta", "inv_std", 0.0, lambda x: x * _along_channels(VARIANCE)),
    _spread("Theano's deviation", "std", 0.0, lambda x: x / _along_channels(VARIANCE), *_BOTH),
    _spread("the deviation of Keras 1.0.5", "std", 1e-2, lambda x: x / (_along_channels(VARIANCE) + 1e-2), *_BOTH),
    _spread("a deviation without gamma", "std", 0.0, lambda x: x / _along_channels(VARIANCE), "beta"),
    Case(
        "is InstanceNorm with running statistics",
        BatchNorm(epsilon=1e-5, momentum=0.9),
        {"x": IMAGE},
        _running_instance_norm,
        "torch.nn.InstanceNorm2d",
        {"gamma": W["gamma"], "beta": W["beta"], "mean": W["mean"], "variance": VARIANCE},
    ),
    Case(
        "takes an inverse deviation that the graph computes",
        BatchNorm(epsilon=0.0, momentum=0.9),
        {"x": IMAGE, "inv_std": VARIANCE},
        lambda: {"y": (IMAGE - _along_channels(W["mean"])) * _along_channels(VARIANCE)},
        "numpy, by the formula",
        {"mean": W["mean"]},
    ),
    _layer_norm("the last axis", _of_rank(3), 1, _BOTH),
    _layer_norm("the last two axes", _of_rank(4), 2, _BOTH),
    _layer_norm("without beta", _of_rank(3), 1, ("gamma",)),
    _layer_norm("without gamma", _of_rank(3), 1, ("beta",)),
    _layer_norm("without both", _of_rank(3), 1, _NONE, 1e-12),
    _keras_norm("Keras' epsilon", "LayerNormalization", LayerNorm(axes=(3,), epsilon=1e-3), -1, (3,), _BOTH),
    _keras_norm(
        "an axis that is not the last", "LayerNormalization", LayerNorm(axes=(1,), epsilon=1e-3), 1, (1,), _BOTH
    ),
    _keras_norm("axes apart", "LayerNormalization", LayerNorm(axes=(1, 3), epsilon=1e-3), [1, 3], (1, 3), _BOTH),
    Case(
        "weights whose axes come in another order",
        LayerNorm(axes=(3, 1), epsilon=1e-3),
        {"x": IMAGE},
        lambda: {"y": _turned_layer_norm()},
        "keras.layers.LayerNormalization, weights turned",
        {role: value.T for role, value in arrays(17, gamma=(6, 7), beta=(6, 7)).items()},
    ),
    _rms_norm_of_torch("PyTorch's epsilon", ("gamma",), None),
    _rms_norm_of_torch("without gamma", _NONE, 1e-3),
    _keras_norm("Keras' epsilon", "RMSNormalization", RMSNorm(axes=(3,), epsilon=1e-6), -1, (3,), ("gamma",)),
    _group_norm("three groups", 3, _BOTH),
    _group_norm("one group", 1, _BOTH),
    _group_norm("as many groups as channels", 6, _BOTH),
    _group_norm("without gamma and beta", 2, _NONE),
    _group_norm("without gamma", 2, ("beta",)),
    _group_norm("vectors", 2, _BOTH, _of_rank(2)),
    _group_norm("sequences", 2, _BOTH, _of_rank(3)),
    _group_norm("volumes", 3, _BOTH, _of_rank(5)),
    # torch itself is 7e-6 away from float64 here: x has only so many digits left after its mean is taken away
    replace(_group_norm("a mean of 300 deviations", 2, _BOTH, IMAGE + np.float32(300)), tolerance=5e-5),
    Case(
        "Keras' epsilon",
        GroupNorm(groups=2, epsilon=1e-3),
        {"x": IMAGE},
        _group_norm_of_keras,
        "keras.layers.GroupNormalization",
        {"gamma": W["gamma"], "beta": W["beta"]},
        {"x": SYMBOLS[4]},
    ),
    _instance_norm("one spatial axis", 3, _BOTH),
    _instance_norm("two spatial axes", 4, _BOTH),
    _instance_norm("three spatial axes", 5, _BOTH),
    _instance_norm("without gamma and beta", 4, _NONE),
    _standardization("standardizes", False, VARIANCE),
    _standardization("is undone", True, VARIANCE),
    _standardization("keeps a variance of nearly nothing from blowing up", False, _TINY),
    _affine("scales and shifts", ("scale", "shift")),
    _affine("scales", ("scale",)),
    _affine("shifts", ("shift",)),
]


def _turned_layer_norm() -> np.ndarray:
    import keras

    weights = arrays(17, gamma=(6, 7), beta=(6, 7))
    layer = keras.layers.LayerNormalization(axis=[1, 3], epsilon=1e-3)
    return _keras(layer, IMAGE, [weights["gamma"], weights["beta"]])
