"""Resizing with a cut or a border that keeps the proportions, or by weights that `Resize` has no words for."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from irconv.frameworks.keras.builder import Builder, KerasLayer, Outputs, Value
from irconv.frameworks.keras.composites import operators
from irconv.frameworks.keras.composites.drawing import Drawing, Sizes, drawn
from irconv.frameworks.keras.composites.fused import plain
from irconv.frameworks.keras.resizing_weights import BICUBIC, WORDS, on_grid, weights
from irconv.layout import Array

_WHOLE = {"start": None, "stop": None, "step": None}


def resized(o: Drawing, inputs: Value) -> Value:
    """The image, cut or padded, in its new size."""
    said = o.config.get("size")
    size = (int(said[0]), int(said[1])) if said else (int(o.config["height"]), int(o.config["width"]))
    if o.config.get("crop_to_aspect_ratio"):
        inputs = _cut(o, inputs, size)
    elif o.config.get("pad_to_aspect_ratio"):
        inputs = _padded(o, inputs, size)
    word, antialias = str(o.config.get("interpolation") or "bilinear"), bool(o.config.get("antialias"))
    if word not in WORDS and not _of_table(o.builder, o.layer):
        settings = {"size": list(size), "interpolation": word, "antialias": antialias}
        return o("Resize", inputs, **settings, data_format=o.config.get("data_format") or "channels_last")
    first = o.config.get("data_format") == "channels_first"
    if first:  # a matrix takes the last axis but one
        inputs = o("Transpose", inputs, axes=[0, 2, 3, 1])
    by_width = o("Matmul", o.worked_out(inputs, _matrix(word, 2, size[1], antialias)), inputs)
    turned = o("Transpose", by_width, axes=[0, 2, 1, 3])
    by_height = o("Matmul", o.worked_out(inputs, _matrix(word, 1, size[0], antialias)), turned)
    return o("Transpose", by_height, axes=[0, 3, 2, 1] if first else [0, 2, 1, 3])


def _matrix(word: str, axis: int, new: int, antialias: bool) -> Callable[[Sizes], Array]:
    def rule(sizes: Sizes) -> Array:
        return weights(word, _known(sizes, axis), new, antialias)

    return rule


def _known(sizes: Sizes, axis: int) -> int:
    size = sizes[axis]
    if not isinstance(size, int):
        raise ValueError(f"resizes an image of unknown size {size} by weights that depend on it")
    return size


def _axes(o: Drawing) -> tuple[int, int]:
    return (2, 3) if o.config.get("data_format") == "channels_first" else (1, 2)


def _kept(sizes: Sizes, axes: tuple[int, int], new: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Height and width, and what they would be in the proportions of the new size, each for the other."""
    height, width = (_known(sizes, axis) for axis in axes)
    return (height, width), (width * new[0] // new[1], height * new[1] // new[0])


def _cut(o: Drawing, x: Value, new: tuple[int, int]) -> Value:
    """The middle of the image."""
    axes, key = _axes(o), [dict[str, Any](_WHOLE) for _ in range(4)]

    def bound(place: int, end: bool) -> Callable[[Sizes], int]:
        def rule(sizes: Sizes) -> int:
            old, wanted = _kept(sizes, axes, new)
            taken = max(min(old[place], wanted[place]), 1)
            start = (old[place] - taken) // 2
            return start + taken if end else start

        return rule

    for place, axis in enumerate(axes):
        key[axis]["start"], key[axis]["stop"] = (o.of_shape(x, bound(place, end)) for end in (False, True))
    return o("GetItem", x, key=key)


def _padded(o: Drawing, x: Value, new: tuple[int, int]) -> Value:
    """The image with a border of one number round it."""
    axes = _axes(o)

    def rule(sizes: Sizes) -> list[list[int]]:
        old, wanted = _kept(sizes, axes, new)
        pads = [[0, 0] for _ in sizes]
        for place, axis in enumerate(axes):
            more = max(old[place], wanted[place]) - old[place]
            # Keras takes the same of both sides, and nothing where that would be less than one
            pads[axis] = [more // 2, more // 2]
        return pads

    value = float(o.config.get("fill_value") or 0.0)
    return o("Pad", x, pad_width=o.of_shape(x, rule), mode="constant", constant_values=value)


def _image(o: Drawing, inputs: Value) -> Value:
    """RandomCrop, as Keras before version 3 has it at inference: the middle in the proportions of the new size."""
    size = (int(o.config["height"]), int(o.config["width"]))
    settings = {"size": list(size), "interpolation": "bilinear", "antialias": False, "data_format": "channels_last"}
    return o("Resize", _cut(o, inputs, size), **settings)


def _placed(usual: Callable[[Builder, KerasLayer], list[Outputs]]) -> Callable[[Builder, KerasLayer], list[Outputs]]:
    """As the table has it, or drawn where it has no words for it."""

    def expansion(builder: Builder, layer: KerasLayer) -> list[Outputs]:
        return (_DRAWN if is_drawn(builder, layer) else usual)(builder, layer)

    return expansion


def is_drawn(builder: Builder, layer: KerasLayer) -> bool:
    """Whether a resize keeps the proportions, or has weights that the table has no words for; on TensorFlow alone."""
    ratio = any(layer.config.get(f"{how}_to_aspect_ratio") for how in ("crop", "pad"))
    unknown = layer.config.get("interpolation") in WORDS or _of_table(builder, layer)
    return builder.facts.backend == "tensorflow" and (ratio or unknown)


def _of_table(builder: Builder, layer: KerasLayer) -> bool:
    """Whether TensorFlow's table of cubic weights has others than the formula, for an input that is an image of known
    size. Of other images the table of codecs sees to it."""
    if layer.config.get("interpolation") not in BICUBIC or layer.config.get("antialias"):
        return False
    port = builder.inputs.get(layer.calls[0].inputs[0]) if layer.calls and layer.calls[0].inputs else None
    said = layer.config.get("size") or (layer.config.get("height"), layer.config.get("width"))
    axes = (2, 3) if layer.config.get("data_format") == "channels_first" else (1, 2)
    if port is None or len(port.shape) != 4:
        return False
    pairs = [(port.shape[axis], new) for axis, new in zip(axes, said, strict=True)]
    known = [(size, new) for size, new in pairs if isinstance(size, int) and isinstance(new, int)]
    return len(known) == len(pairs) and not all(on_grid(Fraction(size, new), new) for size, new in known)


def _kept_as_it_is(_: Drawing, inputs: Value) -> Value:
    return inputs


def _random_crop(builder: Builder, layer: KerasLayer) -> list[Outputs]:
    if builder.facts.version < 3:
        return drawn(_image)(builder, layer)
    if builder.facts.numbers < (3, 15):
        what = "crops or keeps images at inference, by the version of Keras, and irconv knows 2 and 3.15"
        builder.problem(layer.name, what)
    return drawn(_kept_as_it_is)(builder, layer)


_DRAWN = drawn(resized)
EXPANSIONS = {
    "Resizing": _placed(plain),
    "ops.Resize": _placed(operators.place),
    "RandomCrop": _random_crop,
}
