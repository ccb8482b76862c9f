"""Embeddings and encodings against torch and Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from irconv.ir.layers.embedding import (
    CategoryEncoding,
    Discretization,
    Embedding,
    EmbeddingBag,
    OneHot,
    PositionalEmbedding,
)
from tests.layers.harness import Arrays, Case, arrays

IDS = np.array([[3, 0, 6, 6, 1], [2, 2, 2, 2, 2], [5, 2, 0, 4, 2]], np.int64)
TABLE = arrays(31, table=(7, 4))["table"]
WEIGHTS = arrays(32, weights=IDS.shape)["weights"]
SHAPES = {"x": ("N", "T"), "weights": ("N", "T")}
NUMBERS = np.array([[-3.0, -1.0, -0.5], [0.0, 0.25, 7.0]], np.float32)
BOUNDARIES = (-1.0, 0.0, 0.25, 3.0)
SEQUENCE = arrays(33, x=(2, 5, 4))["x"]


def _bag(mode: str, padding_index: int | None, weighted: bool = False) -> Case:
    def run() -> Arrays:
        import torch

        layer = torch.nn.EmbeddingBag.from_pretrained(torch.from_numpy(TABLE), mode=mode, padding_idx=padding_index)
        weights = torch.from_numpy(WEIGHTS) if weighted else None
        return {"y": layer(torch.from_numpy(IDS), per_sample_weights=weights).numpy()}

    settings: Mapping[str, Any] = {"mode": mode, "padding_index": padding_index}
    inputs = {"x": IDS, "weights": WEIGHTS} if weighted else {"x": IDS}
    shapes = {slot: SHAPES[slot] for slot in inputs}
    name = f"the {mode}{' weighted' * weighted}{', leaving out 2' if padding_index is not None else ''}"
    return Case(name, EmbeddingBag(**settings), inputs, run, "torch.nn.EmbeddingBag", {"table": TABLE}, shapes)


def _keras(
    kind: str, x: np.ndarray, *variables: np.ndarray, call: Mapping[str, Any] | None = None, **settings: Any
) -> Any:
    import keras

    layer = getattr(keras.layers, kind)(**settings)
    if variables:
        layer.build(x.shape)
        layer.set_weights(list(variables))
    return {"y": np.asarray(layer(x, **(call or {})))}


def _torch_embedding() -> Arrays:
    import torch

    return {"y": torch.nn.functional.embedding(torch.from_numpy(IDS), torch.from_numpy(TABLE), 2).numpy()}


def _torch_one_hot() -> Arrays:
    import torch

    return {"y": torch.nn.functional.one_hot(torch.from_numpy(IDS), 9).numpy()}


def _tf_one_hot() -> Arrays:
    import tensorflow as tf

    return {"y": tf.one_hot(IDS - 2, 4).numpy()}


def _torch_buckets() -> Arrays:
    import torch

    return {"y": torch.bucketize(torch.from_numpy(NUMBERS), torch.tensor(BOUNDARIES)).numpy()}


def _positions() -> Arrays:
    import torch

    layer = torch.nn.Embedding.from_pretrained(torch.from_numpy(TABLE))
    return {"y": SEQUENCE + layer(torch.arange(5)).numpy()}


def _counts(mode: str, weights: np.ndarray | None) -> Arrays:
    given = {} if weights is None else {"count_weights": weights}
    return _keras("CategoryEncoding", IDS, call=given, num_tokens=8, output_mode=mode)


CASES = [
    Case(
        "looks up; the padding row is a row",
        Embedding(padding_index=2),
        {"x": IDS},
        _torch_embedding,
        "torch.nn.functional.embedding",
        {"table": TABLE},
        {"x": ("N", "T")},
    ),
    Case(
        "looks up int32, row 0 as it is with mask_zero",
        Embedding(padding_index=None),
        {"x": IDS.astype(np.int32)},
        lambda: _keras("Embedding", IDS.astype(np.int32), TABLE, input_dim=7, output_dim=4, mask_zero=True),
        "keras.layers.Embedding",
        {"table": TABLE},
    ),
    *(_bag(mode, index) for mode in ("sum", "mean", "max") for index in (None, 2)),
    _bag("sum", 2, weighted=True),
    Case(
        "in integers",
        OneHot(depth=9, dtype="int64"),
        {"x": IDS},
        _torch_one_hot,
        "torch.nn.functional.one_hot",
        shapes={"x": ("N", "T")},
    ),
    Case("gives zeros outside", OneHot(depth=4, dtype="float32"), {"x": IDS - 2}, _tf_one_hot, "tf.one_hot"),
    Case(
        "which are there",
        CategoryEncoding(depth=8, mode="multi_hot", dtype="float32"),
        {"x": IDS},
        lambda: _counts("multi_hot", None),
        "keras.layers.CategoryEncoding",
        shapes={"x": ("N", "T")},
    ),
    Case(
        "how often each is there",
        CategoryEncoding(depth=8, mode="count", dtype="float32"),
        {"x": IDS},
        lambda: _counts("count", None),
        "keras.layers.CategoryEncoding",
    ),
    Case(
        "the sums of their weights",
        CategoryEncoding(depth=8, mode="count", dtype="float32"),
        {"x": IDS, "weights": WEIGHTS},
        lambda: _counts("count", WEIGHTS),
        "keras.layers.CategoryEncoding",
    ),
    Case(
        "adds the first rows",
        PositionalEmbedding(),
        {"x": SEQUENCE},
        _positions,
        "torch.nn.Embedding of 0, 1, 2, ...",
        {"table": TABLE},
        {"x": ("N", "T", 4)},
    ),
    Case(
        "puts what equals a boundary above it",
        Discretization(boundaries=BOUNDARIES, equal="above", dtype="int32"),
        {"x": NUMBERS},
        lambda: _keras("Discretization", NUMBERS, bin_boundaries=list(BOUNDARIES)),
        "keras.layers.Discretization",
        shapes={"x": ("N", "T")},
    ),
    Case(
        "puts what equals a boundary below it",
        Discretization(boundaries=BOUNDARIES, equal="below", dtype="int64"),
        {"x": NUMBERS},
        _torch_buckets,
        "torch.bucketize",
    ),
]
