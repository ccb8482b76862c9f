"""Activations, arithmetic and norms as TensorFlow's own functions compute them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from math import pi, sqrt
from typing import Any

import numpy as np

from irconv.frameworks.tensorflow.lowerings.heads import HALVES
from irconv.ir.layers.activations import (
    Celu,
    Clip,
    Elu,
    Exp,
    Gelu,
    HardShrink,
    HardSigmoid,
    LogSoftmax,
    Relu,
    Softmax,
    Softplus,
    SoftShrink,
    Tanh,
    ThresholdedRelu,
)
from irconv.ir.layers.arithmetic import Div, Maximum, Minimum, Sub
from irconv.ir.layers.base import Decomposition, Layer, Step, ValueType
from irconv.ir.layers.comparisons import Cast, Greater, NotEqual, Where
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.elementwise import Abs, Erf, Log, Neg, Round, Rsqrt, Sign, Square
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.matrix import Einsum, MatMul, Trilu
from irconv.ir.layers.normalisation import BatchNorm, ChannelAffine, InstanceNorm
from irconv.ir.layers.quantisation import DequantizeLinear, QuantizeLinear
from irconv.ir.layers.shape_ops import Squeeze, Tile, Unsqueeze
from irconv.ir.layers.slicing import Slice
from irconv.ir.layers.tensor_ops import Add, Concat, Flatten, Identity, Mul, Pad, Reduce, Reshape, Transpose

_Given = Mapping[str, ValueType]


def _clip(layer: Clip, given: _Given) -> Decomposition:
    f, value = Formula(layer, given), "x"
    bounds: list[tuple[Layer, float]] = []
    bounds += [(Maximum(), layer.low)] if layer.low is not None else []
    bounds += [(Minimum(), layer.high)] if layer.high is not None else []
    *first, (last, bound) = bounds
    for op, number in first:
        value = f(op, value, f.number(number))
    return f.ends(last, value, f.number(bound))


def _thresholded(layer: ThresholdedRelu, given: _Given) -> Decomposition:
    f = Formula(layer, given)
    return f.ends(Where(), f(Greater(), "x", f.number(layer.threshold)), "x", f.number(0.0))


def _elu(layer: Elu, given: _Given) -> Decomposition:
    f = Formula(layer, given)
    below = f(Mul(), f(Elu(alpha=1.0), "x"), f.number(layer.alpha))
    return f.ends(Where(), f(Greater(), "x", f.number(0.0)), "x", below)


def _celu(layer: Celu, given: _Given) -> Decomposition:
    f = Formula(layer, given)
    below = f(Mul(), f(Elu(alpha=1.0), f(Div(), "x", f.number(layer.alpha))), f.number(layer.alpha))
    return f.ends(Where(), f(Greater(), "x", f.number(0.0)), "x", below)


def _hard_sigmoid(layer: HardSigmoid, given: _Given) -> Decomposition:
    f = Formula(layer, given)
    line = f(Add(), f(Mul(), "x", f.number(layer.slope)), f.number(layer.offset))
    return f.ends(Minimum(), f(Maximum(), line, f.number(0.0)), f.number(1.0))


def _gelu(layer: Gelu, given: _Given) -> Decomposition:
    f = Formula(layer, given)
    if layer.approximation == "none":
        inner = f(Erf(), f(Div(), "x", f.number(sqrt(2.0))))
    else:
        cube = f(Mul(), f(Mul(), f(Square(), "x"), "x"), f.number(0.044715))
        inner = f(Tanh(), f(Mul(), f(Add(), "x", cube), f.number(sqrt(2.0 / pi))))
    half = f(Mul(), "x", f.number(0.5))
    return f.ends(Mul(), half, f(Add(), inner, f.number(1.0)))


def _hard_swish(layer: Layer, given: _Given) -> Decomposition:
    f = Formula(layer, given)
    gate = f(Clip(low=0.0, high=6.0), f(Add(), "x", f.number(3.0)))
    return f.ends(Mul(), "x", f(Mul(), gate, f.number(1 / 6)))


def _hard_shrink(layer: HardShrink, given: _Given) -> Decomposition:
    f = Formula(layer, given)
    return f.ends(Where(), f(Greater(), f(Abs(), "x"), f.number(layer.threshold)), "x", f.number(0.0))


def _soft_shrink(layer: SoftShrink, given: _Given) -> Decomposition:
    f = Formula(layer, given)
    return f.ends(Mul(), f(Sign(), "x"), f(Relu(), f(Sub(), f(Abs(), "x"), f.number(layer.threshold))))


def _mish(layer: Layer, given: _Given) -> Decomposition:
    f = Formula(layer, given)
    return f.ends(Mul(), "x", f(Tanh(), f(Softplus(), "x")))


def _prelu(layer: Layer, given: _Given) -> Decomposition | None:
    """As Keras has it: ``relu(x) - slope relu(-x)``; first the slope gets the axes that broadcast."""
    if len(given["slope"].shape) < len(given["x"].shape) - 1:
        return None
    f = Formula(layer, given)
    return f.ends(Sub(), f(Relu(), "x"), f(Mul(), f.operand("slope"), f(Relu(), f(Neg(), "x"))))


def _pairs(layer: Layer, given: _Given) -> Decomposition | None:
    """An op of many values, two at a time."""
    slots = [slot for slot in given if slot[:1] == "x"]
    if len(slots) < 3:
        return None
    f = Formula(layer, given)
    return f.ends(layer, reduce(lambda a, b: f(layer, a, b), slots[:-1]), slots[-1])


def _mean(layer: Layer, given: _Given) -> Decomposition:
    f, slots = Formula(layer, given), [slot for slot in given if slot[:1] == "x"]
    total = reduce(lambda a, b: f(Add(), a, b), slots)
    return f.ends(Div(), total, f.number(float(len(slots))))


def _xor(layer: Layer, given: _Given) -> Decomposition:
    return Formula(layer, given).ends(NotEqual(), "x0", "x1")


def _trilu(layer: Trilu, given: _Given) -> Decomposition | None:
    """A triangle beyond the diagonal that TensorFlow counts bands from is what the rest leaves."""
    f, within = Formula(layer, given), layer.diagonal <= 0 if layer.upper else layer.diagonal >= 0
    if within:
        return None
    step = -1 if layer.upper else 1
    rest = Trilu(upper=not layer.upper, diagonal=layer.diagonal + step)
    return f.ends(Sub(), "x", f(rest, "x"))


def _batch_norm(layer: BatchNorm, given: _Given) -> Decomposition | None:
    """The arithmetic of ``tf.nn.batch_normalization``, where TensorFlow's kernel takes images only."""
    if "variance" not in given:
        return None
    f, rank = Formula(layer, given), len(given["x"].shape)
    scale = f(Rsqrt(), f(Add(), f.operand("variance"), f.number(layer.epsilon)))
    scale = f(Mul(), scale, f.operand("gamma")) if "gamma" in given else scale
    shift = f(Mul(), f.operand("mean"), scale)
    shift = f(Sub(), f.operand("beta"), shift) if "beta" in given else f(Neg(), shift)
    along = Reshape(shape=(*given["mean"].shape, *(1,) * (rank - 2)))
    scale, shift = (value if rank == 2 else f(along, value) for value in (scale, shift))
    return f.ends(Add(), f(Mul(), "x", scale), shift)


