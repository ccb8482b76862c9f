"""What TensorFlow cannot say as it stands, in IR it can say."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.ir.bundle import Bundle
from irconv.ir.layers.base import Decomposition, Layer, Step, ValueType
from irconv.ir.layers.convolution import Conv, ConvTranspose, Linear
from irconv.ir.layers.normalisation import ChannelAffine
from irconv.ir.layers.pooling import AveragePool
from irconv.ir.layers.tensor_ops import Flatten
from irconv.ir.layers.window import Padding, explicit_padding
from irconv.ir.shapes import Shape
from irconv.passes import decompose, fill_operands, padding, remove_identity, stored_operands, to_channels_last
from irconv.translate import native_axes
from irconv.vocabularies.tensorflow import TABLE

_Window = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def lower(bundle: Bundle, ports_move: bool) -> Bundle:
    """The same function in types, paddings and layouts that the table can write.

    Images lie channels-last between layers, as TensorFlow's kernels for processors want them; those of inputs and
    outputs where `ports_move`, else all ports keep their axes.
    """
    bundle = remove_identity.run(stored_operands.run(bundle))
    bundle = decompose.run(bundle, _has, _split)
    bundle = padding.run(bundle, symmetric=True, native=_native_padding)
    bundle = fill_operands.run(bundle, {"BatchNorm": ("gamma", "beta")})
    bundle = to_channels_last.run(bundle, native_axes(TABLE), ports_move)
    return decompose.run(bundle, lambda layer, _: not isinstance(layer, Flatten))


def _has(layer: Layer, given: Mapping[str, ValueType]) -> bool:
    """Whether the table has a layer; a Flatten stays until the layout is chosen."""
    if isinstance(layer, Conv | ConvTranspose | Linear) and "bias" in given:
        return False
    return isinstance(layer, Flatten) or TABLE.has(layer, given)


def _split(layer: Layer, given: Mapping[str, ValueType]) -> Decomposition | None:
    """A layer with a bias as the layer without, and a BiasAdd; others as their class says."""
    matrix = isinstance(layer, Linear) and len(given["x"].shape) == 2 and "kernel" in layer.operands
    if "bias" in given and (matrix or isinstance(layer, Conv | ConvTranspose)):
        return [
            Step(layer.model_copy(update={"operands": {}}), {"x": "x"}, {"y": "product"}, {"kernel": "kernel"}),
            Step(ChannelAffine(), {"x": "product"}, {"y": "y"}, {"shift": "bias"}),
        ]
    return layer.decompose(given)


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
    return numbers if isinstance(layer, Conv) and layer.groups == 1 and len(numbers) == 2 else None


def _same(sizes: Shape, window: _Window) -> Padding | None:
    """What SAME amounts to; for a stride of 1 it does not depend on the size."""
    kernel, stride, dilation = window
    known = tuple(1 if step == 1 and not isinstance(n, int) else n for n, step in zip(sizes, stride, strict=True))
    return explicit_padding("same_upper", known, kernel, stride, dilation)
