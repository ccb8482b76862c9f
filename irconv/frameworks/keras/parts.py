"""What Keras can make of functions that some dialects lack, where the IR's own classes are as simple as ONNX needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import pi, sqrt
from typing import Any, TypeAlias, cast

import numpy as np

from irconv.frameworks.keras.lower_layers import with_dense_products
from irconv.frameworks.keras.table.windows import runs_as_same
from irconv.ir.dtypes import numpy_dtype
from irconv.ir.layers.activations import (
    Clip,
    Gelu,
    GeneralRelu,
    HardSigmoid,
    HardSwish,
    Mish,
    Softplus,
    Tanh,
    ThresholdedRelu,
)
from irconv.ir.layers.arithmetic import CumSum, Div, FloorDiv, Maximum, Minimum, Sub
from irconv.ir.layers.base import Decomposition, Layer, ValueType
from irconv.ir.layers.comparisons import And, Cast, Less, NotEqual
from irconv.ir.layers.convolution import Conv, ConvTranspose
from irconv.ir.layers.elementwise import Erf, Sqrt, Square
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.indexing import Gather
from irconv.ir.layers.matrix import Einsum
from irconv.ir.layers.normalisation import ChannelAffine, InstanceNorm
from irconv.ir.layers.patches import DepthToSpace, SpaceToDepth
from irconv.ir.layers.pooling import AveragePool, MaxPool
from irconv.ir.layers.ranges import written_out
from irconv.ir.layers.resampling import Resize
from irconv.ir.layers.running import CumProd
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Add, Concat, Identity, Mul, Pad, Reduce
from irconv.ir.layers.window import explicit_padding
from irconv.ir.shapes import static
from irconv.passes.interpolation import by_matrices
from irconv.passes.pools import rounding_down

_Given: TypeAlias = Mapping[str, ValueType]


def split(layer: Layer, given: _Given) -> Decomposition | None:
    """The parts of a layer: Keras' own where it has some, else those of its class."""
    rule = _PARTS.get(type(layer))
    return layer.decompose(given) if rule is None else rule(layer, given)