def _instance_norm(layer: InstanceNorm, given: _Given) -> Decomposition | None:
    f, rank = Formula(layer, given), len(given["x"].shape)
    mean = Reduce(op="mean", axes=tuple(range(2, rank)), keepdims=True)
    centred = f(Sub(), "x", f(mean, "x"))
    spread = f(Rsqrt(), f(Add(), f(mean, f(Square(), centred)), f.number(layer.epsilon)))
    if "gamma" not in given and "beta" not in given:
        return f.ends(Mul(), centred, spread)
    operands = {role: theirs for role, theirs in (("scale", "gamma"), ("shift", "beta")) if theirs in given}
    return f.ends(ChannelAffine(), f(Mul(), centred, spread), **operands)


def _channel_affine(layer: ChannelAffine, given: _Given) -> Decomposition | None:
    """The scale as a product, the shift as a BiasAdd."""
    if "scale" not in given or "shift" not in given:
        return None
    scaled = Step(ChannelAffine(), {"x": "x"}, {"y": "scaled"}, {"scale": "scale"})
    return [scaled, Step(ChannelAffine(), {"x": "scaled"}, {"y": "y"}, {"shift": "shift"})]


def _linear(layer: Linear, given: _Given) -> Decomposition | None:
    """A product and a BiasAdd; vectors get an axis for it."""
    f, rank = Formula(layer, given), len(given["x"].shape)
    if rank == 1:
        operands = {role: role for role in ("kernel", "bias") if role in given}
        wide = f(Unsqueeze(axes=(0,)), "x")
        return f.ends(Squeeze(axes=(0,)), f(Linear(), wide, **operands))
    if rank != 2 or "bias" not in given or "kernel" not in layer.operands:
        return None
    return [
        Step(Linear(), {"x": "x"}, {"y": "product"}, {"kernel": "kernel"}),
        Step(ChannelAffine(), {"x": "product"}, {"y": "y"}, {"shift": "bias"}),
    ]


