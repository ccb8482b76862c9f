"""Convolutions, pools and resizing in the ranks, groups, dilations and paddings that TensorFlow's kernels have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

from irconv.ir.layers.arithmetic import Div, Maximum
from irconv.ir.layers.base import Decomposition, Layer, Step, ValueType
from irconv.ir.layers.convolution import Conv, ConvTranspose
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.normalisation import ChannelAffine
from irconv.ir.layers.patches import DepthToSpace
from irconv.ir.layers.pooling import AveragePool, MaxPool
from irconv.ir.layers.resampling import Resize
from irconv.ir.layers.shape_ops import Full, Squeeze, Unsqueeze
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Concat, Pad, Reshape, Transpose
from irconv.ir.layers.window import explicit_padding, window_outputs
from irconv.ir.shapes import Shape, Size, static
from irconv.passes.interpolation import by_matrices
from irconv.vocabularies.tensorflow.images import is_bicubic

_Given = Mapping[str, ValueType]
_WIDE = 2
"""The axis of an image that a sequence gets, as `tf.nn.conv1d` does it."""


def with_bias(layer: Layer, given: _Given) -> Decomposition | None:
    """A layer with a bias as the layer without, and a BiasAdd."""
    if "bias" not in given:
        return None
    plain = layer.model_copy(update={"operands": {}})
    return [
        Step(plain, {"x": "x"}, {"y": "product"}, {"kernel": "kernel"}),
        Step(ChannelAffine(), {"x": "product"}, {"y": "y"}, {"shift": "bias"}),
    ]


def _conv(layer: Conv, given: _Given) -> Decomposition | None:
    """Sequences as images, groups apart, and the dilation that TensorFlow's kernel lacks in the weights."""
    if (parts := with_bias(layer, given)) is not None:
        return parts
    spatial = len(layer.stride)
    if isinstance(layer.padding, str) and layer.padding != "same_upper":
        _check_cut(layer, given, given["kernel"].shape[2:])
        return None
    if spatial == 1:
        return _as_image(layer, given)
    if layer.groups > 1:
        if is_depthwise(layer, given) and writable(layer, given):
            return _stuffed(layer, given) if any(d > 1 for d in layer.dilation) else None
        return _grouped(layer, given, 0)
    return _stuffed(layer, given) if spatial == 3 and any(d > 1 for d in layer.dilation) else None


def _check_cut(layer: Any, given: _Given, kernel: Shape) -> None:
    """Raises `ValueError` for a rule that may cut elements off: TensorFlow's Pad takes no negative numbers."""
    sizes, dilation = given["x"].shape[2:], getattr(layer, "dilation", (1,) * len(layer.stride))
    window = (static(kernel) or (), layer.stride, dilation)
    if layer.padding not in ("same_lower", "same_upper") and explicit_padding(layer.padding, sizes, *window) is None:
        raise ValueError(f"its padding {layer.padding} depends on the input's size, which is {sizes}")


def is_depthwise(layer: Any, given: _Given) -> bool:
    """Whether TensorFlow's depthwise kernel computes it: images, one input channel to a group, square strides."""
    # a dilated kernel is computed by the graph
    return len(layer.stride) == 2 and given["kernel"].shape[1] == 1 and len(set(layer.stride)) == 1


def writable(layer: Conv, given: _Given) -> bool:
    """Whether the kernel of a convolution lies, or can be turned to lie, as TensorFlow's depthwise kernel has it."""
    stored = "kernel" in layer.operands and all(d == 1 for d in layer.dilation)
    return stored or given["kernel"].shape[0] == layer.groups


def _transposed(layer: ConvTranspose, given: _Given) -> Decomposition | None:
    if (parts := with_bias(layer, given)) is not None:
        return parts
    if len(layer.stride) == 1:
        return _as_image(layer, given)
    if layer.groups > 1:
        return _grouped(layer, given, 0)
    if any(d > 1 for d in layer.dilation):
        return _stuffed(layer, given)
    return _cropped(layer, given)


def _cropped(layer: ConvTranspose, given: _Given) -> Decomposition:
    """The whole result, cut off on both sides as the padding says, and longer by zeros."""
    f, spatial = Formula(layer, given), len(layer.stride)
    crops = layer.crops(given["x"].shape[2:], given["kernel"].shape[2:])
    none = {"padding": ((0, 0),) * spatial, "output_padding": (0,) * spatial, "output_size": None, "origin": None}
    axes = tuple(axis for axis, (before, after) in enumerate(crops, 2) if before > 0 or after > 0)
    starts = tuple(crops[axis - 2][0] for axis in axes)
    ends = tuple(-crops[axis - 2][1] if crops[axis - 2][1] > 0 else None for axis in axes)
    zeros = tuple(max(-after, 0) for _, after in crops)
    full = f(layer.model_copy(update=none), "x", kernel="kernel")
    cut = Slice(axes=axes, starts=starts, ends=ends, steps=(1,) * len(axes))
    if not any(zeros):
        return f.ends(cut, full)
    value = f(cut, full) if axes else full
    pads = ((0, 0), (0, 0), *((0, count) for count in zeros))
    return f.ends(Pad(pads=pads, mode="constant", value=0.0), value)


