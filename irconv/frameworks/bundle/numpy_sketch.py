"""Layer types in numpy, as short as they can be said: what a bundle's README tells whoever has no irconv.

A function has the name of its type; its arguments are the slots, roles and settings of that type by their names. The
README of a model copies those that it needs, with the ones these call.
"""

# the functions are called as the types they are
# ruff: noqa: N802
from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import erf
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def along(vector: Any, rank: int, axis: int = 1) -> Any:
    """A vector along one of so many axes; a number is what it is."""
    return (
        vector
        if isinstance(vector, float)
        else np.reshape(vector, [-1 if place == axis else 1 for place in range(rank)])
    )


def pairs(padding: Any, sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Any) -> Any:
    """How much stands before and after each spatial axis."""
    if not isinstance(padding, str):
        return list(padding)
    found = []
    for n, k, s, d in zip(sizes, kernel, stride, dilation or [1] * len(sizes)):
        window = (k - 1) * d + 1
        needed = (-(-n // s) - 1) * s + window - n
        total = max(needed, 0)
        if padding == "same_upper":
            found.append((total // 2, total - total // 2))
        elif padding == "same_lower":
            found.append((total - total // 2, total // 2))
        else:
            before = window // 2 if padding == "theano_half" else k - 2 if k > 2 and k % 2 else k - 1
            found.append((before, max(needed - before, 0)))
    return found


def windows(x: Array, kernel: Any, stride: Any, dilation: Any, around: Any, value: Any, ceil_mode: bool = False) -> Any:
    """What lies under a window at each place: (n, c, *places, *kernel)."""
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
    more = [0] * len(spans)
    if ceil_mode:
        for i, (n, w, s, (before, after)) in enumerate(zip(x.shape[2:], spans, stride, around)):
            count = -(-(n + before + min(after - w + s, 0)) // s)
            more[i] = max((count - 1) * s + w - n - before - after, 0)
    widths = [(0, 0), (0, 0), *((max(b, 0), max(a, 0) + m) for (b, a), m in zip(around, more))]
    x = np.pad(x, widths, constant_values=value)
    cut = [slice(max(-b, 0), n - max(-a, 0)) for n, (b, a) in zip(x.shape[2:], around)]
    x = x[(slice(None), slice(None), *cut)]
    seen = np.lib.stride_tricks.sliding_window_view(x, spans, axis=tuple(range(2, x.ndim)))
    steps = [slice(None, None, s) for s in stride] + [slice(None, None, d) for d in dilation]
    return seen[(slice(None), slice(None), *steps)]


def Conv(x: Any, kernel: Any, bias: Any = 0.0, *, stride: Any, dilation: Any, groups: int, padding: Any) -> Any:
    rank = x.ndim - 2
    around = pairs(padding, x.shape[2:], kernel.shape[2:], stride, dilation)
    seen = windows(x, kernel.shape[2:], stride, dilation, around, 0)
    inner = [1, *range(-rank, 0)]
    parts = [
        np.tensordot(a, k, (inner, [1, *range(2, k.ndim)]))
        for a, k in zip(np.split(seen, groups, 1), np.split(kernel, groups, 0))
    ]
    return np.moveaxis(np.concatenate(parts, -1), -1, 1) + along(bias, x.ndim)


def ConvTranspose(
    x: Any,
    kernel: Any,
    bias: Any = 0.0,
    *,
    stride: Any,
    dilation: Any,
    groups: int,
    padding: Any,
    output_padding: Any,
    output_size: Any,
) -> Any:
    spans = [(k - 1) * d + 1 for k, d in zip(kernel.shape[2:], dilation)]
    full = [(n - 1) * s + w for n, s, w in zip(x.shape[2:], stride, spans)]
    if isinstance(padding, str):
        size = list(output_size or [n * s for n, s in zip(x.shape[2:], stride)])
        starts = [max(f - n, 0) // 2 for f, n in zip(full, size)]
        if padding == "same_lower":
            starts = [max(f - n, 0) - start for f, n, start in zip(full, size, starts)]
        if padding == "theano_half":
            starts = [w // 2 for w in spans]
    else:
        size = [f + more - b - a for f, more, (b, a) in zip(full, output_padding, padding)]
        starts = [b for b, _ in padding]
    made = []
    for part, weights in zip(np.split(x, groups, 1), np.split(kernel, groups, 0)):
        room = [start + n if start + n > f else f for f, n, start in zip(full, size, starts)]
        y = np.zeros((len(x), weights.shape[1], *room), x.dtype)
        for place in product(*map(range, weights.shape[2:])):
            at = [slice(p * d, p * d + (n - 1) * s + 1, s) for p, d, n, s in zip(place, dilation, x.shape[2:], stride)]
            share = np.tensordot(part, weights[(slice(None), slice(None), *place)], ([1], [0]))
            y[(slice(None), slice(None), *at)] += np.moveaxis(share, -1, 1)
        made.append(y[(slice(None), slice(None), *(slice(b, b + n) for b, n in zip(starts, size)))])
    return np.concatenate(made, 1) + along(bias, x.ndim)


def Linear(x: Any, kernel: Any, bias: Any = 0.0) -> Any:
    return x @ kernel.T + bias


def MatMul(left: Any, right: Any) -> Any:
    return left @ right


def Einsum(*values: Any, equation: str) -> Any:
    return np.einsum(equation, *values)


def MaxPool(x: Any, *, kernel: Any, stride: Any, dilation: Any, padding: Any, ceil_mode: bool) -> Any:
    around = pairs(padding, x.shape[2:], kernel, stride, dilation)
    return windows(x, kernel, stride, dilation, around, -np.inf, ceil_mode).max(tuple(range(-len(kernel), 0)))


def AveragePool(x: Any, *, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, count_padding: bool) -> Any:
    around, ones = pairs(padding, x.shape[2:], kernel, stride, None), [1] * len(kernel)
    over = tuple(range(-len(kernel), 0))
    counted, inside = np.ones_like(x), around
    if count_padding:
        counted = np.ones_like(np.pad(x, [(0, 0), (0, 0), *around]))
        inside = [(0, 0)] * len(kernel)
    sums = windows(x, kernel, stride, ones, around, 0, ceil_mode).sum(over)
    counts = windows(counted, kernel, stride, ones, inside, 0, ceil_mode).sum(over)
    return sums / counts[(..., *(slice(n) for n in sums.shape[2:]))]


def BatchNorm(
    x: Any,
    gamma: Any = 1.0,
    beta: Any = 0.0,
    mean: Any = 0.0,
    variance: Any = None,
    std: Any = None,
    inv_std: Any = None,
    *,
    epsilon: float,
    momentum: Any,
) -> Any:
    if variance is not None:
        inv_std = 1 / np.sqrt(variance + np.float32(epsilon))
    elif std is not None:
        inv_std = 1 / (std + np.float32(epsilon))
    return along(gamma * inv_std, x.ndim) * (x - along(mean, x.ndim)) + along(beta, x.ndim)


def LayerNorm(x: Any, gamma: Any = 1.0, beta: Any = 0.0, *, axes: Any, epsilon: float) -> Any:
    middle = x - x.mean(tuple(axes), keepdims=True)
    y = middle / np.sqrt((middle**2).mean(tuple(axes), keepdims=True) + x.dtype.type(epsilon))
    shape = [x.shape[axis] if axis in axes else 1 for axis in range(x.ndim)]
    turn = np.argsort(np.argsort(axes))
    gamma, beta = (np.reshape(np.transpose(v, turn), shape) if np.ndim(v) else v for v in (gamma, beta))
    return gamma * y + beta


def RMSNorm(x: Any, gamma: Any = 1.0, *, axes: Any, epsilon: float) -> Any:
    y = x / np.sqrt((x * x).mean(tuple(axes), keepdims=True) + x.dtype.type(epsilon))
    shape = [x.shape[axis] if axis in axes else 1 for axis in range(x.ndim)]
    return y * (np.reshape(np.transpose(gamma, np.argsort(np.argsort(axes))), shape) if np.ndim(gamma) else gamma)


def GroupNorm(x: Any, gamma: Any = 1.0, beta: Any = 0.0, *, groups: int, epsilon: float) -> Any:
    flat = x.reshape(len(x), groups, -1)
    middle = flat - flat.mean(-1, keepdims=True)
    y = middle / np.sqrt((middle**2).mean(-1, keepdims=True) + x.dtype.type(epsilon))
    return along(gamma, x.ndim) * y.reshape(x.shape) + along(beta, x.ndim)


def InstanceNorm(x: Any, gamma: Any = 1.0, beta: Any = 0.0, *, epsilon: float) -> Any:
    return GroupNorm(x, gamma, beta, groups=x.shape[1], epsilon=epsilon)


def ChannelAffine(x: Any, scale: Any = 1.0, shift: Any = 0.0) -> Any:
    return along(scale, x.ndim) * x + along(shift, x.ndim)


def Dropout(x: Any, **training_alone: Any) -> Any:
    return x


def Identity(x: Any) -> Any:
    return x


def Relu(x: Any) -> Any:
    return np.maximum(x, 0)


def LeakyRelu(x: Any, *, slope: float) -> Any:
    return np.where(x > 0, x, x.dtype.type(slope) * x)


def Clip(x: Any, *, low: Any, high: Any) -> Any:
    return np.clip(x, -np.inf if low is None else low, np.inf if high is None else high).astype(x.dtype)


def Elu(x: Any, *, alpha: float) -> Any:
    return np.where(x > 0, x, x.dtype.type(alpha) * np.expm1(np.minimum(x, 0)))


def Selu(x: Any) -> Any:
    return x.dtype.type(1.0507009873554805) * Elu(x, alpha=1.6732632423543772)


def Sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-np.abs(x))) * np.where(x < 0, np.exp(-np.abs(x)), 1)


def HardSigmoid(x: Any, *, slope: float, offset: float) -> Any:
    return np.clip(x.dtype.type(slope) * x + x.dtype.type(offset), 0, 1)


def Tanh(x: Any) -> Any:
    return np.tanh(x)


def Exp(x: Any) -> Any:
    return np.exp(x)


def Softplus(x: Any) -> Any:
    return np.logaddexp(x, 0)


def Silu(x: Any) -> Any:
    return x * Sigmoid(x)


def Gelu(x: Any, *, approximation: str) -> Any:
    if approximation == "tanh":
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi).astype(x.dtype) * (x + x.dtype.type(0.044715) * x**3)))
    return x * (0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2)))).astype(x.dtype)


def PRelu(x: Any, slope: Any) -> Any:
    return np.where(x > 0, x, np.reshape(slope, (*slope.shape, *[1] * (x.ndim - 1 - slope.ndim))) * x)


def Softmax(x: Any, *, axis: int) -> Any:
    y = np.exp(x - x.max(axis, keepdims=True))
    return y / y.sum(axis, keepdims=True)


def LogSoftmax(x: Any, *, axis: int) -> Any:
    y = x - x.max(axis, keepdims=True)
    return y - np.log(np.exp(y).sum(axis, keepdims=True))


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


def Pad(x: Any, *, pads: Any, mode: str, value: Any) -> Any:
    if mode != "constant":
        return np.pad(x, pads, mode=mode)
    cut = tuple(slice(max(-before, 0), n - max(-after, 0)) for n, (before, after) in zip(x.shape, pads))
    return np.pad(x[cut], [(max(before, 0), max(after, 0)) for before, after in pads], constant_values=value)


def Reduce(x: Any, *, op: str, axes: Any, keepdims: bool) -> Any:
    over: dict[str, Callable[[Any], Any]] = {
        "l1": lambda v: np.abs(v).sum(tuple(axes), keepdims=keepdims),
        "l2": lambda v: np.sqrt((v * v).sum(tuple(axes), keepdims=keepdims)),
        "sum_square": lambda v: (v * v).sum(tuple(axes), keepdims=keepdims),
        "log_sum": lambda v: np.log(v.sum(tuple(axes), keepdims=keepdims)),
        "log_sum_exp": lambda v: np.logaddexp.reduce(v, tuple(axes), keepdims=keepdims),
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
    return x.astype(dtype)


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


def Pow(x0: Any, x1: Any) -> Any:
    return x0**x1


def FloorDiv(x0: Any, x1: Any) -> Any:
    return x0 // x1


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
    return np.full(shape, value, dtype)


def Tile(x: Any, *, repeats: Any) -> Any:
    return np.tile(x, repeats)


def Repeat(x: Any, *, axis: int, repeats: int) -> Any:
    return np.repeat(x, repeats, axis)


def Stack(*values: Any, axis: int) -> Any:
    return np.stack(values, axis)


def Flip(x: Any, *, axes: Any) -> Any:
    return np.flip(x, tuple(axes))


def recurrence(
    x: Any,
    states: Any,
    step: Callable[..., Any],
    mask: Any,
    lengths: Any,
    reverse: bool,
    order: str,
    masked_output: str,
) -> Any:
    """Runs a recurrence over (n, t, in); `step` makes the new states, h first."""
    if lengths is not None:
        mask = np.arange(x.shape[1]) < np.reshape(lengths, (-1, 1))
    output, made = np.zeros_like(states[0]), []
    for t in range(x.shape[1])[:: -1 if reverse else 1]:
        new = step(x[:, t], *states)
        if mask is None:
            states, shown = new, new[0]
        else:
            on = mask[:, t].astype(bool)[:, None]
            states = [np.where(on, a, b) for a, b in zip(new, states)]
            output = np.where(on, new[0], output)
            shown = np.where(on, new[0], output if masked_output == "repeat" else 0)
        made.append(shown)
    if reverse and order == "time":
        made.reverse()
    return np.stack(made, 1), *states


def RNN(
    x: Any,
    initial_h: Any = None,
    mask: Any = None,
    lengths: Any = None,
    kernel: Any = None,
    recurrent_kernel: Any = None,
    bias_input: Any = 0.0,
    bias_recurrent: Any = 0.0,
    *,
    activation: Any,
    reverse: bool,
    order: str,
    masked_output: str,
) -> Any:
    h = np.zeros((len(x), recurrent_kernel.shape[1]), x.dtype) if initial_h is None else initial_h

    def step(x: Any, h: Any) -> Any:
        return [activation(x @ kernel.T + bias_input + h @ recurrent_kernel.T + bias_recurrent)]

    return recurrence(x, [h], step, mask, lengths, reverse, order, masked_output)


def GRU(
    x: Any,
    initial_h: Any = None,
    mask: Any = None,
    lengths: Any = None,
    kernel: Any = None,
    recurrent_kernel: Any = None,
    bias_input: Any = 0.0,
    bias_recurrent: Any = 0.0,
    *,
    activation: Any,
    recurrent_activation: Any,
    reset_after: bool,
    update_keeps: str,
    reverse: bool,
    order: str,
    masked_output: str,
) -> Any:
    units = recurrent_kernel.shape[1]
    h = np.zeros((len(x), units), x.dtype) if initial_h is None else initial_h
    cut = slice(2 * units, None)
    b_new = bias_recurrent[cut] if np.ndim(bias_recurrent) else bias_recurrent

    def step(x: Any, h: Any) -> Any:
        wx, uh = x @ kernel.T + bias_input, h @ recurrent_kernel.T + bias_recurrent
        r, z = np.split(recurrent_activation(wx[:, : 2 * units] + uh[:, : 2 * units]), 2, 1)
        again = r * uh[:, cut] if reset_after else (r * h) @ recurrent_kernel[cut].T + b_new
        n = activation(wx[:, cut] + again)
        return [z * h + (1 - z) * n if update_keeps == "old" else (1 - z) * h + z * n]

    return recurrence(x, [h], step, mask, lengths, reverse, order, masked_output)


def LSTM(
    x: Any,
    initial_h: Any = None,
    initial_c: Any = None,
    mask: Any = None,
    lengths: Any = None,
    kernel: Any = None,
    recurrent_kernel: Any = None,
    bias_input: Any = 0.0,
    bias_recurrent: Any = 0.0,
    peephole_input: Any = 0.0,
    peephole_forget: Any = 0.0,
    peephole_output: Any = 0.0,
    projection: Any = None,
    *,
    activation: Any,
    recurrent_activation: Any,
    output_activation: Any,
    forget_bias: float,
    couple_input_forget: bool,
    output_peephole: str,
    cell_clip: Any,
    projection_clip: Any,
    reverse: bool,
    order: str,
    masked_output: str,
) -> Any:
    h = np.zeros((len(x), recurrent_kernel.shape[1]), x.dtype) if initial_h is None else initial_h
    c = np.zeros((len(x), len(kernel) // 4), x.dtype) if initial_c is None else initial_c

    def step(x: Any, h: Any, c: Any) -> Any:
        i, f, g, o = np.split(x @ kernel.T + bias_input + h @ recurrent_kernel.T + bias_recurrent, 4, 1)
        i = recurrent_activation(i + peephole_input * c)
        f = 1 - i if couple_input_forget else recurrent_activation(f + x.dtype.type(forget_bias) + peephole_forget * c)
        c = f * c + i * activation(g)
        c = c if cell_clip is None else np.clip(c, -cell_clip, cell_clip)
        if output_peephole == "after_activation":
            o = recurrent_activation(o) + peephole_output * c
        else:
            o = recurrent_activation(o + peephole_output * c)
        h = o * output_activation(c)
        h = h if projection is None else h @ projection.T
        return [h if projection_clip is None else np.clip(h, -projection_clip, projection_clip), c]

    return recurrence(x, [h, c], step, mask, lengths, reverse, order, masked_output)