def _matrices(layer: MatMul, given: _Given) -> Decomposition | None:
    """Vectors as matrices of one row or column."""
    left, right = len(given["left"].shape), len(given["right"].shape)
    if left > 1 and right > 1:
        return None
    f = Formula(layer, given)
    rows = f(Unsqueeze(axes=(0,)), "left") if left == 1 else "left"
    columns = f(Unsqueeze(axes=(1,)), "right") if right == 1 else "right"
    rank = max(left, right, 2)
    gone = ([rank - 2] if left == 1 else []) + ([rank - 1] if right == 1 else [])
    return f.ends(Squeeze(axes=tuple(gone)), f(MatMul(), rows, columns))


def _dequantised(layer: DequantizeLinear, given: _Given) -> Decomposition:
    f, x, dtype = Formula(layer, given), given["x"], given["scale"].dtype
    scale, zero = f.operand("scale"), f(Cast(dtype=dtype), f.operand("zero_point"))
    if layer.axis is not None:
        along = Reshape(shape=(*given["scale"].shape, *(1,) * (len(x.shape) - layer.axis - 1)))
        scale, zero = f(along, scale), f(along, zero)
    return f.ends(Mul(), f(Sub(), f(Cast(dtype=dtype), "x"), zero), scale)


def _quantised(layer: QuantizeLinear, given: _Given) -> Decomposition | None:
    """The quotient rounded, the zero point added, and what does not fit cut off."""
    if layer.rounds != "quotient":
        return None
    f, x, integers = Formula(layer, given), given["x"], given["zero_point"].dtype
    scale, zero = f.operand("scale"), f(Cast(dtype=x.dtype), f.operand("zero_point"))
    if layer.axis is not None:
        along = Reshape(shape=(*given["scale"].shape, *(1,) * (len(x.shape) - layer.axis - 1)))
        scale, zero = f(along, scale), f(along, zero)
    whole, ends = f(Add(), f(Round(), f(Div(), "x", scale)), zero), np.iinfo(integers)
    inside = f(Minimum(), f(Maximum(), whole, f.number(float(ends.min))), f.number(float(ends.max)))
    return f.ends(Cast(dtype=integers), inside)


def _reduced(layer: Reduce, given: _Given) -> Decomposition | None:
    """Sums of absolute values, squares and exponentials."""
    f = Formula(layer, given)

    def over(op: str) -> Reduce:
        return layer.model_copy(update={"op": op, "origin": None})

    if layer.op == "l1":
        return f.ends(over("sum"), f(Abs(), "x"))
    if layer.op == "sum_square":
        return f.ends(over("sum"), f(Square(), "x"))
    if layer.op == "log_sum":
        return f.ends(Log(), f(over("sum"), "x"))
    if layer.op != "log_sum_exp":
        return None
    kept = Reduce(op="max", axes=layer.axes, keepdims=True)
    largest = f(kept, "x")
    total = f(Log(), f(over("sum"), f(Exp(), f(Sub(), "x", largest))))
    return f.ends(Add(), total, largest if layer.keepdims else f(Squeeze(axes=layer.axes), largest))


def _axes_put_in(layer: Unsqueeze, given: _Given) -> Decomposition | None:
    """One axis after the other."""
    if len(layer.axes) == 1:
        return None
    f, value, (*first, last) = Formula(layer, given), "x", sorted(layer.axes)
    for axis in first:
        value = f(Unsqueeze(axes=(axis,)), value)
    return f.ends(Unsqueeze(axes=(last,)), value)


