"""Convolutions and affine maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from irconv.ir.layers.base import AxisBehaviour, Barrier, Layer, Parameter, ValueType
from irconv.ir.layers.window import Padding, window_outputs


class Conv(Layer):
    """Cross-correlation over one to three spatial axes.

    ``y[n, o, p] = bias[o] + sum over i, q of kernel[o, i, q] x[n, g i_per_group + i, s p + d q - before]`` with
    ``g = o // (out / groups)``. The kernel is *not* turned: frameworks that compute the mathematical convolution
    (Theano with ``filter_flip=True``) store it turned, and reading them turns it.

    Axes: x (n, c, \\*s), kernel (out, in = c / groups, \\*k), bias (out), y (n, out, \\*s).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"kernel": Parameter("out in *k"), "bias": Parameter("out", 0.0)}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["Conv"] = "Conv"
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    padding: Padding

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, kernel = given["x"], given["kernel"].shape
        n, channels, *sizes = x.shape
        window = tuple(k for k in kernel[2:] if isinstance(k, int))
        if len(sizes) != len(window) or len(window) != len(self.stride) or len(window) != len(self.dilation):
            raise ValueError(f"a kernel of shape {kernel} with stride {self.stride} does not slide over {x.shape}")
        if isinstance(channels, int) and channels != kernel[1] * self.groups:
            raise ValueError(f"a kernel of shape {kernel} with {self.groups} groups does not take {channels} channels")
        spatial = window_outputs(tuple(sizes), window, self.stride, self.dilation, self.padding)
        return {"y": ValueType(x.dtype, (n, kernel[0], *spatial))}


class Linear(Layer):
    """Affine map of the last axis: ``y[..., o] = bias[o] + sum over i of kernel[o, i] x[..., i]``.

    Axes: x (..., in), kernel (out, in), bias (out), y (..., out). Keras and TensorFlow store (in, out).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "*a in"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "*a out"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"kernel": Parameter("out in"), "bias": Parameter("out", 0.0)}
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["Linear"] = "Linear"

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, kernel = given["x"], given["kernel"].shape
        if isinstance(x.shape[-1], int) and x.shape[-1] != kernel[1]:
            raise ValueError(f"a kernel of shape {kernel} does not take {x.shape[-1]} features")
        return {"y": ValueType(x.dtype, (*x.shape[:-1], kernel[0]))}
