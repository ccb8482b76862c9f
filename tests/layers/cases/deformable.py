"""Convolutions with bent windows, by the formula of torchvision's ``deform_conv2d`` in float64; onnxruntime, which has
an op of its own for them, runs the same cases."""

from __future__ import annotations

import numpy as np

from irconv.ir.layers.deformable import DeformConv
from irconv.ir.shapes import Shape
from tests.layers.harness import Arrays, Case, arrays


def _read(plane: np.ndarray, row: float, column: float) -> float:
    """Linearly between four elements, those outside being zero."""
    total, top, left = 0.0, int(np.floor(row)), int(np.floor(column))
    for r in (top, top + 1):
        for c in (left, left + 1):
            if 0 <= r < plane.shape[0] and 0 <= c < plane.shape[1]:
                total += plane[r, c] * (1 - abs(row - r)) * (1 - abs(column - c))
    return float(total)


def _formula(layer: DeformConv, x: np.ndarray, offset: np.ndarray, operands: Arrays) -> np.ndarray:
    kernel, mask = operands["kernel"].astype(np.float64), operands.get("mask")
    (batch, channels), (out, each, *window) = x.shape[:2], kernel.shape
    sizes, count = offset.shape[2:], window[0] * window[1]
    y = np.zeros((batch, out, *sizes))
    for n, o, i, q, (h, w) in (
        (n, o, i, q, p)
        for n in range(batch)
        for o in range(out)
        for i in range(each)
        for q in range(count)
        for p in np.ndindex(*sizes)
    ):
        channel = o // (out // layer.groups) * each + i
        part = channel // (channels // layer.offset_groups)
        moves = offset[n, 2 * (part * count + q) : 2 * (part * count + q) + 2, h, w]
        rows = (h, w), layer.stride, np.unravel_index(q, window), layer.dilation, layer.padding, moves
        row, column = (p * s + r * d - pad[0] + move for p, s, r, d, pad, move in zip(*rows, strict=True))
        weight = 1.0 if mask is None else mask[n, part * count + q, h, w]
        y[n, o, h, w] += kernel[o, i, q // window[1], q % window[1]] * weight * _read(x[n, channel], row, column)
    return y + operands["bias"][:, None, None] if "bias" in operands else y


def _case(
    name: str, layer: DeformConv, shape: Shape, kernel: Shape, sizes: Shape, more: str, declared: Shape, **how: bool
) -> Case:
    count = int(np.prod(kernel[2:])) * layer.offset_groups
    given = arrays(81, x=shape, offset=(shape[0], 2 * count, *sizes), mask=(shape[0], count, *sizes))
    inputs = {"x": given["x"], "offset": 2 * given["offset"]}
    operands = {"kernel": arrays(82, kernel=kernel)["kernel"]}
    if "bias" in more:
        operands["bias"] = arrays(83, bias=kernel[:1])["bias"]
    if "mask" in more:
        operands["mask"] = given["mask"]

    def run() -> dict[str, np.ndarray]:
        return {"y": _formula(layer, inputs["x"], inputs["offset"], operands).astype(np.float32)}

    spatial = declared[2:] if any(isinstance(size, str) for size in declared[2:]) else sizes
    shapes = {"x": declared, "offset": (declared[0], 2 * count, *spatial)}
    return Case(name, layer, inputs, run, "torchvision's formula in numpy", operands, shapes, **how)


def _layer(stride: Shape, dilation: Shape, groups: int, parts: int, padding: object) -> DeformConv:
    return DeformConv(stride=stride, dilation=dilation, groups=groups, offset_groups=parts, padding=padding)


CASES = [
    _case(
        "plain",
        _layer((1, 1), (1, 1), 1, 1, ((0, 0), (0, 0))),
        (2, 3, 6, 7), (4, 3, 3, 2), (4, 6), "", ("N", 3, 6, 7),
    ),
    _case(
        "stride, dilation, padding, groups, parts of offsets, mask and bias",
        _layer((2, 1), (1, 2), 2, 2, ((1, 0), (2, 1))),
        (2, 4, 7, 6), (6, 2, 2, 3), (4, 5), "bias mask", (2, 4, 7, 6),
    ),
    _case(
        "a window as large as what it slides over, and one column",
        _layer((1, 1), (1, 1), 1, 3, ((1, 1), (0, 0))),
        (1, 3, 2, 1), (2, 3, 2, 1), (3, 1), "bias", (1, 3, 2, 1),
        numpy_runtime=False,  # onnx's reference evaluator divides by the number of columns less one
    ),
]  # fmt: skip
