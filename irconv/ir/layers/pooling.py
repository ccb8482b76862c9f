"""Pools over windows of the spatial axes; pooling over whole axes is `Reduce`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.window import Padding, window_outputs


class MaxPool(Layer):
    """The largest element under a sliding window; padding never wins (it counts as minus infinity).

    Axes: x and y (n, c, \\*s). `ceil_mode` keeps a last window that is only partly inside (PyTorch, Caffe); one that
    would start in the padding is dropped.
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}

    type: Literal["MaxPool"] = "MaxPool"
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: Padding
    ceil_mode: bool

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        spatial = window_outputs(x.shape[2:], self.kernel, self.stride, self.dilation, self.padding, self.ceil_mode)
        return {"y": ValueType(x.dtype, (*x.shape[:2], *spatial))}


class AveragePool(Layer):
    """The mean under a sliding window.

    Axes: x and y (n, c, \\*s). With `count_padding` the divisor is the window's size (PyTorch's default); without, the
    number of elements inside the input (TensorFlow, Keras, ONNX's default).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}

    type: Literal["AveragePool"] = "AveragePool"
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Padding
    ceil_mode: bool
    count_padding: bool

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x = given["x"]
        ones = (1,) * len(self.kernel)
        spatial = window_outputs(x.shape[2:], self.kernel, self.stride, ones, self.padding, self.ceil_mode)
        return {"y": ValueType(x.dtype, (*x.shape[:2], *spatial))}
