"""Attention of several heads, and norms of groups of channels, with their axes where TensorFlow has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from irconv.ir.layers.arithmetic import Div, Sub
from irconv.ir.layers.attention import MultiHeadAttention
from irconv.ir.layers.base import Decomposition, ValueType
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.convolution import Linear
from irconv.ir.layers.elementwise import Sqrt, Square
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.matrix import Einsum
from irconv.ir.layers.normalisation import GroupNorm
from irconv.ir.layers.tensor_ops import Add, Mul, Reduce, Reshape, Transpose
from irconv.ir.shapes import Shape, Size

_Given = Mapping[str, ValueType]
HALVES = ("float16", "bfloat16")
_SCORES, _SUMS = "btnh,bsnh->bnts", "bnts,bsnh->btnh"


def summed(f: Formula, equation: str, dtype: str, *factors: str) -> str:
    """An Einsum, in float32 where the factors are of half precision, of which TensorFlow 1 has no kernel."""
    if dtype not in HALVES:
        return f(Einsum(equation=equation), *factors)
    wide = [f(Cast(dtype="float32"), factor) for factor in factors]
    return f(Cast(dtype=dtype), f(Einsum(equation=equation), *wide))


def _attention(layer: MultiHeadAttention, given: _Given) -> Decomposition | None:
    """Heads stay behind the steps: sums over them are Einsums, as Keras writes them, and nothing is turned."""
    if layer.softcap is not None:
        return None
    f, (batch, queries) = Formula(layer, given), given["query"].shape[:2]

    def apart(slot: str) -> str:
        width = Size.of(given[f"{slot}_kernel"].shape[0]).floor_divide(layer.heads).dimension
        projected = f(Linear(), slot, kernel=f"{slot}_kernel", bias=f"{slot}_bias")
        return f(Reshape(shape=(*given[slot].shape[:2], layer.heads, width)), projected)

    query = f(Mul(), apart("query"), f.number(layer.scale))
    dtype = given["query"].dtype
    scores = summed(f, _SCORES, dtype, query, apart("key"))
    shape: Shape = (batch, layer.heads, queries, given["key"].shape[1])
    sums = summed(f, _SUMS, dtype, layer.weights(f, scores, given, shape), apart("value"))
    joined: Shape = (batch, queries, given["output_kernel"].shape[1])
    return f.ends(Linear(), f(Reshape(shape=joined), sums), kernel="output_kernel", bias="output_bias")


def _groups(layer: GroupNorm, given: _Given) -> Decomposition | None:
    """Channels last, cut into groups, each normalised with all places."""
    shape = given["x"].shape
    rank, channels = len(shape), shape[1]
    if layer.groups == channels and rank > 2:
        return None
    f = Formula(layer, given)
    turned = (0, *range(2, rank), 1)
    lying = (shape[0], *shape[2:])
    width = Size.of(channels).floor_divide(layer.groups).dimension
    last = f(Transpose(permutation=turned), "x") if rank > 2 else "x"
    cut = f(Reshape(shape=(*lying, layer.groups, width)), last)
    axes = tuple(axis for axis in range(1, rank + 1) if axis != rank - 1)
    mean = f(Reduce(op="mean", axes=axes, keepdims=True), cut)
    centred = f(Sub(), cut, mean)
    variance = f(Reduce(op="mean", axes=axes, keepdims=True), f(Square(), centred))
    normed = f(Div(), centred, f(Sqrt(), f(Add(), variance, f.number(layer.epsilon))))
    value = f(Reshape(shape=(*lying, channels)), normed)
    if "gamma" in given:
        value = f(Mul(), value, f.operand("gamma"))
    if "beta" in given:
        value = f(Add(), value, f.operand("beta"))
    back = (0, rank - 1, *range(1, rank - 1))
    return f.ends(Transpose(permutation=back), value)


SPLITS: Mapping[str, Callable[[Any, _Given], Decomposition | None]] = {
    "MultiHeadAttention": _attention,
    "GroupNorm": _groups,
}
