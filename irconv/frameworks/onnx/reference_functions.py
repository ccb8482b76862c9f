"""Functions of onnx's reference evaluator whose own versions lose digits or are wrong. Imports that evaluator."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun


class LogSoftmax(OpRun):
    """``x - log(sum of exp(x))``; the evaluator's own takes the logarithm of a softmax that has become 0."""

    op_domain = ""

    def _run(self, x: Any, axis: int = -1) -> Any:
        shifted = x - x.max(axis=axis, keepdims=True)
        return ((shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))).astype(x.dtype),)


class LRN(OpRun):
    """The evaluator's own takes the number of samples for that of channels, and rank 4 only."""

    op_domain = ""

    def _run(self, x: Any, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0, size: int = 1) -> Any:
        squares, channels = x * x, x.shape[1]
        windows = ((max(0, c - (size - 1) // 2), c + size // 2 + 1) for c in range(channels))
        sums = np.stack([squares[:, start:stop].sum(1) for start, stop in windows], 1)
        return ((x / (bias + alpha / size * sums) ** beta).astype(x.dtype),)


class Unique(OpRun):
    """The evaluator's own takes the elements of several axes, and the slices of an axis, in no order for one axis."""

    op_domain = ""

    def _run(self, x: Any, axis: int | None = None, sorted: int = 1) -> Any:
        y, first, inverse, counts = np.unique(x, True, True, True, axis=axis)
        inverse = inverse.reshape(-1)
        if not sorted:
            order = np.argsort(first)
            y, first, counts = y.take(order, axis or 0), first[order], counts[order]
            inverse = np.argsort(order)[inverse]
        return (y, *(part.astype(np.int64) for part in (first, inverse, counts)))[: len(self.onnx_node.output)]


OPS = [LogSoftmax, LRN, Unique]
"""Given to the evaluator as its `new_ops`."""
