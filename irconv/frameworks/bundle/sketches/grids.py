"""Other grids of space: resizing, sampling, blocks, and pools that tell where."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from irconv.frameworks.bundle.sketches.windows import AveragePool, pairs, windows


def DepthToSpace(x: Any, *, block: int, mode: str) -> Any:
    n, c, h, w = x.shape
    if mode == "DCR":
        y = x.reshape(n, block, block, -1, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        y = x.reshape(n, -1, block, block, h, w).transpose(0, 1, 4, 2, 5, 3)
    return y.reshape(n, c // block**2, h * block, w * block)


def SpaceToDepth(x: Any, *, block: int, mode: str) -> Any:
    n, c, h, w = x.shape
    y = x.reshape(n, c, h // block, block, w // block, block)
    y = y.transpose(0, 3, 5, 1, 2, 4) if mode == "DCR" else y.transpose(0, 1, 3, 5, 2, 4)
    return y.reshape(n, c * block**2, h // block, w // block)


def cubic(d: Any, a: float) -> Any:
    """The weight of an element at the distance d."""
    d = np.abs(d)
    near, far = ((a + 2) * d - (a + 3)) * d * d + 1, a * (((d - 5) * d + 8) * d - 4)
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def Resize(
    x: Any,
    *,
    mode: str,
    sizes: Any,
    scales: Any,
    coordinates: str,
    rounding: Any,
    cubic_coefficient: Any,
    exclude_outside: bool,
    antialias: bool,
) -> Any:
    for axis, n in enumerate(x.shape[2:], 2):
        s = sizes[axis - 2] / n if scales is None else scales[axis - 2]
        m = int(np.floor(n * s)) if sizes is None else sizes[axis - 2]
        i = np.arange(m)
        p = (i + 0.5) / s - 0.5
        if coordinates == "asymmetric":
            p = i / s
        elif coordinates == "align_corners":
            p = i * (n - 1) / max(m - 1, 1)
        elif coordinates == "half_pixel_symmetric":
            p = p + n / 2 * (1 - m / (s * n))
        elif coordinates == "pytorch_half_pixel" and m == 1:
            p = 0 * p
        if mode == "nearest":
            ways = {
                "floor": np.floor(p),
                "ceil": np.ceil(p),
                "round_prefer_floor": np.ceil(p - 0.5),
                "round_prefer_ceil": np.floor(p + 0.5),
            }
            x = np.take(x, np.clip(ways[rounding], 0, n - 1).astype(int), axis)
            continue
        wide = max(1 / s, 1) if antialias else 1
        reach = int(np.ceil((1 if mode == "linear" else 2) * wide))
        near = np.floor(p)[:, None] + np.arange(1 - reach, 1 + reach)
        d = (near - p[:, None]) / wide
        share = np.maximum(1 - np.abs(d), 0) if mode == "linear" else cubic(d, cubic_coefficient)
        if exclude_outside:
            share = np.where((near >= 0) & (near < n), share, 0)
        share = share / share.sum(1, keepdims=True)
        weights = np.zeros((m, n))
        np.add.at(weights, (i[:, None], np.clip(near, 0, n - 1).astype(int)), share)
        x = np.moveaxis(np.tensordot(weights, x, ([1], [axis])), 0, axis).astype(x.dtype)
    return x


def GridSample(x: Any, grid: Any, *, mode: str, outside: str, align_corners: bool) -> Any:
    rank, taps = x.ndim - 2, []
    for axis, n in enumerate(x.shape[2:]):
        g = grid[..., rank - 1 - axis]
        p = (g + 1) / 2 * (n - 1) if align_corners else ((g + 1) * n - 1) / 2
        if mode != "cubic":
            p = within(p, n, outside, align_corners)
        low = np.floor(p)
        if mode == "nearest":
            taps.append([(np.rint(p), np.ones_like(p))])
        elif mode == "linear":
            taps.append([(low, 1 - (p - low)), (low + 1, p - low)])
        else:
            taps.append([(within(low + i, n, outside, align_corners), cubic(p - low - i, -0.75)) for i in range(-1, 3)])
    batch = np.arange(len(x)).reshape(-1, *[1] * rank)
    y: Any = 0
    for chosen in product(*taps):
        share: Any = 1
        at = []
        for (place, weight), n in zip(chosen, x.shape[2:]):
            share = share * np.where((place >= 0) & (place < n), weight, 0)
            at.append(np.clip(place, 0, n - 1).astype(int))
        y = y + x[(batch, slice(None), *at)] * share[..., None]
    return np.moveaxis(y, -1, 1).astype(x.dtype)


def within(p: Any, n: int, outside: str, align_corners: bool) -> Any:
    """Places as they are meant: those outside at the border, mirrored, or where they are."""
    if outside == "zeros":
        return p
    if outside == "reflection":
        low, span = (0, n - 1) if align_corners else (-0.5, n)
        q = np.abs(p - low) % (2 * span) if span else 0 * p
        p = low + np.where(q > span, 2 * span - q, q)
    return np.clip(p, 0, n - 1)


def AffineGrid(theta: Any, *, sizes: Any, align_corners: bool) -> Any:
    lines = []
    for n in sizes:
        line = (2 * np.arange(n) + 1) / n - 1
        lines.append(2 * np.arange(n) / max(n - 1, 1) - (n > 1) if align_corners else line)
    places = np.meshgrid(*lines, indexing="ij")[::-1]
    base = np.stack([*places, np.ones_like(places[0])], -1).astype(theta.dtype)
    return np.stack([base @ one.T for one in theta])


def Fold(x: Any, *, output_size: Any, kernel: Any, stride: Any, dilation: Any, padding: Any) -> Any:
    room = [n + before + after for n, (before, after) in zip(output_size, padding)]
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
    counts = [(n - w) // s + 1 for n, w, s in zip(room, spans, stride)]
    columns = x.reshape(len(x), -1, *kernel, *counts)
    y = np.zeros((*columns.shape[:2], *room), x.dtype)
    for place in product(*map(range, kernel)):
        at = [slice(p * d, p * d + (n - 1) * s + 1, s) for p, d, n, s in zip(place, dilation, counts, stride)]
        y[(slice(None), slice(None), *at)] += columns[(slice(None), slice(None), *place)]
    return y[(slice(None), slice(None), *(slice(b, b + n) for n, (b, _) in zip(output_size, padding)))]


def MaxPoolWithIndices(
    x: Any, *, kernel: Any, stride: Any, dilation: Any, padding: Any, ceil_mode: bool, counted: str
) -> Any:
    over = x.shape if counted == "tensor" else (1, 1, *x.shape[2:])
    places = np.broadcast_to(np.arange(np.prod(over)).reshape(over), x.shape)
    around = pairs(padding, x.shape[2:], kernel, stride, dilation)
    seen = windows(x, kernel, stride, dilation, around, -np.inf, ceil_mode)
    where = windows(places, kernel, stride, dilation, around, 0, ceil_mode)
    flat = (*seen.shape[: x.ndim], -1)
    best = seen.reshape(flat).argmax(-1)[..., None]
    found = [np.take_along_axis(one.reshape(flat), best, -1)[..., 0] for one in (seen, where)]
    return found[0], found[1]


def LpPool(
    x: Any, *, p: float, formula: str, kernel: Any, stride: Any, dilation: Any, padding: Any, ceil_mode: bool
) -> Any:
    if formula == "mean":
        options: Any = {"kernel": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
        return (int(np.prod(kernel)) * AveragePool(x**p, **options, count_padding=False)) ** (1 / p)
    around = pairs(padding, x.shape[2:], kernel, stride, dilation)
    powers = windows(np.abs(x) ** p, kernel, stride, dilation, around, 0, ceil_mode)
    return powers.sum(tuple(range(-len(kernel), 0))) ** (1 / p)


def DFT(x: Any, *, axis: int, inverse: bool, onesided: bool, length: Any) -> Any:
    z = x[..., 0] + 1j * x[..., 1] if x.shape[-1] == 2 else x[..., 0]
    if inverse and onesided:
        return np.fft.irfft(z, length, axis)[..., None].astype(x.dtype)
    way: Any = np.fft.ifft if inverse else np.fft.rfft if onesided else np.fft.fft
    y = way(z, axis=axis)
    return np.stack([y.real, y.imag], -1).astype(x.dtype)
