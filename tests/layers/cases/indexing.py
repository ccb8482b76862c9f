"""Gathers, scatters and orders against torch and TensorFlow. Values to be ordered have ties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from irconv.ir.layers.base import Layer
from irconv.ir.layers.indexing import (
    ArgMax,
    ArgMin,
    Gather,
    GatherElements,
    GatherND,
    ReverseSequence,
    ScatterElements,
    ScatterND,
    Sort,
    TopK,
)
from irconv.ir.shapes import Shape
from tests.layers.harness import Case, arrays

X = arrays(31, x=(3, 5, 7))["x"]
TIED = np.round(X * 2).astype(np.float32)
SHAPE: Shape = ("N", 5, "T")
_RANDOM = np.random.default_rng(32)


def _torch(name: str, layer: Layer, against: str, function: Callable[..., Any], **inputs: np.ndarray) -> Case:
    def run() -> dict[str, np.ndarray]:
        import torch

        found = function(torch, *(torch.from_numpy(x) for x in inputs.values()))
        if not isinstance(found, tuple):
            return {"y": found.numpy()}
        return {slot: piece.contiguous().numpy() for slot, piece in zip(layer.RESULTS, found, strict=True)}

    return Case(name, layer, inputs, run, against, shapes={"x": SHAPE})


def _tensorflow(name: str, layer: Layer, against: str, function: Callable[[Any], Any], **inputs: np.ndarray) -> Case:
    def run() -> dict[str, np.ndarray]:
        import tensorflow as tf

        found = function(tf)
        if not isinstance(found, tuple):
            return {"y": found.numpy()}
        return {"values": found[0].numpy(), "indices": found[1].numpy().astype(np.int64)}

    shape = SHAPE if inputs["x"].shape == X.shape else ("N", "T", 5)
    return Case(name, layer, inputs, run, against, shapes={"x": shape})


def _indices(high: int, *shape: int) -> np.ndarray:
    return _RANDOM.integers(0, high, shape)


def _distinct(high: int, *shape: int) -> np.ndarray:
    """Different indices along axis 1."""
    return _RANDOM.random((shape[0], high, shape[2])).argsort(axis=1)[:, : shape[1]]


PLACES = np.stack([_indices(3, 2, 4), _indices(5, 2, 4)], -1)
DISTINCT_PLACES = np.array([[0, 1], [2, 4], [1, 0]])
UPDATES = arrays(33, u=(3, 2, 7))["u"]
ELEMENTS = _distinct(5, 3, 2, 7)
REPEATED = _indices(5, 3, 2, 7)


def _scatter(name: str, reduction: Any, theirs: str, indices: np.ndarray) -> Case:
    def function(t: Any, x: Any, i: Any, u: Any) -> Any:
        return x.scatter(1, i, u) if theirs == "none" else x.scatter_reduce(1, i, u, theirs, include_self=True)

    layer = ScatterElements(axis=1, reduction=reduction)
    case = _torch(name, layer, "torch.scatter_reduce", function, x=X, indices=indices, updates=UPDATES)
    return Case(case.name, layer, case.inputs, case.wanted, case.against)


def _scatter_nd(name: str, reduction: Any, function: str, places: np.ndarray) -> Case:
    updates = arrays(34, u=(len(places), 7))["u"]
    inputs = {"x": X, "indices": places, "updates": updates}

    def run() -> dict[str, np.ndarray]:
        import tensorflow as tf

        return {"y": getattr(tf, f"tensor_scatter_nd_{function}")(X, places, updates).numpy()}

    return Case(name, ScatterND(reduction=reduction), inputs, run, f"tf.tensor_scatter_nd_{function}")


MANY_PLACES = np.stack([_indices(3, 9), _indices(5, 9)], -1)
LENGTHS = np.array([2, 7, 1])

CASES = [
    _torch(
        "takes indices in any order",
        Gather(axis=1),
        "torch.index_select",
        lambda t, x, i: x.index_select(1, i),
        x=X,
        indices=np.array([4, 0, 0, 2]),
    ),
    _tensorflow(
        "takes indices of rank 2 along the last axis",
        Gather(axis=2),
        "tf.gather",
        lambda tf: tf.gather(X, np.array([[1, 6, 0], [3, 3, 2]]), axis=2),
        x=X,
        indices=np.array([[1, -1, 0], [3, 3, 2]]),
    ),
    _torch(
        "takes one row",
        Gather(axis=0),
        "torch indexing",
        lambda t, x, i: x[i],
        x=X,
        indices=np.array(2),
    ),
    _torch(
        "takes an element for each index",
        GatherElements(axis=1),
        "torch.gather",
        lambda t, x, i: x.gather(1, i),
        x=X,
        indices=REPEATED,
    ),
    _tensorflow(
        "takes slices by place",
        GatherND(batch_axes=0),
        "tf.gather_nd",
        lambda tf: tf.gather_nd(X, PLACES),
        x=X,
        indices=PLACES,
    ),
    _tensorflow(
        "takes elements by place within a batch",
        GatherND(batch_axes=1),
        "tf.gather_nd",
        lambda tf: tf.gather_nd(X, np.stack([REPEATED[:, :, 0], REPEATED[:, :, 1]], -1), batch_dims=1),
        x=X,
        indices=np.stack([REPEATED[:, :, 0], REPEATED[:, :, 1]], -1),
    ),
    _scatter("puts in", "none", "none", ELEMENTS),
    _scatter("adds", "add", "sum", REPEATED),
    _scatter("multiplies", "mul", "prod", REPEATED),
    _scatter("keeps the largest", "max", "amax", REPEATED),
    _scatter("keeps the smallest", "min", "amin", REPEATED),
    _scatter_nd("puts slices in", "none", "update", DISTINCT_PLACES),
    _scatter_nd("adds slices", "add", "add", MANY_PLACES),
    _scatter_nd("keeps the largest", "max", "max", MANY_PLACES),
    _scatter_nd("keeps the smallest", "min", "min", MANY_PLACES),
    _tensorflow(
        "finds the three largest, ties by index",
        TopK(axis=2, k=3, largest=True, sorted=True),
        "tf.math.top_k",
        lambda tf: tuple(tf.math.top_k(TIED, 3)),
        x=TIED,
    ),
    _torch(
        "finds the two smallest along the middle axis",
        TopK(axis=1, k=2, largest=False, sorted=True),
        "torch.topk",
        lambda t, x: tuple(x.topk(2, 1, False, True)),
        x=X,
    ),
    _torch(
        "finds half of an unknown number",
        TopK(axis=2, k="T//2", largest=True, sorted=True),
        "torch.topk",
        lambda t, x: tuple(x.topk(3, 2, True, True)),
        x=X,
    ),
    _torch(
        "sorts up, ties by index",
        Sort(axis=2, descending=False),
        "torch.sort stable",
        lambda t, x: tuple(t.sort(x, dim=2, stable=True)),
        x=TIED,
    ),
    _torch(
        "sorts down, ties by index",
        Sort(axis=1, descending=True),
        "torch.sort stable",
        lambda t, x: tuple(t.sort(x, dim=1, descending=True, stable=True)),
        x=TIED,
    ),
    _torch(
        "the first of equal ones",
        ArgMax(axis=1, keepdims=False, ties="first"),
        "torch.argmax",
        lambda t, x: t.argmax(x, 1),
        x=TIED,
    ),
    _torch(
        "the last of equal ones",
        ArgMax(axis=2, keepdims=True, ties="last"),
        "torch.argmax of the flipped",
        lambda t, x: 6 - t.argmax(x.flip(2), 2, True),
        x=TIED,
    ),
    _torch(
        "the first of equal ones",
        ArgMin(axis=2, keepdims=True, ties="first"),
        "torch.argmin",
        lambda t, x: t.argmin(x, 2, True),
        x=TIED,
    ),
    _torch(
        "the last of equal ones",
        ArgMin(axis=1, keepdims=False, ties="last"),
        "torch.argmin of the flipped",
        lambda t, x: 4 - t.argmin(x.flip(1), 1),
        x=TIED,
    ),
    _tensorflow(
        "turns the beginnings around",
        ReverseSequence(batch_axis=0, time_axis=1),
        "tf.reverse_sequence",
        lambda tf: tf.reverse_sequence(X.transpose(0, 2, 1), LENGTHS, seq_axis=1, batch_axis=0),
        x=np.ascontiguousarray(X.transpose(0, 2, 1)),
        lengths=LENGTHS,
    ),
]
