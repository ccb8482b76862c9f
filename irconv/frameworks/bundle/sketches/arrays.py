"""Products, arithmetic, and what moves or picks elements."""

from __future__ import annotations

from collections.abc import Callable
from math import erf
from typing import Any

import numpy as np


def Linear(x: Any, kernel: Any, bias: Any = 0.0) -> Any:
    return x @ kernel.T + bias


def MatMul(left: Any, right: Any) -> Any:
    return left @ right


def Einsum(*values: Any, equation: str) -> Any:
    return np.einsum(equation, *values)


def Add(*values: Any) -> Any:
    return values[0] + (Add(*values[1:]) if len(values) > 2 else values[1])


def Mul(*values: Any) -> Any:
    return values[0] * (Mul(*values[1:]) if len(values) > 2 else values[1])


def Sub(x0: Any, x1: Any) -> Any:
    return x0 - x1


def Div(x0: Any, x1: Any) -> Any:
    return np.trunc(x0 / x1).astype(x0.dtype) if x0.dtype.kind in "iu" else x0 / x1


def Sqrt(x: Any) -> Any:
    return np.sqrt(x)


def Constant(*, value: Any) -> Any:
    return np.asarray(value)


def Concat(*values: Any, axis: int) -> Any:
    return np.concatenate(values, axis)


def Flatten(x: Any, *, start_axis: int) -> Any:
    return x.reshape((*x.shape[:start_axis], -1))


def Reshape(x: Any, *, shape: Any) -> Any:
    return x.reshape(shape)


def Transpose(x: Any, *, permutation: Any) -> Any:
    return x.transpose(permutation)


def Squeeze(x: Any, *, axes: Any) -> Any:
    return np.squeeze(x, tuple(axes))


def Unsqueeze(x: Any, *, axes: Any) -> Any:
    return np.expand_dims(x, tuple(axes))


def Expand(x: Any, *, shape: Any) -> Any:
    return np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(shape)))


def Slice(x: Any, *, axes: Any, starts: Any, ends: Any, steps: Any) -> Any:
    cut = {axis: slice(*bounds) for axis, *bounds in zip(axes, starts, ends, steps)}
    return x[tuple(cut.get(axis, slice(None)) for axis in range(x.ndim))]


def Select(x: Any, *, axis: int, index: int) -> Any:
    return np.take(x, index, axis)


def Split(x: Any, *, axis: int, sizes: Any) -> Any:
    return np.split(x, np.cumsum(sizes)[:-1], axis)


def Pad(x: Any, *, pads: Any, mode: Any, value: Any) -> Any:
    if mode != "constant":
        return np.pad(x, pads, mode=mode)
    cut = tuple(slice(max(-before, 0), n - max(-after, 0)) for n, (before, after) in zip(x.shape, pads))
    return np.pad(x[cut], [(max(before, 0), max(after, 0)) for before, after in pads], constant_values=value)


def Reduce(x: Any, *, op: str, axes: Any, keepdims: bool) -> Any:
    logaddexp: Any = np.logaddexp
    over: dict[str, Callable[[Any], Any]] = {
        "l1": lambda v: np.abs(v).sum(tuple(axes), keepdims=keepdims),
        "l2": lambda v: np.sqrt((v * v).sum(tuple(axes), keepdims=keepdims)),
        "sum_square": lambda v: (v * v).sum(tuple(axes), keepdims=keepdims),
        "log_sum": lambda v: np.log(v.sum(tuple(axes), keepdims=keepdims)),
        "log_sum_exp": lambda v: logaddexp.reduce(v, tuple(axes), keepdims=keepdims),
    }
    made = over[op](x) if op in over else getattr(np, op)(x, axis=tuple(axes), keepdims=keepdims)
    return made.astype(x.dtype)


def Embedding(x: Any, table: Any, *, padding_index: Any) -> Any:
    return table[x.astype(np.int64)]


def Gather(x: Any, indices: Any, *, axis: int) -> Any:
    return np.take(x, indices.astype(np.int64), axis)


def Where(condition: Any, x0: Any, x1: Any) -> Any:
    return np.where(condition, x0, x1)


def Cast(x: Any, *, dtype: str) -> Any:
    if dtype != "bfloat16":
        return x.astype(dtype)
    bits = x.astype("f4").view("u4")  # rounded to the upper half, and kept as float32
    return np.where(np.isnan(x), np.nan, ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view("f4")).astype("f4")


