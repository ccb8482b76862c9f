"""What Keras can make of functions that some dialects lack, where the IR's own classes are as simple as ONNX needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import pi, sqrt
from typing import Any, TypeAlias, cast

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
from irconv.ir.layers.base import Decomposition, Layer, ValueType
from irconv.ir.layers.elementwise import Erf
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.resampling import Resize
from irconv.ir.layers.slicing import Slice, Stack
from irconv.ir.layers.tensor_ops import Add, Concat, Identity, Mul, Reshape
from irconv.ir.shapes import Size

_Given: TypeAlias = Mapping[str, ValueType]


def split(layer: Layer, given: _Given) -> Decomposition | None:
    """The parts of a layer: Keras' own where it has some, else those of its class."""
    rule = _PARTS.get(type(layer))
    return layer.decompose(given) if rule is None else rule(layer, given)


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
    """From 0 on, ReLU can do it; Keras 2 before operators has nothing else."""
    if layer.low == 0.0 and layer.high is not None:
        f = Formula(layer, given)
        return f.ends(GeneralRelu(max_value=layer.high, negative_slope=0.0, threshold=0.0), "x")
    return None


def _resize(layer: Any, given: _Given) -> Decomposition | None:
    """Bilinear as it was before half-pixel centres, by whole numbers n: between two elements stand their sums with
    weights 1 - j / n and j / n; the last element has itself for a neighbour."""
    whole = layer.scales is not None and all(float(scale).is_integer() and scale >= 1 for scale in layer.scales)
    shape = given["x"].shape
    if layer.mode != "linear" or layer.coordinates != "asymmetric" or not whole:
        return cast("Decomposition | None", layer.decompose(given))
    f, value, sizes = Formula(layer, given), "x", list(shape)
    factors = [(axis, int(n)) for axis, n in enumerate(layer.scales, len(shape) - len(layer.scales)) if n != 1]
    for axis, times in factors:
        rest = f(Slice(axes=(axis,), starts=(1,), ends=(None,), steps=(1,)), value)
        last = f(Slice(axes=(axis,), starts=(-1,), ends=(None,), steps=(1,)), value)
        following = f(Concat(axis=axis), rest, last)
        between = [value]
        for j in range(1, times):
            here = f(Mul(), value, f.number(1 - j / times))
            between.append(f(Add(), here, f(Mul(), following, f.number(j / times))))
        sizes[axis] = (Size.of(sizes[axis]) * times).dimension
        value = f(Reshape(shape=tuple(sizes)), f(Stack(axis=axis + 1), *between))
    return f.ends(Identity(), value)


_PARTS: Mapping[type[Layer], Callable[[Any, _Given], Decomposition | None]] = {
    Clip: _clip,
    Gelu: _gelu,
    HardSigmoid: _hard_sigmoid,
    HardSwish: _hard_swish,
    Mish: _mish,
    Resize: _resize,
    ThresholdedRelu: _thresholded,
}
