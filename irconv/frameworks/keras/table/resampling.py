"""Upsampling and resizing: Keras layers <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.keras.resizing_weights import on_grid
from irconv.frameworks.keras.table.rows import EVERY_LAYER, IMAGE
from irconv.ir.layers.resampling import Resize
from irconv.ir.layers.shape_ops import Repeat
from irconv.rows import Attribute, Axes, Fixed, Ignored, Iso, Only, Rank, Selects

#: How many times: whole numbers in Keras, numbers in the IR.
_FACTORS = Iso(lambda size: tuple(float(n) for n in size), lambda scales: [_whole(n) for n in scales])

#: Word of `interpolation` -> what `Resize` says for it. ``legacy_bilinear`` and ``bicubic_of_...`` are words of
#: `spelling`.
_METHODS: Mapping[str, dict[str, Any]] = {
    "nearest": {"mode": "nearest", "coordinates": "half_pixel", "rounding": "round_prefer_ceil"},
    "bilinear": {"mode": "linear", "coordinates": "half_pixel"},
    "legacy_bilinear": {"mode": "linear", "coordinates": "asymmetric"},
    "bicubic_of_tensorflow": {
        "mode": "cubic",
        "coordinates": "half_pixel",
        "cubic_coefficient": -0.5,
        "exclude_outside": True,
    },
    "bicubic_of_torch": {"mode": "cubic", "coordinates": "half_pixel", "cubic_coefficient": -0.75},
}
_UNSAID = {"rounding": None, "cubic_coefficient": None, "exclude_outside": False}


def _whole(scale: float) -> int:
    if scale != int(scale):
        raise ValueError(f"Keras upsamples by whole numbers, got {scale}")
    return int(scale)


def _method(word: str, **more: Any) -> list[Row]:
    fields = {**_UNSAID, **_METHODS[word], **more}
    return [Selects("interpolation", word), *(Only(name, value) for name, value in fields.items())]


@dataclass(frozen=True)
class OnTheGrid(Row):
    """TensorFlow's cubic weights stand in a table for 1024 places between two elements.

    Sizes that need places in between give other numbers than the formula does, by 5e-4 of the largest: refused.
    """

    def decode(self, native: Workpiece, draft: Draft) -> None:
        order, shape = native.config["data_format"], draft.given[0].shape
        sizes = shape[1:3] if order == "channels_last" else shape[2:4]
        scales = draft.fields.get("scales")
        if draft.fields.get("antialias"):
            return  # by formula
        for axis, size in enumerate(sizes):
            if scales is not None:
                step = 1 / Fraction(int(scales[axis]))
                count = int(scales[axis])
            elif isinstance(size, int):
                count = draft.fields["sizes"][axis]
                step = Fraction(size, count)
            else:
                raise draft.refuse("resizes an image of unknown size by bicubic interpolation of TensorFlow's")
            if not on_grid(step, count):
                what = "expected sizes that halve, as TensorFlow rounds the places of others to 1/1024 of an element"
                raise draft.refuse(f"bicubic: {what}", "Upsample by 2, 4, 8, ... or bilinearly.")


def _upsampling(word: str) -> Codec:
    # repeated elements: any rule for the nearest gives them, and this one is exact for whole scales
    repeated = {"coordinates": "asymmetric", "rounding": "floor"} if word == "nearest" else {}
    return Codec(
        "UpSampling2D",
        Resize,
        EVERY_LAYER,
        *_method(word, antialias=False, sizes=None, **repeated),
        Attribute("size", "scales", _FACTORS),
        *((OnTheGrid(),) if word == "bicubic_of_tensorflow" else ()),
        Axes("data_format", IMAGE),
        Rank((4,)),
    )


@dataclass(frozen=True)
class HeightAndWidth(Row):
    """The size that an image is resized to; operators have it as one list, ``size``."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        size = native.config.pop("size", None)
        draft.fields["sizes"] = tuple(size or (native.config.pop("height"), native.config.pop("width")))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        sizes = draft.fields.pop("sizes")
        if sizes is None or len(sizes) != 2 or any(not isinstance(size, int) for size in sizes):
            raise draft.refuse(f"Keras resizes to a fixed height and width, got {sizes}")
        native.config["height"], native.config["width"] = sizes


def resize_rows(word: str, antialias: bool) -> list[Row]:
    """What Resizing and the operator have in common, but for the size."""
    # TensorFlow's antialiasing leaves out what is outside
    more = {"exclude_outside": True} if antialias and word == "bilinear" else {}
    chosen = Ignored("antialias") if word == "nearest" else Selects("antialias", antialias)
    return [
        chosen,
        *_method(word, scales=None, antialias=antialias, **more),
        HeightAndWidth(),
        Fixed("crop_to_aspect_ratio", False),
        Fixed("pad_to_aspect_ratio", False),
        *((OnTheGrid(),) if word == "bicubic_of_tensorflow" else ()),
        Axes("data_format", IMAGE),
        Rank((4,)),
    ]


def _resizing(word: str, antialias: bool) -> Codec:
    return Codec("Resizing", Resize, EVERY_LAYER, *resize_rows(word, antialias), Ignored("fill_mode fill_value"))


CODECS: list[Codec] = [
    Codec("UpSampling1D", Repeat, EVERY_LAYER, Only("axis", 1), Attribute("size", "repeats"), Rank((3,))),
    *(_upsampling(word) for word in _METHODS),
    Codec(
        "UpSampling3D",
        Resize,
        EVERY_LAYER,
        *(
            Only(name, value)
            for name, value in {**_UNSAID, "mode": "nearest", "coordinates": "asymmetric", "rounding": "floor"}.items()
        ),
        Only("antialias", False),
        Only("sizes", None),
        Attribute("size", "scales", _FACTORS),
        Axes("data_format", IMAGE),
        Rank((5,)),
    ),
    _resizing("nearest", antialias=False),
    _resizing("bicubic_of_torch", antialias=False),
    *(_resizing(word, antialias) for word in ("bilinear", "bicubic_of_tensorflow") for antialias in (False, True)),
]
