"""Convolutions whose windows are bent by what the graph computes."""

from collections.abc import Mapping
from math import prod
from typing import ClassVar, Literal

import numpy as np

from irconv.ir.layers.arithmetic import Div, Sub
from irconv.ir.layers.base import AxisBehaviour, Barrier, Decomposition, Layer, Parameter, ValueType
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.convolution import Conv
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.ranges import Positive, written_out
from irconv.ir.layers.resampling import GridSample
from irconv.ir.layers.shape_ops import Range, SizeOf
from irconv.ir.layers.slicing import Select, Stack
from irconv.ir.layers.tensor_ops import Add, Mul, Reshape
from irconv.ir.layers.window import ExplicitPadding, window_outputs
from irconv.ir.shapes import Dimension, Size, size_product


class DeformConv(Layer):
    """A convolution over two spatial axes that reads x beside the places of its window (Dai et al., 2017).

    ``y[n, o, p] = bias[o] + sum over i, q of kernel[o, i, q] mask[n, d, q, p] x[n, i, s p + r q - before +
    offset[n, d, q, :, p]]`` with i over the inputs of o's group and d the part of `offset_groups` that i is of. Between
    elements x is interpolated linearly, and zero outside: torchvision's ``deform_conv2d``, ONNX's DeformConv.

    Axes: x (n, c, h, w), offset (n, (d, q, 2), \\*s) with the row before the column, kernel (out, in, \\*k), bias
    (out), mask (n, (d, q), \\*s), which is one where it is absent; y (n, out, \\*s).
    """

    SLOTS: ClassVar[Mapping[str, str]] = {"x": "n c *s", "offset": "n d *s"}
    RESULTS: ClassVar[Mapping[str, str]] = {"y": "n c *s"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "kernel": Parameter("out in *k"),
        "bias": Parameter("out", 0.0),
        "mask": Parameter("n d *s", 1.0),
    }
    BEHAVIOUR: ClassVar[AxisBehaviour] = Barrier()

    type: Literal["DeformConv"] = "DeformConv"
    stride: tuple[Positive, ...]
    dilation: tuple[Positive, ...]
    groups: Positive
    offset_groups: Positive
    padding: ExplicitPadding

    def infer(self, given: Mapping[str, ValueType]) -> dict[str, ValueType]:
        x, kernel = given["x"], given["kernel"].shape
        window = tuple(k for k in kernel[2:] if isinstance(k, int))
        if not len(x.shape) == len(kernel) == 4 or not len(window) == len(self.stride) == len(self.dilation) == 2:
            raise ValueError(f"a kernel of shape {kernel} with stride {self.stride} does not slide over {x.shape}")
        channels = x.shape[1]
        if isinstance(channels, int) and (channels != kernel[1] * self.groups or channels % self.offset_groups):
            what = f"{self.groups} groups and {self.offset_groups} groups of offsets"
            raise ValueError(f"a kernel of shape {kernel} with {what} does not take {channels} channels")
        spatial = window_outputs(x.shape[2:], window, self.stride, self.dilation, self.padding)
        for role, places in (("offset", 2), ("mask", 1)):
            if role not in given:
                continue
            wanted = (x.shape[0], self.offset_groups * prod(window) * places, *spatial)
            found = given[role].shape
            if len(found) != 4 or any(
                isinstance(a, int) and isinstance(b, int) and a != b for a, b in zip(found, wanted, strict=True)
            ):
                raise ValueError(f"expected a value {role} of shape {wanted}, got {found}")
        return {"y": ValueType(x.dtype, (x.shape[0], kernel[0], *spatial))}

    def decompose(self, given: Mapping[str, ValueType]) -> Decomposition:
        """Every place of the window read as a `GridSample`, then a convolution over these readings."""
        f, x, kernel = Formula(self, given), given["x"], given["kernel"].shape
        n, out, *sizes = self.infer(given)["y"].shape
        window = (int(kernel[2]), int(kernel[3]))
        count, parts, area = prod(window), self.offset_groups, size_product(sizes).dimension
        written_out(count, f"a window of {window}")
        many, each = (Size.of(n) * parts).dimension, Size.of(x.shape[1]).floor_divide(parts).dimension
        moves = f(Reshape(shape=(many, count, 2, *sizes)), "offset")
        turned = [self._coordinates(f, x, moves, axis, window, sizes[axis]) for axis in (1, 0)]
        flat = f(Reshape(shape=(many, (Size.of(sizes[0]) * count).dimension, sizes[1], 2)), f(Stack(axis=4), *turned))
        sample = GridSample(mode="linear", outside="zeros", align_corners=False)
        read = f(sample, f(Reshape(shape=(many, each, *x.shape[2:])), "x"), flat)
        if "mask" in given:
            weighed = f(Reshape(shape=(many, 1, (Size.of(sizes[0]) * count).dimension, sizes[1])), f.operand("mask"))
            read = f(Mul(), read, weighed)
        columns = f(Reshape(shape=(n, x.shape[1], count, area)), read)
        weights = f(Reshape(shape=(kernel[0], kernel[1], count, 1)), f.operand("kernel"))
        conv = Conv(stride=(1, 1), dilation=(1, 1), groups=self.groups, padding=((0, 0), (0, 0)))
        # a bias that is stored goes to the convolution as it is, so that every target finds it where it expects it
        found = f(conv, columns, weights, **({"bias": "bias"} if "bias" in given else {}))
        return f.ends(Reshape(shape=(n, out, *sizes)), found)

    def _coordinates(
        self, f: Formula, x: ValueType, moves: str, axis: int, window: tuple[int, int], size: Dimension
    ) -> str:
        """Along one axis where each place of the window reads, from -1 at one edge of x to 1 at the other."""
        steps = f(Cast(dtype=x.dtype), f(Range(start=0, limit=size, step=1)))
        places = f(Reshape(shape=(size, 1) if axis == 0 else (1, size)), f(Mul(), steps, f.number(self.stride[axis])))
        rows = np.indices(window)[axis].reshape(-1, 1, 1) * self.dilation[axis] - self.padding[axis][0]
        plain = f(Add(), f.number(rows.astype(float).tolist()), places)
        place = f(Add(), f(Select(axis=2, index=axis), moves), plain)
        length = x.shape[2 + axis]
        whole = f.number(float(length)) if isinstance(length, int) else self._length(f, x, 2 + axis)
        doubled = f(Add(), f(Mul(), place, f.number(2.0)), f.number(1.0))
        return f(Sub(), f(Div(), doubled, whole), f.number(1.0))

    def _length(self, f: Formula, x: ValueType, axis: int) -> str:
        return f(Cast(dtype=x.dtype), f(SizeOf(axis=axis), "x"))
