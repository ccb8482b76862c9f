"""Normalisations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from irconv.ir.layers.base import AxisBehaviour, ChannelFirst, Layer, Parameter, Pointwise, ValueType


class BatchNorm(Layer):
    """Normalises each channel by running statistics.

    ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``, each of the four a vector over axis 1.

    `momentum` is the weight of the OLD average (Keras, TensorFlow, ONNX; PyTorch's is one minus it); None keeps a
    cumulative average (PyTorch). It has no effect on inference. Defaults of `epsilon` differ: Keras 1e-3, PyTorch 1e-5.
    Axes: x and y (n, c, \\*s); gamma, beta, mean and variance (c).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "gamma": Parameter("c", 1.0),
        "beta": Parameter("c", 0.0),
        "mean": Parameter("c", buffer=True),
        "variance": Parameter("c", buffer=True),
    }
    BEHAVIOUR: ClassVar[AxisBehaviour] = ChannelFirst()

    type: Literal["BatchNorm"] = "BatchNorm"
    epsilon: float
    momentum: float | None

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, mean = given["x"], given["mean"].shape
        if isinstance(x.shape[1], int) and mean != (x.shape[1],):
            raise ValueError(f"statistics of shape {mean} do not fit axis 1 of {x.shape}")
        return {"y": x}


class Dropout(Layer):
    """The identity at inference. `rate` is the share of elements that training sets to zero (TF1 says the rest)."""

    BEHAVIOUR: ClassVar[AxisBehaviour] = Pointwise()

    type: Literal["Dropout"] = "Dropout"
    rate: float
