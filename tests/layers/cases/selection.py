"""Selections against torch, TensorFlow and numpy: how many elements there are follows from the numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from irconv.ir.layers.base import Layer
from irconv.ir.layers.reductions import ReduceAlong
from irconv.ir.layers.selection import Compress, CountUp, NonMaxSuppression, NonZero, Unique
from irconv.ir.shapes import Shape
from tests.layers.harness import Case, arrays

X = arrays(71, x=(3, 5, 7))["x"]
HOLES = np.where(np.abs(X) < 0.8, 0, X).astype(np.float32)
TIED = np.round(X[:, :, 0] * 1.5).astype(np.float32)
COLUMNS = np.array([[2, 0, 2, 1, 2, 0, 0], [5, 3, 5, 3, 5, 3, 4], [1, 1, 1, 7, 1, 1, 0]], np.float32)
SHAPE: Shape = ("N", 5, "T")
_RANDOM = np.random.default_rng(72)
BOXES = _RANDOM.random((2, 11, 2)).astype(np.float32)
BOXES = np.concatenate([BOXES, BOXES + _RANDOM.random((2, 11, 2)).astype(np.float32)], -1)
SCORES = _RANDOM.random((2, 3, 11)).astype(np.float32)
SCORES[1, 2, [3, 8]] = 0.625  # of equal scores the first box is taken first
FLIPPED = np.where(np.arange(11)[None, :, None] % 3 == 0, BOXES[..., [2, 1, 0, 3]], BOXES)
CENTRED = np.concatenate([(BOXES[..., :2] + BOXES[..., 2:]) / 2, BOXES[..., 2:] - BOXES[..., :2]], -1)


def _torch(name: str, layer: Layer, against: str, function: Callable[..., Any], **inputs: np.ndarray) -> Case:
    def run() -> dict[str, np.ndarray]:
        import torch

        return {"y": function(torch, *(torch.from_numpy(x) for x in inputs.values())).contiguous().numpy()}

    shapes = {"x": SHAPE} if inputs["x"].ndim == 3 else {}
    return Case(name, layer, inputs, run, against, shapes=shapes)


def _unique(name: str, layer: Unique, x: np.ndarray) -> Case:
    def run() -> dict[str, np.ndarray]:
        y, first, inverse, counts = np.unique(x, True, True, True, axis=layer.axis)
        inverse = inverse.reshape(-1)
        if not layer.sorted:
            import tensorflow as tf

            values, places, counts = (part.numpy() for part in tf.unique_with_counts(x.reshape(-1)))
            return {
                "y": values,
                "first": np.sort(first),
                "inverse": places.astype(np.int64),
                "counts": counts.astype("i8"),
            }
        return {"y": y, "first": first, "inverse": inverse, "counts": counts}

    return Case(name, layer, {"x": x}, run, "numpy.unique" if layer.sorted else "tf.unique_with_counts")


def _suppressed(name: str, most: int, overlap: float, score: float | None, form: Any, boxes: np.ndarray) -> Case:
    corners = BOXES if form == "centre" else boxes

    def run() -> dict[str, np.ndarray]:
        import tensorflow as tf

        least = float("-inf") if score is None else score
        rows = []
        for image, kind in np.ndindex(2, 3):
            found = tf.image.non_max_suppression(corners[image], SCORES[image, kind], most, overlap, least).numpy()
            rows += [(image, kind, box) for box in found]
        return {"y": np.array(rows, np.int64).reshape(-1, 3)}

    given = {"iou_threshold": overlap} | ({} if score is None else {"score_threshold": score})
    operands = {"most": np.array([most])} | {role: np.array([n], np.float32) for role, n in given.items()}
    layer = NonMaxSuppression(form=form, count="u0")
    inputs = {"boxes": boxes, "scores": SCORES}
    shapes: dict[str, Shape] = {"boxes": ("N", "B", 4)}
    return Case(name, layer, inputs, run, "tf.image.non_max_suppression", operands, shapes)


def _along(op: Any, keepdims: bool, axes: np.ndarray, function: Callable[[Any, Any, list[int]], Any]) -> Case:
    sizes = tuple(f"u{i}" for i in range(3 if keepdims else 3 - len(axes)))
    layer = ReduceAlong(op=op, keepdims=keepdims, empty="all", sizes=sizes)
    x = np.abs(X) + 0.5
    x = x > 1 if op in ("any", "all") else x.astype(np.float32)
    name = f"reduces by {op}"
    return _torch(name, layer, "torch", lambda t, x, a: function(t, x, a.tolist()), x=x, axes=axes)


BOTH = np.array([2, 0])
CASES = [
    _along("mean", True, BOTH, lambda t, x, a: x.mean(a, keepdim=True)),
    _along("sum", False, np.array([-2]), lambda t, x, a: x.sum(a)),
    _along("max", False, BOTH, lambda t, x, a: x.amax(a)),
    _along("min", True, np.array([1]), lambda t, x, a: x.amin(a, keepdim=True)),
    _along("prod", False, np.array([-1]), lambda t, x, a: x.prod(a[0])),
    _along("l1", False, BOTH, lambda t, x, a: t.linalg.vector_norm(x, 1, a)),
    _along("l2", True, BOTH, lambda t, x, a: t.linalg.vector_norm(x, 2, a, keepdim=True)),
    _along("sum_square", False, np.array([1]), lambda t, x, a: x.square().sum(a)),
    _along("log_sum", False, np.array([-3]), lambda t, x, a: x.sum(a).log()),
    _along("any", False, np.array([-1]), lambda t, x, a: x.any(a[0])),
    _along("all", True, np.array([0]), lambda t, x, a: x.all(a[0], keepdim=True)),
    _along("mean", True, np.array([], np.int64), lambda t, x, a: x.mean((0, 1, 2), keepdim=True)),
    _along("log_sum_exp", True, BOTH, lambda t, x, a: x.logsumexp(a, keepdim=True)),
    _torch("finds places", NonZero(count="u0"), "torch.nonzero", lambda t, x: t.nonzero(x).T, x=HOLES),
    _torch("finds no place", NonZero(count="u0"), "torch.nonzero", lambda t, x: t.nonzero(x).T, x=HOLES * 0),
    _torch(
        "finds the places of a mask",
        NonZero(count="u0"),
        "torch.nonzero",
        lambda t, x: t.stack(t.nonzero(x, as_tuple=True)),
        x=HOLES > 0,
    ),
    _torch(
        "keeps slices",
        Compress(axis=1, count="u0"),
        "torch indexing",
        lambda t, x, c: x[:, c],
        x=X,
        condition=np.array([True, False, True, True, False]),
    ),
    _torch(
        "keeps elements",
        Compress(axis=None, count="u0"),
        "torch.masked_select",
        lambda t, x, c: x.masked_select(c.reshape(x.shape)),
        x=X,
        condition=(X > 0.3).reshape(-1),
    ),
    _unique("sorts elements", Unique(axis=None, sorted=True, count="u0"), TIED),
    _unique("leaves elements in their order", Unique(axis=None, sorted=False, count="u0"), TIED),
    _unique("sorts columns", Unique(axis=1, sorted=True, count="u0"), COLUMNS),
    _suppressed("takes boxes by corners", 4, 0.3, 0.35, "corners", FLIPPED),
    _suppressed("takes boxes of every score", 20, 0.5, None, "corners", BOXES),
    _suppressed("takes boxes by centre", 3, 0.25, 0.2, "centre", CENTRED),
    _torch("counts up", CountUp(count="u0"), "torch.arange", lambda t, x: t.arange(int(x)), x=np.array(6)),
    _torch("counts nothing", CountUp(count="u0"), "torch.arange", lambda t, x: t.arange(0), x=np.array(-2)),
]
