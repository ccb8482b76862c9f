"""What images go through beside windows: a bias, normalisation, resizing. TensorFlow ops <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.ir.layers.base import ValueType
from irconv.ir.layers.resampling import Resize
from irconv.ir.shapes import Shape, static
from irconv.rows import Attribute, Axes, Ignored, Input, Only, Selects, Weight
from irconv.vocabularies.tensorflow.rows import (
    FLOAT32,
    IMAGE,
    Kernel,
    TupleInput,
    of_rank,
    op,
)


@dataclass(frozen=True)
class _Momentum(Row):
    """Training's alone, which the graph of inference does not say."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields["momentum"] = 0.99

    def encode(self, draft: Draft, native: Workpiece) -> None:
        draft.fields.pop("momentum")


def _in_float32(fields: Mapping[str, Any], given: Mapping[str, ValueType]) -> bool:
    vectors = "variance" in given and given["mean"].dtype == "float32"
    return vectors and given["x"].dtype in ("float32", "float16", "bfloat16")


def _float32(fields: Mapping[str, Any], given: Mapping[str, ValueType]) -> bool:
    return given["x"].dtype == "float32"


_IMAGES = of_rank(4, "images")


def _norm(native: str) -> Codec:
    return op(
        native,
        "BatchNorm",
        _IMAGES,
        Kernel("has its vectors in float32", _in_float32),
        Input("x"),
        Weight("scale", "gamma", "c", positional=True),
        Weight("offset", "beta", "c", positional=True),
        Weight("mean", "mean", "c", positional=True),
        Weight("variance", "variance", "c", positional=True),
        Attribute("epsilon", iso=FLOAT32),
        Selects("is_training", False),
        Ignored("exponential_avg_factor"),
        _Momentum(),
        Axes("data_format", IMAGE),
        types="T=x" if native == "FusedBatchNorm" else "T=x U=float32",
    )


_RESIZED: Mapping[str, Any] = {
    "scales": None,
    "cubic_coefficient": None,
    "exclude_outside": False,
    "antialias": False,
    "rounding": None,
}


def _resize(native: str, corners: bool, centers: bool, mode: str, *rows: Row, **more: Any) -> Codec:
    """TensorFlow's three rules for where an element is read: aligned corners, half pixels, or neither."""
    fields = {**_RESIZED, "mode": mode, **more}
    return op(
        native,
        "Resize",
        _IMAGES,
        *([] if mode == "nearest" else [Kernel("gives float32", _float32)]),
        Input("x"),
        TupleInput("size", "sizes"),
        Selects("align_corners", corners),
        Selects("half_pixel_centers", centers),
        *(Only(name, value) for name, value in fields.items()),
        *rows,
        _LastChannels(),
    )


@dataclass(frozen=True)
class _LastChannels(Row):
    """An op for images with the channels last, always."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.input_axes["x"] = draft.output_axes["y"] = ("n *s c", "n c *s")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        draft.input_axes["x"] = draft.output_axes["y"] = ("n *s c", "n c *s")


@dataclass(frozen=True)
class _OnTheGrid(Row):
    """TensorFlow's cubic weights stand in a table for 1024 places between two elements; sizes that need places in
    between give other numbers than the formula does, by 5e-4 of the largest, and are refused."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        sizes, wanted = static(draft.given[0].shape[1:3]), static(draft.fields["sizes"])
        if sizes is None or wanted is None:
            raise draft.refuse("resizes an image of unknown size by bicubic interpolation")
        if not _on_grid(draft.fields["coordinates"], sizes, wanted):
            what = "expected sizes that halve, as TensorFlow rounds the places of others to 1/1024 of an element"
            raise draft.refuse(f"bicubic: {what}")


def _on_grid(coordinates: str, sizes: Sequence[int], wanted: Sequence[int]) -> bool:
    """Whether all places that are read lie on TensorFlow's grid."""
    half = Fraction(1, 2) if coordinates == "half_pixel" else Fraction(0)
    places = (
        ((i + half) * size / count - half) for size, count in zip(sizes, wanted, strict=True) for i in range(count)
    )
    return not any(place * 1024 % 1 for place in places)


def is_bicubic(layer: Resize, size: Shape) -> bool:
    """Whether ``ResizeBicubic`` resizes images of a size as a layer does, to the last bits."""
    rule = (layer.coordinates, layer.cubic_coefficient, layer.exclude_outside)
    sizes, wanted = static(size), None if layer.sizes is None else static(layer.sizes)
    if sizes is None or wanted is None or len(sizes) != 2 or layer.antialias:
        return False
    of_tensorflow = rule in (("half_pixel", -0.5, True), ("asymmetric", -0.75, False))
    return of_tensorflow and _on_grid(layer.coordinates, sizes, wanted)


@dataclass(frozen=True)
class _Radius(Row):
    """As many neighbours before as after."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields["before"] = draft.fields["after"] = native.config.pop("depth_radius")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        before, after = draft.fields.pop("before"), draft.fields.pop("after")
        if before != after:
            raise draft.refuse(f"takes as many channels before as after, got {before} and {after}")
        native.config["depth_radius"] = before


CODECS: list[Codec] = [
    op(
        "BiasAdd",
        "ChannelAffine",
        Kernel("adds vectors", lambda _, given: "scale" not in given and "shift" in given),
        Input("x"),
        Weight("bias", "shift", "c", positional=True),
        Axes("data_format", IMAGE),
    ),
    *(_norm(native) for native in ("FusedBatchNormV3", "FusedBatchNormV2", "FusedBatchNorm")),
    _resize("ResizeBilinear", False, False, "linear", coordinates="asymmetric"),
    _resize("ResizeBilinear", True, False, "linear", coordinates="align_corners"),
    _resize("ResizeBilinear", False, True, "linear", coordinates="half_pixel"),
    _resize("ResizeNearestNeighbor", False, False, "nearest", coordinates="asymmetric", rounding="floor"),
    _resize("ResizeNearestNeighbor", True, False, "nearest", coordinates="align_corners", rounding="round_prefer_ceil"),
    _resize("ResizeNearestNeighbor", False, True, "nearest", coordinates="half_pixel", rounding="round_prefer_ceil"),
    _resize(
        "ResizeBicubic",
        False,
        True,
        "cubic",
        _OnTheGrid(),
        coordinates="half_pixel",
        cubic_coefficient=-0.5,
        exclude_outside=True,
    ),
    _resize("ResizeBicubic", False, False, "cubic", _OnTheGrid(), coordinates="asymmetric", cubic_coefficient=-0.75),
    op(
        "LRN",
        "LocalResponseNorm",
        _IMAGES,
        Kernel("computes in float32", _float32),
        Input("x"),
        _Radius(),
        Attribute("bias", "k", FLOAT32),
        Attribute("alpha", iso=FLOAT32),
        Attribute("beta", iso=FLOAT32),
        Only("alpha_of", "element"),
        _LastChannels(),
    ),
]