def crops_as_keras(layer: ConvTranspose, given: _Given) -> bool:
    """Whether Keras can take off what a transposed convolution takes off its full result."""
    if layer.groups != 1:
        return True  # the table says why not
    if layer.padding == "same_upper":
        return layer.output_size is None
    if isinstance(layer.padding, str) or layer.output_size is not None:
        return False
    crops = layer.crops(given["x"].shape[2:], given["kernel"].shape[2:])
    spans = _spans(layer, given)
    if not any(map(any, layer.padding)):
        more = [-after for _, after in crops]
        least = [max(s - w, 0) for s, w in zip(layer.stride, spans, strict=True)]
        return more == least or all(0 <= u < s for u, s in zip(more, layer.stride, strict=True))
    totals = [before + after for before, after in crops]
    more = [w - w % 2 - t for w, t in zip(spans, totals, strict=True)]
    halves = all(before == max(t, 0) // 2 for (before, _), t in zip(crops, totals, strict=True))
    fits = all(0 <= u < s for u, s in zip(more, layer.stride, strict=True))
    return halves and fits and runs_as_same(spans, more, layer.stride)


def _spans(layer: ConvTranspose, given: _Given) -> list[int]:
    kernel = static(given["kernel"].shape[2:]) or ()
    return [(k - 1) * d + 1 for k, d in zip(kernel, layer.dilation, strict=True)]


def strides_or_spreads(layer: Conv) -> bool:
    """Whether a convolution has either a stride or a dilation: Keras refuses both at once."""
    return max(layer.stride) == 1 or max(layer.dilation) == 1


def _conv(layer: Conv, given: _Given) -> Decomposition | None:
    """With a stride of 1, of whose result every so many elements are taken."""
    if strides_or_spreads(layer):
        return layer.decompose(given)
    kernel = static(given["kernel"].shape[2:]) or ()
    pads = explicit_padding(layer.padding, given["x"].shape[2:], kernel, layer.stride, layer.dilation)
    if pads is None:
        return layer.decompose(given)
    f, count = Formula(layer, given), len(layer.stride)
    whole = layer.model_copy(update={"padding": pads, "stride": (1,) * count, "operands": {}, "origin": None})
    operands = {role: role for role in ("kernel", "bias") if role in given}
    axes = tuple(range(2, count + 2))
    taken = Slice(axes=axes, starts=(0,) * count, ends=(None,) * count, steps=layer.stride)
    return f.ends(taken, f(whole, "x", **operands))


def _conv_transpose(layer: ConvTranspose, given: _Given) -> Decomposition | None:
    """The whole result, of which a slice takes off the rest."""
    crops = layer.crops(given["x"].shape[2:], given["kernel"].shape[2:])
    if any(after < 0 for _, after in crops):
        return layer.decompose(given)
    least = tuple(max(s - w, 0) for s, w in zip(layer.stride, _spans(layer, given), strict=True))
    none = ((0, 0),) * len(crops)
    whole = layer.model_copy(
        update={"padding": none, "output_padding": least, "output_size": None, "operands": {}, "origin": None}
    )
    f = Formula(layer, given)
    operands = {role: role for role in ("kernel", "bias") if role in given}
    ends = [after + more for (_, after), more in zip(crops, least, strict=True)]
    taken = Slice(
        axes=tuple(range(2, len(crops) + 2)),
        starts=tuple(before for before, _ in crops),
        ends=tuple(-end if end else None for end in ends),
        steps=(1,) * len(crops),
    )
    return f.ends(taken, f(whole, "x", **operands))


def _dilated_pool(layer: MaxPool, given: _Given) -> Decomposition | None:
    """Windows whose elements lie apart: axis by axis the largest of slices, one for each place of the window."""
    sizes = given["x"].shape[2:]
    if max(layer.dilation) == 1 or "float" not in given["x"].dtype:
        return layer.decompose(given)
    if layer.ceil_mode:
        layer = cast("MaxPool", rounding_down("a pool", layer, sizes))
    pads = explicit_padding(layer.padding, sizes, layer.kernel, layer.stride, layer.dilation)
    if pads is None:
        return layer.decompose(given)
    written_out(sum(layer.kernel) * 256, f"a window of {layer.kernel}")
    f, value = Formula(layer, given), "x"
    if any(map(any, pads)):
        lowest = float(np.finfo(numpy_dtype(given["x"].dtype)).min)
        value = f(Pad(pads=((0, 0), (0, 0), *pads), mode="constant", value=lowest), value)
    for axis, (k, s, d) in enumerate(zip(layer.kernel, layer.stride, layer.dilation, strict=True), 2):
        if (k, s) == (1, 1):
            continue
        last = (k - 1) * d
        places = [
            f(Slice(axes=(axis,), starts=(q * d,), ends=(q * d - last or None,), steps=(s,)), value) for q in range(k)
        ]
        value = f(Maximum(), *places) if k > 1 else places[0]
    return f.ends(Identity(), value)


def _integer_division(layer: Div, given: _Given) -> Decomposition | None:
    """Integers: the quotient rounded down, and one more where it is negative and was rounded."""
    if "float" in given["x0"].dtype:
        return layer.decompose(given)
    f, dtype = Formula(layer, given), given["x0"].dtype
    down = f(FloorDiv(), "x0", "x1")
    if dtype.startswith("uint"):
        return f.ends(Identity(), down)
    zero = f.number(0, dtype)
    rounded = f(NotEqual(), f(Sub(), "x0", f(Mul(), down, "x1")), zero)
    return f.ends(Add(), down, f(Cast(dtype=dtype), f(And(), rounded, f(Less(), down, zero))))


def _instance_norm(layer: InstanceNorm, given: _Given) -> Decomposition:
    """The arithmetic, for dialects before GroupNormalization."""
    f, axes = Formula(layer, given), tuple(range(2, len(given["x"].shape)))
    middle = f(Sub(), "x", f(Reduce(op="mean", axes=axes, keepdims=True), "x"))
    variance = f(Reduce(op="mean", axes=axes, keepdims=True), f(Square(), middle))
    value = f(Div(), middle, f(Sqrt(), f(Add(), variance, f.number(layer.epsilon))))
    operands = {new: old for new, old in (("scale", "gamma"), ("shift", "beta")) if old in given}
    return f.ends(ChannelAffine(), value, **operands) if operands else f.ends(Identity(), value)


def _hard_sigmoid(layer: Any, given: _Given) -> Decomposition:
    """``clip(slope x + offset, 0, 1)``"""
    f = Formula(layer, given)
    return f.ends(Clip(low=0.0, high=1.0), f(Add(), f(Mul(), "x", f.number(layer.slope)), f.number(layer.offset)))


def _hard_swish(layer: Layer, given: _Given) -> Decomposition:
    f = Formula(layer, given)
    return f.ends(Mul(), "x", f(HardSigmoid(slope=1 / 6, offset=0.5), "x"))


def _thresholded(layer: Any, given: _Given) -> Decomposition:
    f = Formula(layer, given)
    return f.ends(GeneralRelu(max_value=None, negative_slope=0.0, threshold=layer.threshold), "x")


def _mish(layer: Layer, given: _Given) -> Decomposition:
    f = Formula(layer, given)
    return f.ends(Mul(), "x", f(Tanh(), f(Softplus(), "x")))


def _gelu(layer: Any, given: _Given) -> Decomposition:
    f = Formula(layer, given)
    half = f(Mul(), "x", f.number(0.5))
    if layer.approximation == "none":
        inner = f(Erf(), f(Mul(), "x", f.number(1 / sqrt(2))))
    else:
        cube = f(Mul(), f(Mul(), f(Mul(), "x", "x"), "x"), f.number(0.044715))
        inner = f(Tanh(), f(Mul(), f(Add(), "x", cube), f.number(sqrt(2 / pi))))
    return f.ends(Mul(), half, f(Add(), inner, f.number(1.0)))


def _clip(layer: Any, given: _Given) -> Decomposition | None:
    """One bound is a maximum or a minimum; from 0 on, ReLU can do it: Keras 2 before operators has nothing else."""
    f = Formula(layer, given)
    if layer.high is None and layer.low is not None:
        return f.ends(Maximum(), "x", f.number(layer.low))
    if layer.low is None and layer.high is not None:
        return f.ends(Minimum(), "x", f.number(layer.high))
    if layer.low == 0.0 and layer.high is not None:
        return f.ends(GeneralRelu(max_value=layer.high, negative_slope=0.0, threshold=0.0), "x")
    return None


def _resize(layer: Any, given: _Given) -> Decomposition | None:
    """Bilinear as it was before half-pixel centres, by whole numbers n: every element n times, then the mean of n that
    follow each other. The last element has itself for a neighbour."""
    whole = layer.scales is not None and all(float(scale).is_integer() and scale >= 1 for scale in layer.scales)
    if layer.mode != "linear" or layer.coordinates != "asymmetric" or not whole:
        found = cast("Decomposition | None", layer.decompose(given))
        return by_matrices(layer, given) if found is None else found
    f, kernel = Formula(layer, given), tuple(map(int, layer.scales))
    nearest = {"mode": "nearest", "rounding": "floor", "cubic_coefficient": None, "antialias": False}
    repeated = f(layer.model_copy(update={**nearest, "origin": None}), "x")
    written_out(256 * sum(kernel), f"scales of {layer.scales}")
    pads = ((0, 0), (0, 0), *((0, n - 1) for n in kernel))
    padded = f(Pad(pads=pads, mode="edge", value=None), repeated)
    mean = {"padding": ((0, 0),) * len(kernel), "ceil_mode": False, "count_padding": False}
    return f.ends(AveragePool(kernel=kernel, stride=(1,) * len(kernel), **mean), padded)


def _depth_to_space(layer: Any, given: _Given) -> Decomposition | None:
    """PyTorch's order of channels, ``c b b + i b + j``, brought to TensorFlow's, ``(i b + j) C + c``."""
    channels, blocks = given["x"].shape[1], layer.block**2
    if layer.mode == "DCR" or not isinstance(channels, int):
        return None
    written_out(channels, f"the order of {channels} channels")
    f, each = Formula(layer, given), channels // blocks
    places = [c * blocks + ij for ij in range(blocks) for c in range(each)]
    return f.ends(DepthToSpace(block=layer.block, mode="DCR"), f(Gather(axis=1), "x", f.number(places, "int64")))


def _space_to_depth(layer: Any, given: _Given) -> Decomposition | None:
    """TensorFlow's order of channels brought to PyTorch's."""
    channels, blocks = given["x"].shape[1], layer.block**2
    if layer.mode == "DCR" or not isinstance(channels, int):
        return None
    written_out(channels * blocks, f"the order of {channels} channels in blocks of {layer.block}")
    f = Formula(layer, given)
    places = [ij * channels + c for c in range(channels) for ij in range(blocks)]
    return f.ends(Gather(axis=1), f(SpaceToDepth(block=layer.block, mode="DCR"), "x"), f.number(places, "int64"))


def _pad(layer: Pad, given: _Given) -> Decomposition | None:
    """Copies of the ends, or the ends of the other side, joined to the value: not every backend pads by them."""
    if layer.mode not in (*ENDS_OF_PAD, "reflect"):
        return layer.decompose(given)
    f, value = Formula(layer, given), "x"
    for axis, (before, after) in enumerate(layer.pads):
        if isinstance(before, int) and isinstance(after, int):
            written_out(256 * (before + after), f"padding by {before} and {after}")
        if not isinstance(before, int) or not isinstance(after, int):
            raise ValueError(f"padding of mode {layer.mode} by {before} and {after} is not known")
        if layer.mode == "edge":
            first = _part(f, axis, 0, 1, value) if before else ""
            last = _part(f, axis, -1, None, value) if after else ""
            pieces = [first] * before + [value] + [last] * after
        elif layer.mode == "reflect":
            pieces = [_part(f, axis, before, 0, value, -1)] if before else []
            pieces += [value, *([_part(f, axis, -2, -2 - after, value, -1)] if after else [])]
        else:
            pieces = [_part(f, axis, -before, None, value)] if before else []
            pieces += [value, *([_part(f, axis, 0, after, value)] if after else [])]
        value = f(Concat(axis=axis), *pieces) if len(pieces) > 1 else value
    return f.ends(Identity(), value)


def _running(layer: CumSum | CumProd, given: _Given) -> Decomposition | None:
    """Keras 3 adds and multiplies from the first element on, that one included: what begins at the other end is turned
    before and after, and what leaves the element itself out is moved by one place."""
    if not layer.exclusive and not layer.reverse:
        return layer.decompose(given)
    f, value, axis = Formula(layer, given), "x", layer.axis
    if layer.reverse:
        value = _part(f, axis, None, None, value, -1)
    if layer.exclusive:
        pads = tuple((1, 0) if i == axis else (0, 0) for i in range(len(given["x"].shape)))
        neutral = 1.0 if isinstance(layer, CumProd) else 0.0
        value = _part(f, axis, 0, -1, f(Pad(pads=pads, mode="constant", value=neutral), value))
    value = f(layer.model_copy(update={"exclusive": False, "reverse": False}), value)
    return f.ends(Identity(), _part(f, axis, None, None, value, -1) if layer.reverse else value)


def _part(f: Formula, axis: int, start: int | None, end: int | None, value: str, step: int = 1) -> str:
    return f(Slice(axes=(axis,), starts=(start,), ends=(end,), steps=(step,)), value)


def pads_as_keras(layer: Pad, mirrors: bool) -> bool:
    """Whether every backend pads like this, by nothing less than zero; `mirrors` where the dialect can say so."""
    cuts = any(isinstance(n, int) and n < 0 for pair in layer.pads for n in pair)
    return not cuts and layer.mode not in ENDS_OF_PAD and (mirrors or layer.mode == "constant")


#: Modes of Pad that are built of the value's ends.
ENDS_OF_PAD = ("edge", "wrap")

_PARTS: Mapping[type[Layer], Callable[[Any, _Given], Decomposition | None]] = {
    Clip: _clip,
    Conv: _conv,
    ConvTranspose: _conv_transpose,
    CumProd: _running,
    CumSum: _running,
    DepthToSpace: _depth_to_space,
    Div: _integer_division,
    Einsum: with_dense_products,
    Gelu: _gelu,
    HardSigmoid: _hard_sigmoid,
    HardSwish: _hard_swish,
    InstanceNorm: _instance_norm,
    MaxPool: _dilated_pool,
    Mish: _mish,
    Pad: _pad,
    Resize: _resize,
    SpaceToDepth: _space_to_depth,
    ThresholdedRelu: _thresholded,
}
