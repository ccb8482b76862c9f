"""What TensorFlow cannot say as it stands, in IR it can say."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.frameworks.tensorflow.lowerings import LATE, indexing, sizes, split, split_late
from irconv.frameworks.tensorflow.lowerings.windows import writable
from irconv.ir.bundle import Bundle
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.convolution import Conv, ConvTranspose, Linear
from irconv.ir.layers.pooling import AveragePool, MaxPool
from irconv.ir.layers.window import Padding, explicit_padding
from irconv.ir.shapes import Shape, static
from irconv.passes import (
    bodies,
    decompose,
    fill_operands,
    padding,
    remove_identity,
    stored_operands,
    to_channels_last,
    wider_constants,
)
from irconv.passes.pools import without_ceil_mode, without_counted_padding
from irconv.vocabularies.tensorflow import TABLE

_Window = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def lower(bundle: Bundle, ports_move: bool) -> Bundle:
    """The same function in types, paddings and layouts that the table can write.

    Images lie channels-last between layers, as TensorFlow's kernels for processors want them; those of inputs and
    outputs where `ports_move`, else all ports keep their axes.
    """
    foreign = bundle.source.framework != "tensorflow"
    bundle = remove_identity.run(stored_operands.run(bundle))
    bundle = decompose.run(bundle, _settled, split)
    bundle = without_ceil_mode(without_counted_padding(bundle))
    bundle = padding.run(bundle, symmetric=True, native=_native_padding)
    bundle = decompose.run(bundle, _has, split)
    bundle = fill_operands.run(bundle, {"BatchNorm": ("gamma", "beta")})
    bundle = to_channels_last.run(bundle, sizes.axes, ports_move)
    bundle = decompose.run(bundle, _has_late, split_late)
    bundle = bodies.everywhere(bundle, indexing.counted_from_the_start) if foreign else bundle
    bundle = decompose.run(bodies.everywhere(bundle, sizes.run), _has_late, split_late)
    return wider_constants.run(bundle, "float8")  # which TensorFlow has from 2.12 on


def _settled(layer: Layer, given: Mapping[str, ValueType]) -> bool:
    """Whether a layer stays until paddings are numbers, if they are not TensorFlow's own."""
    if isinstance(layer, Conv | MaxPool | AveragePool):
        counted = isinstance(layer, AveragePool) and layer.count_padding
        if isinstance(layer.padding, str):
            return layer.padding == "same_upper" and not counted
        if not isinstance(layer, AveragePool) or counted or layer.ceil_mode:
            return True
        return not any(map(any, layer.padding)) or _sized(layer, given)
    return _has(layer, given)


def _sized(layer: AveragePool, given: Mapping[str, ValueType]) -> bool:
    """Whether an average that is padded has known sizes, or padding that is TensorFlow's."""
    sizes = given["x"].shape[2:]
    window = (layer.kernel, layer.stride, (1,) * len(layer.kernel))
    return static(sizes) is not None or _native_padding(layer, sizes, window) is not None


def _has(layer: Layer, given: Mapping[str, ValueType]) -> bool:
    """Whether the table has a layer, or it is one of those that wait for the layout."""
    if isinstance(layer, Conv | ConvTranspose | Linear) and "bias" in given:
        return False
    if isinstance(layer, Conv) and layer.groups > 1 and not writable(layer, given):
        return False
    return layer.type in LATE or TABLE.has(layer, given)


def _has_late(layer: Layer, given: Mapping[str, ValueType]) -> bool:
    return TABLE.has(layer, given)


def _native_padding(layer: Layer, sizes: Shape, window: _Window) -> Padding | None:
    """``SAME``, none at all, and numbers for a convolution of images; an average never counts its padding."""
    rule: Padding = layer.padding  # type: ignore[attr-defined]
    counted = isinstance(layer, AveragePool) and layer.count_padding
    if rule == "same_upper" and not counted:
        return rule
    numbers = explicit_padding(rule, sizes, *window)
    if numbers is None:
        return None
    if not any(map(any, numbers)):
        return numbers
    if not counted and numbers == _same(sizes, window):
        return "same_upper"
    return numbers if isinstance(layer, Conv) and layer.groups == 1 and len(numbers) < 3 else None


def _same(sizes: Shape, window: _Window) -> Padding | None:
    """What SAME amounts to; for a stride of 1 it does not depend on the size."""
    kernel, stride, dilation = window
    known = tuple(1 if step == 1 and not isinstance(n, int) else n for n, step in zip(sizes, stride, strict=True))
    return explicit_padding("same_upper", known, kernel, stride, dilation)