#: What a layer has one of for each spatial axis -> what the axis that is put in has.
_PER_AXIS: Mapping[str, Any] = {
    "stride": 1,
    "dilation": 1,
    "kernel": 1,
    "padding": (0, 0),
    "output_padding": 0,
    "output_size": 1,
    "sizes": 1,
    "scales": 1.0,
}


def _as_image(layer: Any, given: _Given) -> Decomposition:
    """A layer over sequences as one over images of height 1."""
    f = Formula(layer, given)
    update: dict[str, Any] = {"operands": {}, "origin": None}
    for name, value in layer.settings().items():
        if name in _PER_AXIS and isinstance(value, tuple):
            update[name] = (_PER_AXIS[name], *value)
    wide, x = Unsqueeze(axes=(_WIDE,)), f(Unsqueeze(axes=(_WIDE,)), "x")
    values = [x, f(wide, f.operand("kernel"))] if "kernel" in given else [x]
    return f.ends(Squeeze(axes=(_WIDE,)), f(layer.model_copy(update=update), *values))


def _grouped(layer: Any, given: _Given, axis: int) -> Decomposition:
    """One layer for each group of channels, side by side; the kernel's groups lie along `axis`."""
    f, groups = Formula(layer, given), layer.groups
    channels, whole = given["x"].shape[1], given["kernel"].shape[axis]
    if not isinstance(channels, int) or not isinstance(whole, int):
        raise ValueError(f"expected a known number of channels for {groups} groups, got {channels}")
    pieces = _cut(f, "x", 1, channels, groups)
    kernels = _cut(f, f.operand("kernel"), axis, whole, groups)
    one = layer.model_copy(update={"operands": {}, "groups": 1, "origin": None})
    made = [f(one, x, kernel) for x, kernel in zip(pieces, kernels, strict=True)]
    return f.ends(Concat(axis=1), *made)


def _cut(f: Formula, value: str, axis: int, size: int, count: int) -> list[str]:
    """Equal pieces of a value along an axis."""
    long = size // count
    return [f(Slice(axes=(axis,), starts=(i * long,), ends=((i + 1) * long,), steps=(1,)), value) for i in range(count)]


def _stuffed(layer: Any, given: _Given) -> Decomposition:
    """Dilation as zeros between the elements of the kernel."""
    f, kernel = Formula(layer, given), given["kernel"].shape
    value, sizes = f.operand("kernel"), list(kernel)
    for axis, dilation in enumerate(layer.dilation, 2):
        length = sizes[axis]
        if dilation == 1 or length == 1:
            continue
        if not isinstance(length, int):
            raise ValueError(f"expected a kernel of known sizes, got {kernel}")
        pads = [(0, 0)] * (len(sizes) + 1)
        pads[axis + 1] = (0, dilation - 1)
        value = f(Pad(pads=tuple(pads), mode="constant", value=0.0), f(Unsqueeze(axes=(axis + 1,)), value))
        sizes[axis] = length * dilation
        value = f(Reshape(shape=tuple(sizes)), value)
        sizes[axis] = (length - 1) * dilation + 1
        value = f(Slice(axes=(axis,), starts=(0,), ends=(sizes[axis],), steps=(1,)), value)
    update: dict[str, Any] = {"dilation": (1,) * len(layer.dilation), "operands": {}, "origin": None}
    return f.ends(layer.model_copy(update=update), "x", value)


def _pool(layer: Any, given: _Given) -> Decomposition | None:
    """Sequences as images; a maximum over dilated windows as one of slices."""
    if isinstance(layer.padding, str) and layer.padding != "same_upper":
        _check_cut(layer, given, layer.kernel)
        return None
    if isinstance(layer, AveragePool) and layer.count_padding:
        return None
    if isinstance(layer, AveragePool) and not isinstance(layer.padding, str) and any(map(any, layer.padding)):
        return _inside(layer, given)
    if isinstance(layer, MaxPool) and any(d > 1 for d in layer.dilation):
        return _dilated_maximum(layer, given)
    return _as_image(layer, given) if len(layer.kernel) == 1 else None


def _inside(layer: AveragePool, given: _Given) -> Decomposition:
    """The mean with the padding counted, over the share of each window that lies inside."""
    f, x = Formula(layer, given), given["x"]
    none = {"padding": ((0, 0),) * len(layer.kernel), "origin": None}
    pad = Pad(pads=((0, 0), (0, 0), *layer.padding), mode="constant", value=0.0)
    plain = layer.model_copy(update=none)
    share = f(plain, f(pad, f(Full(shape=(1, 1, *x.shape[2:]), value=1.0, dtype=x.dtype))))
    return f.ends(Div(), f(plain, f(pad, "x")), share)


