"""RoiAlign: regions of images, each resampled to one size (Mask R-CNN, He et al. 2017).

Its samples lie on a grid of rows and columns, so that each is a weighted sum of the image's rows and columns: with
``W[k, j] = max(0, 1 - abs(y[k] - j))`` the samples of a region are ``Wy image Wxᵀ``.
"""

from __future__ import annotations

import numpy as np

from irconv.errors import Refused
from irconv.frameworks.onnx.reading.model import Handler, ModelReader, Op
from irconv.ir.layers.activations import Relu
from irconv.ir.layers.arithmetic import Maximum, Minimum, Sub
from irconv.ir.layers.comparisons import And, Cast, GreaterOrEqual, LessOrEqual
from irconv.ir.layers.elementwise import Abs
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.matrix import MatMul
from irconv.ir.layers.shape_ops import Range, Unsqueeze
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Add, Mul, Reduce, Reshape, Transpose
from irconv.ir.shapes import Dimension


def _regions(reader: ModelReader, op: Op) -> None:
    """The mean of samples in each cell. Before opset 16 coordinates are those of pixels' corners."""
    x, rois, which = op.inputs
    mode, ratio = op.attribute("mode", "avg"), int(op.attribute("sampling_ratio", 0))
    if mode != "avg" or ratio < 1:
        what = f"expected the mean of a known number of samples, got mode {mode} and sampling_ratio {ratio}"
        raise Refused(op.where, what, "Export the model with a sampling_ratio of 1 or more.")
    half = op.version >= 16 and op.attribute("coordinate_transformation_mode", "half_pixel") == "half_pixel"
    dtype, (_, channels, height, width) = reader.type_of(x)
    cells = int(op.attribute("output_height", 1)), int(op.attribute("output_width", 1))
    scaled = reader.place(
        op, Mul(), "scaled", x0=rois, x1=reader.constant(op, float(op.attribute("spatial_scale", 1.0)), "scale", dtype)
    )
    if half:
        scaled = reader.place(op, Sub(), "shifted", x0=scaled, x1=reader.constant(op, 0.5, "half", dtype))
    rows = _weights(reader, op, scaled, 1, (cells[0], ratio), height, half, "rows")
    columns = _weights(reader, op, scaled, 0, (cells[1], ratio), width, half, "columns")
    images = reader.place(op, Gather(axis=0), "images", x=x, indices=which)
    sampled = reader.place(op, MatMul(), "sampled rows", left=rows, right=images)
    turned = reader.place(op, Transpose(permutation=(0, 1, 3, 2)), "columns/turned", x=columns)
    sampled = reader.place(op, MatMul(), "samples", left=sampled, right=turned)
    shape: tuple[Dimension, ...] = (reader.shape(rois)[0], channels, cells[0], ratio, cells[1], ratio)
    apart = reader.place(op, Reshape(shape=shape), "cells", x=sampled)
    reader.place(op, Reduce(op="mean", axes=(3, 5), keepdims=False), x=apart)


def _weights(
    reader: ModelReader,
    op: Op,
    corners: str,
    axis: int,
    cells: tuple[int, int],
    size: Dimension,
    half: bool,
    suffix: str,
) -> str:
    """(regions, 1, samples, size): how much of each row of the image a sample takes, along one axis.

    Samples farther than one outside of the image take nothing; the others are moved inside.
    """
    dtype = reader.type_of(corners).dtype
    count, ratio = cells

    def number(value: object, name: str) -> str:
        return reader.constant(op, value, f"{suffix}/{name}", dtype)

    def corner(index: int, name: str) -> str:
        layer = Slice(axes=(1,), starts=(index,), ends=(index + 1,), steps=(1,))
        return reader.place(op, layer, f"{suffix}/{name}", x=corners)

    start, end = corner(axis, "start"), corner(axis + 2, "end")
    extent = reader.place(op, Sub(), f"{suffix}/extent", x0=end, x1=start)
    if not half:
        extent = reader.place(op, Maximum(), f"{suffix}/at least one", x0=extent, x1=number(1.0, "one"))
    inside = number((np.arange(count * ratio) + 0.5) / (ratio * count), "inside")
    offset = reader.place(op, Mul(), f"{suffix}/offset", x0=extent, x1=inside)
    places = reader.place(op, Add(), f"{suffix}/places", x0=start, x1=offset)
    counted = reader.place(op, Range(start=0, limit=size, step=1), f"{suffix}/counted")
    pixels = reader.place(op, Cast(dtype=dtype), f"{suffix}/pixels", x=counted)
    if isinstance(size, int):
        last, above = number(float(size - 1), "last"), number(float(size), "above")
    else:
        last = reader.place(op, Reduce(op="max", axes=(0,), keepdims=False), f"{suffix}/last", x=pixels)
        above = reader.place(op, Add(), f"{suffix}/above", x0=last, x1=number(1.0, "step"))
    lower = reader.place(op, GreaterOrEqual(), f"{suffix}/not before", x0=places, x1=number(-1.0, "below"))
    upper = reader.place(op, LessOrEqual(), f"{suffix}/not behind", x0=places, x1=above)
    seen = reader.place(op, And(), f"{suffix}/seen", x0=lower, x1=upper)
    kept = reader.place(op, Maximum(), f"{suffix}/from zero", x0=places, x1=number(0.0, "zero"))
    kept = reader.place(op, Minimum(), f"{suffix}/moved", x0=kept, x1=last)
    along = reader.place(op, Unsqueeze(axes=(2,)), f"{suffix}/along", x=kept)
    apart = reader.place(
        op, Abs(), f"{suffix}/distance", x=reader.place(op, Sub(), f"{suffix}/apart", x0=along, x1=pixels)
    )
    near = reader.place(op, Sub(), f"{suffix}/near", x0=number(1.0, "whole"), x1=apart)
    hat = reader.place(op, Relu(), f"{suffix}/hat", x=near)
    flag = reader.place(op, Cast(dtype=dtype), f"{suffix}/flag", x=seen)
    weighed = reader.place(
        op, Mul(), f"{suffix}/weighed", x0=hat, x1=reader.place(op, Unsqueeze(axes=(2,)), f"{suffix}/flags", x=flag)
    )
    return reader.place(op, Unsqueeze(axes=(1,)), suffix, x=weighed)


HANDLERS: dict[str, Handler] = {"RoiAlign": _regions}
