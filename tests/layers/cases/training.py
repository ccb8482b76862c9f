"""Layers that act in training alone, against the frameworks' own in evaluation.

What they do in training, `tests/frameworks/test_training.py` looks at.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from irconv.ir.layers.training import Augmentation, Dropout, GaussianNoise
from tests.layers.harness import Arrays, Case, arrays

IMAGE = arrays(11, x=(2, 6, 5, 4))["x"]
SIZES = ("N", 6, "H", "W")


def _torch(name: str, layer: Dropout, module: str, *settings: Any, x: np.ndarray = IMAGE) -> Case:
    def run() -> Arrays:
        import torch

        return {"y": getattr(torch.nn, module)(*settings).eval()(torch.from_numpy(x)).numpy()}

    shapes = {"x": SIZES} if x is IMAGE else {"x": ("N", *x.shape[1:])}
    return Case(name, layer, {"x": x}, run, f"torch.nn.{module}", shapes=shapes)


def _keras(name: str, layer: Any, kind: str, **settings: Any) -> Case:
    def run() -> Arrays:
        import keras

        return {"y": np.asarray(getattr(keras.layers, kind)(**settings)(IMAGE, training=False))}

    return Case(name, layer, {"x": IMAGE}, run, f"keras.layers.{kind}", shapes={"x": SIZES})


CASES = [
    _torch("changes nothing", Dropout(rate=0.3, noise="zero", shared=()), "Dropout", 0.3),
    _torch("of whole channels", Dropout(rate=0.3, noise="zero", shared=(2, 3)), "Dropout2d", 0.3),
    _torch("of whole rows", Dropout(rate=0.3, noise="zero", shared=(2,)), "Dropout1d", 0.3, x=IMAGE[..., 0]),
    _torch("of whole volumes", Dropout(rate=0.3, noise="zero", shared=(2, 3, 4)), "Dropout3d", 0.3, x=IMAGE[..., None]),
    _torch("with the least of a SELU", Dropout(rate=0.2, noise="alpha", shared=()), "AlphaDropout", 0.2),
    _torch(
        "of whole channels, with the least of a SELU",
        Dropout(rate=0.2, noise="alpha", shared=(2, 3)),
        "FeatureAlphaDropout",
        0.2,
    ),
    _keras("by normal numbers", Dropout(rate=0.2, noise="gaussian", shared=()), "GaussianDropout", rate=0.2),
    _keras("along one axis", Dropout(rate=0.2, noise="zero", shared=(2,)), "Dropout", rate=0.2),
    _keras("adds normal numbers", GaussianNoise(deviation=0.3), "GaussianNoise", stddev=0.3),
    _keras(
        "mirrors",
        Augmentation(kind="RandomFlip", details={"mode": "horizontal"}, image=(1, 2, 3)),
        "RandomFlip",
        mode="horizontal",
    ),
]
