"""Norms and activations."""

from __future__ import annotations

from math import erf
from typing import Any

import numpy as np

from irconv.frameworks.bundle.sketches.windows import along


def BatchNorm(
    x: Any,
    gamma: Any = 1.0,
    beta: Any = 0.0,
    mean: Any = 0.0,
    variance: Any = None,
    std: Any = None,
    inv_std: Any = None,
    *,
    epsilon: float,
    momentum: Any,
) -> Any:
    if variance is not None:
        inv_std = 1 / np.sqrt(variance + np.float32(epsilon))
    elif std is not None:
        inv_std = 1 / (std + np.float32(epsilon))
    return along(gamma * inv_std, x.ndim) * (x - along(mean, x.ndim)) + along(beta, x.ndim)


def LayerNorm(x: Any, gamma: Any = 1.0, beta: Any = 0.0, *, axes: Any, epsilon: float) -> Any:
    middle = x - x.mean(tuple(axes), keepdims=True)
    y = middle / np.sqrt((middle**2).mean(tuple(axes), keepdims=True) + x.dtype.type(epsilon))
    shape = [x.shape[axis] if axis in axes else 1 for axis in range(x.ndim)]
    turn = np.argsort(np.argsort(axes))
    gamma, beta = (np.reshape(np.transpose(v, turn), shape) if np.ndim(v) else v for v in (gamma, beta))
    return gamma * y + beta


def RMSNorm(x: Any, gamma: Any = 1.0, *, axes: Any, epsilon: float) -> Any:
    y = x / np.sqrt((x * x).mean(tuple(axes), keepdims=True) + x.dtype.type(epsilon))
    shape = [x.shape[axis] if axis in axes else 1 for axis in range(x.ndim)]
    return y * (np.reshape(np.transpose(gamma, np.argsort(np.argsort(axes))), shape) if np.ndim(gamma) else gamma)


def GroupNorm(x: Any, gamma: Any = 1.0, beta: Any = 0.0, *, groups: int, epsilon: float) -> Any:
    flat = x.reshape(len(x), groups, -1)
    middle = flat - flat.mean(-1, keepdims=True)
    y = middle / np.sqrt((middle**2).mean(-1, keepdims=True) + x.dtype.type(epsilon))
    return along(gamma, x.ndim) * y.reshape(x.shape) + along(beta, x.ndim)


def InstanceNorm(x: Any, gamma: Any = 1.0, beta: Any = 0.0, *, epsilon: float) -> Any:
    return GroupNorm(x, gamma, beta, groups=x.shape[1], epsilon=epsilon)


def ChannelAffine(x: Any, scale: Any = 1.0, shift: Any = 0.0) -> Any:
    return along(scale, x.ndim) * x + along(shift, x.ndim)


def Dropout(x: Any, **training_alone: Any) -> Any:
    return x


def GaussianNoise(x: Any, **training_alone: Any) -> Any:
    return x


def Augmentation(x: Any, **training_alone: Any) -> Any:
    return x


def Identity(x: Any) -> Any:
    return x


def Relu(x: Any) -> Any:
    return np.maximum(x, 0)


def LeakyRelu(x: Any, *, slope: float) -> Any:
    return np.where(x > 0, x, x.dtype.type(slope) * x)


def Clip(x: Any, *, low: Any, high: Any) -> Any:
    return np.clip(x, -np.inf if low is None else low, np.inf if high is None else high).astype(x.dtype)


def Elu(x: Any, *, alpha: float) -> Any:
    return np.where(x > 0, x, x.dtype.type(alpha) * np.expm1(np.minimum(x, 0)))


def Selu(x: Any) -> Any:
    return x.dtype.type(1.0507009873554805) * Elu(x, alpha=1.6732632423543772)


def Sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-np.abs(x))) * np.where(x < 0, np.exp(-np.abs(x)), 1)


def HardSigmoid(x: Any, *, slope: float, offset: float) -> Any:
    return np.clip(x.dtype.type(slope) * x + x.dtype.type(offset), 0, 1)


def Tanh(x: Any) -> Any:
    return np.tanh(x)


def Exp(x: Any) -> Any:
    return np.exp(x)


def Softplus(x: Any) -> Any:
    return np.logaddexp(x, 0)


def Silu(x: Any) -> Any:
    return x * Sigmoid(x)


def Gelu(x: Any, *, approximation: str) -> Any:
    if approximation == "tanh":
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi).astype(x.dtype) * (x + x.dtype.type(0.044715) * x**3)))
    return x * (0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2)))).astype(x.dtype)


def Mish(x: Any) -> Any:
    return x * np.tanh(Softplus(x))


def HardSwish(x: Any) -> Any:
    return x * np.clip(x / 6 + x.dtype.type(0.5), 0, 1)


def Softsign(x: Any) -> Any:
    return x / (1 + np.abs(x))


def Celu(x: Any, *, alpha: float) -> Any:
    return np.where(x > 0, x, x.dtype.type(alpha) * np.expm1(np.minimum(x, 0) / x.dtype.type(alpha)))


def HardShrink(x: Any, *, threshold: float) -> Any:
    return np.where(np.abs(x) > threshold, x, 0).astype(x.dtype)


def SoftShrink(x: Any, *, threshold: float) -> Any:
    return np.sign(x) * np.maximum(np.abs(x) - x.dtype.type(threshold), 0)


def ThresholdedRelu(x: Any, *, threshold: float) -> Any:
    return np.where(x > threshold, x, 0).astype(x.dtype)


def PRelu(x: Any, slope: Any) -> Any:
    return np.where(x > 0, x, np.reshape(slope, (*slope.shape, *[1] * (x.ndim - 1 - slope.ndim))) * x)


def Softmax(x: Any, *, axis: int) -> Any:
    y = np.exp(x - x.max(axis, keepdims=True))
    return y / y.sum(axis, keepdims=True)


def LogSoftmax(x: Any, *, axis: int) -> Any:
    y = x - x.max(axis, keepdims=True)
    return y - np.log(np.exp(y).sum(axis, keepdims=True))
