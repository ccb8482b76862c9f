"""Running products against torch and TensorFlow."""

from __future__ import annotations

import numpy as np

from irconv.ir.layers.running import CumProd
from irconv.ir.shapes import Shape
from tests.layers.harness import Case, arrays


def _tensorflow(name: str, exclusive: bool, reverse: bool, declared: Shape, integers: bool = False) -> Case:
    x = arrays(71, x=(3, 11, 7))["x"]
    if integers:
        x = np.random.default_rng(71).integers(-3, 4, (3, 11, 7))

    def run() -> dict[str, np.ndarray]:
        import tensorflow as tf

        return {"y": tf.math.cumprod(x, axis=1, exclusive=exclusive, reverse=reverse).numpy()}

    layer = CumProd(axis=1, exclusive=exclusive, reverse=reverse)
    return Case(name, layer, {"x": x}, run, "tf.math.cumprod", shapes={"x": declared})


def _torch() -> Case:
    x = arrays(72, x=(4, 5, 6))["x"]

    def run() -> dict[str, np.ndarray]:
        import torch

        return {"y": torch.cumprod(torch.from_numpy(x), 0).numpy()}

    layer = CumProd(axis=0, exclusive=False, reverse=False)
    return Case("along the first axis", layer, {"x": x}, run, "torch.cumprod", shapes={"x": (4, "T", 6)})


CASES = [
    _tensorflow("up to each element", False, False, ("N", 11, 7)),
    _tensorflow("before each element", True, False, ("N", 11, "T")),
    _tensorflow("from each element on", False, True, (3, 11, 7)),
    _tensorflow("behind each element", True, True, (3, 11, 7)),
    _tensorflow("integers", True, False, (3, 11, 7), integers=True),
    _tensorflow("of an unknown number", True, True, ("N", "T", 7)),
    _torch(),
]
