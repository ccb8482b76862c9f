"""Rotary embedding against complex numbers in numpy: the frameworks here have it in no layer."""

from __future__ import annotations

from typing import Literal

import numpy as np

from irconv.ir.layers.rotary import RotaryEmbedding
from tests.layers.harness import Arrays, Case, arrays

X = arrays(61, x=(2, 3, 5, 10))["x"]
FREQUENCIES = (100.0 ** (-np.arange(4) / 4)).astype(np.float32)
POSITIONS = np.array([[3, 4, 5, 6, 7], [0, 0, 1, 9, 2]], np.int64)


def _turned(pairing: Literal["halves", "neighbours"], positions: np.ndarray, amplitude: float) -> Arrays:
    angles = positions[:, None, :, None] * FREQUENCIES.astype(np.float64)
    u, v = (X[..., :4], X[..., 4:8]) if pairing == "halves" else (X[..., 0:8:2], X[..., 1:8:2])
    pairs = (u + 1j * v) * np.exp(1j * angles) * amplitude
    joined = [pairs.real, pairs.imag]
    made = np.concatenate(joined, 3) if pairing == "halves" else np.stack(joined, 4).reshape(2, 3, 5, 8)
    return {"y": np.concatenate([made, X[..., 8:]], 3).astype(np.float32)}


CASES = [
    Case(
        "halves of the features, counted places",
        RotaryEmbedding(pairing="halves", amplitude=1.0),
        {"x": X},
        lambda: _turned("halves", np.arange(5)[None], 1.0),
        "multiplication by exp(i a) in numpy",
        {"frequencies": FREQUENCIES},
        {"x": ("N", 3, "T", 10)},
    ),
    Case(
        "neighbours at given places, scaled",
        RotaryEmbedding(pairing="neighbours", amplitude=1.3),
        {"x": X, "positions": POSITIONS},
        lambda: _turned("neighbours", POSITIONS, 1.3),
        "multiplication by exp(i a) in numpy",
        {"frequencies": FREQUENCIES},
        {"x": ("N", 3, "T", 10), "positions": ("N", "T")},
    ),
]