def Equal(x0: Any, x1: Any) -> Any:
    return x0 == x1


def NotEqual(x0: Any, x1: Any) -> Any:
    return x0 != x1


def Less(x0: Any, x1: Any) -> Any:
    return x0 < x1


def LessOrEqual(x0: Any, x1: Any) -> Any:
    return x0 <= x1


def Greater(x0: Any, x1: Any) -> Any:
    return x0 > x1


def GreaterOrEqual(x0: Any, x1: Any) -> Any:
    return x0 >= x1


def And(x0: Any, x1: Any) -> Any:
    return np.logical_and(x0, x1)


def Or(x0: Any, x1: Any) -> Any:
    return np.logical_or(x0, x1)


def Xor(x0: Any, x1: Any) -> Any:
    return np.logical_xor(x0, x1)


def BitwiseAnd(x0: Any, x1: Any) -> Any:
    return x0 & x1


def BitwiseOr(x0: Any, x1: Any) -> Any:
    return x0 | x1


def BitwiseXor(x0: Any, x1: Any) -> Any:
    return x0 ^ x1


def BitwiseNot(x: Any) -> Any:
    return ~x


def BitShift(x0: Any, x1: Any, *, direction: str) -> Any:
    return x0 << x1 if direction == "left" else x0 >> x1


def BitCast(x: Any, *, dtype: str) -> Any:
    return x.view(dtype)


def Mod(x0: Any, x1: Any, *, sign: str) -> Any:
    return np.mod(x0, x1) if sign == "divisor" else np.fmod(x0, x1)


def Mean(*values: Any) -> Any:
    return sum(values) / values[0].dtype.type(len(values))


def Determinant(x: Any) -> Any:
    return np.linalg.det(x)


def IsInf(x: Any) -> Any:
    return np.isinf(x)


def IsNaN(x: Any) -> Any:
    return np.isnan(x)


def Tan(x: Any) -> Any:
    return np.tan(x)


def Asin(x: Any) -> Any:
    return np.arcsin(x)


def Acos(x: Any) -> Any:
    return np.arccos(x)


def Atan(x: Any) -> Any:
    return np.arctan(x)


def Sinh(x: Any) -> Any:
    return np.sinh(x)


def Cosh(x: Any) -> Any:
    return np.cosh(x)


def Asinh(x: Any) -> Any:
    return np.arcsinh(x)


def Acosh(x: Any) -> Any:
    return np.arccosh(x)


def Atanh(x: Any) -> Any:
    return np.arctanh(x)


def Pow(x0: Any, x1: Any) -> Any:
    return x0**x1


def Not(x: Any) -> Any:
    return np.logical_not(x)


def Neg(x: Any) -> Any:
    return -x


def Abs(x: Any) -> Any:
    return np.abs(x)


def Log(x: Any) -> Any:
    return np.log(x)


def Square(x: Any) -> Any:
    return x * x


def Rsqrt(x: Any) -> Any:
    return 1 / np.sqrt(x)


def Reciprocal(x: Any) -> Any:
    return 1 / x


def Sin(x: Any) -> Any:
    return np.sin(x)


def Cos(x: Any) -> Any:
    return np.cos(x)


def Sign(x: Any) -> Any:
    return np.sign(x)


def Floor(x: Any) -> Any:
    return np.floor(x)


def Ceil(x: Any) -> Any:
    return np.ceil(x)


def Round(x: Any) -> Any:
    return np.rint(x)


def Erf(x: Any) -> Any:
    return np.vectorize(erf, otypes=[x.dtype])(x)


def Maximum(*values: Any) -> Any:
    return np.maximum(values[0], Maximum(*values[1:]) if len(values) > 2 else values[1])


def Minimum(*values: Any) -> Any:
    return np.minimum(values[0], Minimum(*values[1:]) if len(values) > 2 else values[1])


def Range(*, start: int, limit: int, step: int) -> Any:
    return np.arange(start, limit, step)


def Full(*, shape: Any, value: Any, dtype: str) -> Any:
    return np.full(shape, value, "f4" if dtype == "bfloat16" else dtype)


def Tile(x: Any, *, repeats: Any) -> Any:
    return np.tile(x, repeats)


def Repeat(x: Any, *, axis: int, repeats: int) -> Any:
    return np.repeat(x, repeats, axis)


def Stack(*values: Any, axis: int) -> Any:
    return np.stack(values, axis)


def Flip(x: Any, *, axes: Any) -> Any:
    return np.flip(x, tuple(axes))
