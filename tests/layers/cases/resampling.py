"""Resizing and sampling against torch, Keras and TensorFlow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from irconv.ir.layers.resampling import AffineGrid, GridSample, Resize
from irconv.ir.shapes import Dimension, Shape
from tests.layers.harness import Case, arrays

#: 21 elements to 6 and 30 to 9 put places on whole numbers, which ONNX Runtime's arithmetic misses.
EDGES = arrays(44, x=(2, 3, 30, 21))["x"]
ROW, IMAGE, VOLUME = arrays(41, row=(2, 3, 7), image=(2, 3, 7, 5), volume=(2, 3, 4, 5, 6)).values()
SYMBOLS: dict[int, Shape] = {3: ("N", 3, "T"), 4: ("N", 3, "H", "W"), 5: ("N", 3, "D", "H", "W")}


def resize(
    mode: Any,
    coordinates: Any,
    sizes: tuple[Dimension, ...] | None = None,
    scales: tuple[float, ...] | None = None,
    rounding: Any = None,
    coefficient: float | None = None,
    exclude_outside: bool = False,
    antialias: bool = False,
) -> Resize:
    """The layer, with the fields that are rarely anything else."""
    return Resize(
        mode=mode,
        sizes=sizes,
        scales=scales,
        coordinates=coordinates,
        rounding=rounding,
        cubic_coefficient=coefficient,
        exclude_outside=exclude_outside,
        antialias=antialias,
    )


def _torch(name: str, layer: Resize, x: np.ndarray, **settings: Any) -> Case:
    def run() -> dict[str, np.ndarray]:
        import torch

        sizes = layer.sizes if settings.get("size") is None else settings["size"]
        known = {"size": sizes, "scale_factor": layer.scales} | settings
        return {"y": torch.nn.functional.interpolate(torch.from_numpy(x), **known).numpy()}

    against = f"torch.nn.functional.interpolate {settings['mode']}"
    return Case(name, layer, {"x": x}, run, against, shapes={"x": SYMBOLS[x.ndim]})


def _edge(name: str, layer: Resize, mode: str) -> Case:
    return replace(_torch(name, layer, EDGES, mode=mode), shapes={})


def _tf1(name: str, layer: Resize, function: str, **settings: Any) -> Case:
    def run() -> dict[str, np.ndarray]:
        import tensorflow as tf

        image = tf.compat.v1.image
        y = getattr(image, f"resize_{function}")(IMAGE.transpose(0, 2, 3, 1), layer.sizes, **settings)
        return {"y": y.numpy().transpose(0, 3, 1, 2)}

    return Case(name, layer, {"x": IMAGE}, run, f"tf.compat.v1.image.resize_{function}", shapes={"x": SYMBOLS[4]})


def _tf2(name: str, layer: Resize, method: str) -> Case:
    def run() -> dict[str, np.ndarray]:
        import tensorflow as tf

        y = tf.image.resize(IMAGE.transpose(0, 2, 3, 1), layer.sizes, method, antialias=layer.antialias)
        return {"y": y.numpy().transpose(0, 3, 1, 2)}

    return Case(name, layer, {"x": IMAGE}, run, f"tf.image.resize {method}", shapes={"x": SYMBOLS[4]})


def _upsampling(name: str, layer: Resize, x: np.ndarray, factors: tuple[int, ...], **settings: Any) -> Case:
    def run() -> dict[str, np.ndarray]:
        import keras

        native = getattr(keras.layers, f"UpSampling{len(factors)}D")
        made = native(factors if len(factors) > 1 else factors[0], **settings)
        return {"y": np.moveaxis(np.asarray(made(np.moveaxis(x, 1, -1))), -1, 1)}

    return Case(name, layer, {"x": x}, run, f"keras UpSampling{len(factors)}D", shapes={"x": SYMBOLS[x.ndim]})


def _sample(
    name: str,
    mode: Any,
    theirs: str,
    outside: Any,
    corners: bool,
    x: np.ndarray = IMAGE,
    numpy_runtime: bool = True,
) -> Case:
    places = (2, 4, 3, 2) if x.ndim == 4 else (2, 4, 3, 2, 3)
    grid = (np.random.default_rng(42).random(places) * 3 - 1.5).astype(np.float32)

    def run() -> dict[str, np.ndarray]:
        import torch

        sample = torch.nn.functional.grid_sample
        return {"y": sample(torch.from_numpy(x), torch.from_numpy(grid), theirs, outside, corners).numpy()}

    layer = GridSample(mode=mode, outside=outside, align_corners=corners)
    shapes: dict[str, Shape] = {"x": SYMBOLS[x.ndim], "grid": ("N", *places[1:])}
    against = "torch.nn.functional.grid_sample"
    return Case(name, layer, {"x": x, "grid": grid}, run, against, shapes=shapes, numpy_runtime=numpy_runtime)


def _affine(sizes: tuple[int, ...], corners: bool) -> Case:
    theta = arrays(43, t=(2, len(sizes), len(sizes) + 1))["t"]

    def run() -> dict[str, np.ndarray]:
        import torch

        return {"y": torch.nn.functional.affine_grid(torch.from_numpy(theta), [2, 1, *sizes], corners).numpy()}

    name = f"{len(sizes)} axes, {'middles' if corners else 'edges'} of the corners"
    layer = AffineGrid(sizes=sizes, align_corners=corners)
    shapes: dict[str, Shape] = {"theta": ("N", len(sizes), len(sizes) + 1)}
    return Case(name, layer, {"theta": theta}, run, "torch.nn.functional.affine_grid", shapes=shapes)


NEAREST: dict[str, Any] = {"coordinates": "asymmetric", "rounding": "floor"}
EXACT: dict[str, Any] = {"coordinates": "half_pixel", "rounding": "round_prefer_ceil"}

CASES = [
    _torch("nearest to a size", resize("nearest", sizes=(11, 3), **NEAREST), IMAGE, mode="nearest"),
    _torch("nearest by a scale", resize("nearest", scales=(1.5, 2.0), **NEAREST), IMAGE, mode="nearest"),
    _torch("nearest in one axis", resize("nearest", sizes=(13,), **NEAREST), ROW, mode="nearest"),
    _torch("nearest in three axes", resize("nearest", sizes=(7, 3, 8), **NEAREST), VOLUME, mode="nearest"),
    _torch("the exact nearest", resize("nearest", sizes=(11, 3), **EXACT), IMAGE, mode="nearest-exact"),
    _torch("the exact nearest, by 2", resize("nearest", scales=(2.0, 0.5), **EXACT), IMAGE, mode="nearest-exact"),
    _edge("nearest on the edge of two", resize("nearest", sizes=(9, 6), **NEAREST), "nearest"),
    _edge("the exact nearest, on the edge", resize("nearest", sizes=(9, 4), **EXACT), "nearest-exact"),
    _torch("linear, pixels have area", resize("linear", "half_pixel", sizes=(11, 3)), IMAGE, mode="bilinear"),
    _torch("linear to a single element", resize("linear", "half_pixel", sizes=(1, 9)), IMAGE, mode="bilinear"),
    _torch("linear by a scale", resize("linear", "half_pixel", scales=(1.7, 0.6)), IMAGE, mode="bilinear"),
    _torch(
        "linear to sizes computed from the input's",
        resize("linear", "half_pixel", sizes=("2*H", "W + H//2")),
        IMAGE,
        mode="bilinear",
        size=(14, 8),
    ),
    _torch(
        "linear, corners on corners",
        resize("linear", "align_corners", sizes=(11, 3)),
        IMAGE,
        mode="bilinear",
        align_corners=True,
    ),
    _torch("linear in one axis", resize("linear", "half_pixel", sizes=(12,)), ROW, mode="linear"),
    _torch("linear in three axes", resize("linear", "half_pixel", sizes=(6, 7, 3)), VOLUME, mode="trilinear"),
    _torch(
        "linear with a wider window",
        resize("linear", "half_pixel", sizes=(4, 2), exclude_outside=True, antialias=True),
        IMAGE,
        mode="bilinear",
        antialias=True,
    ),
    _torch("cubic", resize("cubic", "half_pixel", sizes=(11, 3), coefficient=-0.75), IMAGE, mode="bicubic"),
    _torch(
        "cubic, corners on corners",
        resize("cubic", "align_corners", sizes=(11, 3), coefficient=-0.75),
        IMAGE,
        mode="bicubic",
        align_corners=True,
    ),
    _torch(
        "cubic with a wider window",
        resize("cubic", "half_pixel", sizes=(4, 2), coefficient=-0.5, exclude_outside=True, antialias=True),
        IMAGE,
        mode="bicubic",
        antialias=True,
    ),
    # TensorFlow rounds places to 1/1024 for its cubic: exact for powers of two, 8e-4 off for 11 elements from 7.
    _tf2(
        "cubic without what is outside",
        resize("cubic", "half_pixel", sizes=(28, 10), coefficient=-0.5, exclude_outside=True),
        "bicubic",
    ),
    _tf2(
        "linear of TensorFlow with a wider window",
        resize("linear", "half_pixel", sizes=(4, 2), exclude_outside=True, antialias=True),
        "bilinear",
    ),
    _tf2("nearest of TensorFlow 2", resize("nearest", sizes=(11, 3), **EXACT), "nearest"),
    _tf1("linear of TensorFlow 1", resize("linear", "asymmetric", sizes=(11, 3)), "bilinear"),
    _tf1(
        "linear of TensorFlow 1, corners on corners",
        resize("linear", "align_corners", sizes=(11, 3)),
        "bilinear",
        align_corners=True,
    ),
    _tf1("nearest of TensorFlow 1", resize("nearest", sizes=(11, 3), **NEAREST), "nearest_neighbor"),
    _tf1(
        "nearest of TensorFlow 1, corners on corners",
        resize("nearest", "align_corners", sizes=(13, 3), rounding="round_prefer_ceil"),
        "nearest_neighbor",
        align_corners=True,
    ),
    _upsampling("nearest by whole numbers", resize("nearest", scales=(2.0, 3.0), **NEAREST), IMAGE, (2, 3)),
    _upsampling("nearest of one axis", resize("nearest", scales=(3.0,), **NEAREST), ROW, (3,)),
    _upsampling("nearest of three axes", resize("nearest", scales=(2.0, 1.0, 3.0), **NEAREST), VOLUME, (2, 1, 3)),
    _upsampling(
        "linear by whole numbers",
        resize("linear", "half_pixel", scales=(2.0, 3.0)),
        IMAGE,
        (2, 3),
        interpolation="bilinear",
    ),
    _upsampling(
        "cubic by whole numbers",
        resize("cubic", "half_pixel", scales=(2.0, 4.0), coefficient=-0.5, exclude_outside=True),
        IMAGE,
        (2, 4),
        interpolation="bicubic",
    ),
    _sample("linear, zeros outside", "linear", "bilinear", "zeros", False),
    _sample("linear, border outside, corners", "linear", "bilinear", "border", True),
    _sample("linear, mirrored outside", "linear", "bilinear", "reflection", False),
    _sample("nearest, zeros outside", "nearest", "nearest", "zeros", False),
    # onnx's reference evaluator clips the place before it weighs the four elements, not each of them: 3e-2 off.
    _sample("cubic, border outside", "cubic", "bicubic", "border", False, numpy_runtime=False),
    _sample("cubic, mirrored outside, corners", "cubic", "bicubic", "reflection", True),
    _sample("linear in three axes", "linear", "bilinear", "zeros", True, VOLUME),
    _affine((4, 3), False),
    _affine((4, 3), True),
    _affine((2, 4, 3), False),
]