def _sum_of_products(layer: Einsum, given: _Given) -> Decomposition | None:
    """Two operands at a time, and the axes of the result named; TensorFlow 1 has no kernel of half precision."""
    terms, result = layer.terms()
    f, value, term = Formula(layer, given), "x0", terms[0]
    if (narrow := given["x0"].dtype) in HALVES:
        wide = [f(Cast(dtype="float32"), f"x{i}") for i in range(len(terms))]
        return f.ends(Cast(dtype=narrow), f(Einsum(equation=f"{','.join(terms)}->{result}"), *wide))
    if len(terms) < 3:
        named = Einsum(equation=f"{','.join(terms)}->{result}")
        return None if "->" in layer.equation else f.ends(named, *(f"x{i}" for i in range(len(terms))))
    for i, other in enumerate(terms[1:-1], 1):
        after = "".join(terms[i + 1 :]) + result
        letters = dict.fromkeys((term + other).replace(".", ""))
        made = ("..." if "..." in term + other else "") + "".join(x for x in letters if x in after)
        value, term = f(Einsum(equation=f"{term},{other}->{made}"), value, f"x{i}"), made
    return f.ends(Einsum(equation=f"{term},{terms[-1]}->{result}"), value, f"x{len(terms) - 1}")


def _padded(layer: Pad, given: _Given) -> Decomposition | None:
    """The ends repeated, or taken from the other side, and joined to the value, axis after axis."""
    if layer.mode not in ("edge", "wrap"):
        return None
    f, value = Formula(layer, given), "x"
    padded = [axis for axis, pair in enumerate(layer.pads) if pair != (0, 0)]
    for axis in padded:
        before, after = layer.pads[axis]
        if not isinstance(before, int) or not isinstance(after, int):
            raise ValueError(f"padding by {layer.pads[axis]} is not known")
        pieces = [value]
        ends = ((before, (0, 1), (-before, None)), (after, (-1, None), (0, after)))
        for first, (count, edge, other) in zip((True, False), ends, strict=True):
            start, end = edge if layer.mode == "edge" else other
            if count:
                piece = f(Slice(axes=(axis,), starts=(start,), ends=(end,), steps=(1,)), value)
                repeats = tuple(count if a == axis else 1 for a in range(len(layer.pads)))
                piece = f(Tile(repeats=repeats), piece) if layer.mode == "edge" and count > 1 else piece
                pieces = [piece, *pieces] if first else [*pieces, piece]
        if axis == padded[-1]:
            return f.ends(Concat(axis=axis), *pieces)
        value = f(Concat(axis=axis), *pieces)
    return f.ends(Identity(), value)


def _on_last_axis(layer: Any, given: _Given) -> Decomposition | None:
    """The axis turned to the end, and back."""
    rank = len(given["x"].shape)
    if layer.axis == rank - 1:
        return None
    f, order = Formula(layer, given), list(range(rank))
    order[layer.axis], order[-1] = order[-1], order[layer.axis]
    turn = Transpose(permutation=tuple(order))
    return f.ends(turn, f(layer.model_copy(update={"axis": rank - 1, "origin": None}), f(turn, "x")))


def _flat(layer: Flatten, given: _Given) -> Decomposition:
    return layer.decompose(given)


SPLITS: Mapping[str, Callable[[Any, _Given], Decomposition | None]] = {
    "Clip": _clip,
    "ThresholdedRelu": _thresholded,
    "Elu": _elu,
    "Celu": _celu,
    "HardSigmoid": _hard_sigmoid,
    "Gelu": _gelu,
    "HardSwish": _hard_swish,
    "HardShrink": _hard_shrink,
    "SoftShrink": _soft_shrink,
    "Mish": _mish,
    "PRelu": _prelu,
    "Maximum": _pairs,
    "Minimum": _pairs,
    "Add": _pairs,
    "Mul": _pairs,
    "Mean": _mean,
    "Xor": _xor,
    "Trilu": _trilu,
    "BatchNorm": _batch_norm,
    "InstanceNorm": _instance_norm,
    "ChannelAffine": _channel_affine,
    "Linear": _linear,
    "MatMul": _matrices,
    "DequantizeLinear": _dequantised,
    "QuantizeLinear": _quantised,
    "Reduce": _reduced,
    "Pad": _padded,
    "Unsqueeze": _axes_put_in,
    "Einsum": _sum_of_products,
}
LATE: Mapping[str, Callable[[Any, _Given], Decomposition | None]] = {
    Softmax.__name__: _on_last_axis,
    LogSoftmax.__name__: _on_last_axis,
    Flatten.__name__: _flat,
}