def _dilated_maximum(layer: MaxPool, given: _Given) -> Decomposition | None:
    f, sizes = Formula(layer, given), given["x"].shape[2:]
    window = (layer.kernel, layer.stride, layer.dilation)
    pads = explicit_padding(layer.padding, sizes, *window)
    known, outputs = static(sizes), window_outputs(sizes, *window, layer.padding, layer.ceil_mode)
    if pads is None or (known is None and layer.ceil_mode):
        return None
    reach = [(Size.of(count) - 1) * s + (k - 1) * d + 1 for count, k, s, d in zip(outputs, *window, strict=True)]
    if layer.ceil_mode and known is not None:
        more = [(need - n - before).dimension for need, n, (before, _) in zip(reach, known, pads, strict=True)]
        pads = tuple((b, max(a, m)) for (b, a), m in zip(pads, more, strict=True) if isinstance(m, int))
    value = "x"
    if any(map(any, pads)):
        value = f(Pad(pads=((0, 0), (0, 0), *pads), mode="constant", value=float("-inf")), value)
    axes = tuple(range(2, 2 + len(layer.kernel)))
    found = ""
    places = list(product(*(range(k) for k in layer.kernel)))
    for place in places:
        starts = tuple(i * d for i, d in zip(place, layer.dilation, strict=True))
        ends = tuple(
            (Size.of(start) + (Size.of(count) - 1) * s + 1).dimension
            for start, count, s in zip(starts, outputs, layer.stride, strict=True)
        )
        piece = f(Slice(axes=axes, starts=starts, ends=ends, steps=layer.stride), value)
        if place == places[-1] and found:
            return f.ends(Maximum(), found, piece)
        found = f(Maximum(), found, piece) if found else piece
    return None


def _resize(layer: Resize, given: _Given) -> Decomposition | None:
    """Sizes in the place of scales that come out even; sequences as images; a matrix for each axis of other rules."""
    if layer.scales is not None:
        wanted = layer.infer(given)["y"].shape[2:]
        exact = all(
            not isinstance(n, int) or (isinstance(m, int) and m == n * s)
            for n, m, s in zip(given["x"].shape[2:], wanted, layer.scales, strict=True)
        )
        whole = all(float(scale).is_integer() for scale in layer.scales)
        if not exact or not (whole or static(wanted)):
            return by_matrices(layer, given)
        return Formula(layer, given).ends(layer.model_copy(update={"scales": None, "sizes": wanted}), "x")
    known = layer.decompose(given)
    if known is not None:
        return known
    if layer.mode == "cubic":
        return None if is_bicubic(layer, given["x"].shape[2:]) else by_matrices(layer, given)
    if len(given["x"].shape) == 4 or layer.coordinates not in ("half_pixel", "asymmetric", "align_corners"):
        return by_matrices(layer, given)
    return _as_image(layer, given) if len(given["x"].shape) == 3 else _volumes(layer, given)


def _volumes(layer: Resize, given: _Given) -> Decomposition:
    """The last two of three axes as images for each index of the first, then the first beside the other two."""
    f, (n, c, d, h, w) = Formula(layer, given), given["x"].shape
    assert layer.sizes is not None, "the caller has made sizes of scales"
    deep, high, wide = layer.sizes
    many, flat = ((Size.of(a) * b).dimension for a, b in ((n, d), (high, wide)))
    turn = Transpose(permutation=(0, 2, 1, 3, 4))
    x = f(Reshape(shape=(many, c, h, w)), f(turn, "x"))
    x = f(layer.model_copy(update={"sizes": (high, wide), "origin": None}), x)
    x = f(turn, f(Reshape(shape=(n, d, c, high, wide)), x))
    x = f(Reshape(shape=(n, c, d, flat)), x)
    x = f(layer.model_copy(update={"sizes": (deep, flat), "origin": None}), x)
    return f.ends(Reshape(shape=(n, c, deep, high, wide)), x)


def _blocks(layer: DepthToSpace, given: _Given) -> Decomposition | None:
    """PyTorch's order of channels, turned into TensorFlow's."""
    if layer.mode == "DCR":
        return None
    f, (n, c, h, w), b = Formula(layer, given), given["x"].shape, layer.block
    out = Size.of(c).floor_divide(b * b).dimension
    split = f(Reshape(shape=(n, out, b * b, h, w)), "x")
    turned = f(Transpose(permutation=(0, 2, 1, 3, 4)), split)
    plain = layer.model_copy(update={"mode": "DCR", "origin": None})
    return f.ends(plain, f(Reshape(shape=(n, c, h, w)), turned))


_Rule = Callable[[Any, _Given], "Decomposition | None"]
SPLITS: Mapping[str, _Rule] = {
    "Conv": _conv,
    "ConvTranspose": _transposed,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "Resize": _resize,
    "DepthToSpace": _blocks,
}
