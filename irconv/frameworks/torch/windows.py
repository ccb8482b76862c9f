"""Calls of PyTorch's convolutions, pools and paddings in the common words of `irconv.align.network.Window`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from irconv.align.network import Window

#: What the arguments behind the input are called, in order; and their defaults.
_CONV: dict[str, Any] = {"weight": None, "bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1}
_MAX: dict[str, Any] = {
    "kernel_size": None,
    "stride": None,
    "padding": 0,
    "dilation": 1,
    "ceil_mode": False,
    "return_indices": False,
}
_MEAN: dict[str, Any] = {
    "kernel_size": None,
    "stride": None,
    "padding": 0,
    "ceil_mode": False,
    "count_include_pad": True,
}
_PAD: dict[str, Any] = {"pad": (), "mode": "constant", "value": None}
_TRANSPOSE: dict[str, Any] = {
    "weight": None,
    "bias": None,
    "stride": 1,
    "padding": 0,
    "output_padding": 0,
    "groups": 1,
    "dilation": 1,
}
_FUNCTIONS = {"conv": _CONV, "conv_transpose": _TRANSPOSE, "max_pool": _MAX, "avg_pool": _MEAN, "pad": _PAD}


def windowed(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Window | None:
    """The window of a call of ``conv2d``, ``conv_transpose2d``, ``max_pool2d``, ``avg_pool2d`` or ``pad``; None for any
    other."""
    match = re.fullmatch(r"(conv|conv_transpose|max_pool|avg_pool|pad)([123]d)?", name)
    if match is None or not args or not hasattr(args[0], "ndim"):
        return None
    kind, rank = match[1], args[0].ndim - 2
    defaults = _FUNCTIONS[kind]
    given = {**defaults, **dict(zip(defaults, args[1:], strict=False)), **kwargs}
    if kind == "pad":
        return _pad(given, rank)
    kernel = tuple(given["weight"].shape[2:]) if "conv" in kind else _each(given["kernel_size"], rank)
    dilation = _each(given.get("dilation", 1), rank)
    stride = _each(given["stride"], rank) if given["stride"] not in (None, [], ()) else kernel
    padding = _padding(given["padding"], kernel, dilation, rank)
    if kind == "conv_transpose" and not isinstance(padding, str):
        more = _each(given["output_padding"], rank)
        padding = tuple((before, after - extra) for (before, after), extra in zip(padding, more, strict=True))
    word = {"max_pool": "maxpool", "avg_pool": "averagepool"}.get(kind, kind.replace("_", ""))
    counted = bool(given.get("count_include_pad", False))
    return Window(word, kernel, stride, padding, dilation, counted, bool(given.get("ceil_mode", False)))


def _pad(given: Mapping[str, Any], rank: int) -> Window | None:
    """PyTorch lists the last axis first; a constant pads nothing but spatial axes here."""
    sizes = [int(size) for size in given["pad"]]
    pairs = [(sizes[i], sizes[i + 1]) for i in range(0, len(sizes) - 1, 2)]
    if given["mode"] != "constant" or any(pair != (0, 0) for pair in pairs[rank:]):
        return None
    pairs = (pairs + [(0, 0)] * rank)[:rank]
    return Window("pad", padding=tuple(pairs[::-1]))


def _padding(
    padding: Any, kernel: tuple[int, ...], dilation: tuple[int, ...], rank: int
) -> tuple[tuple[int, int], ...] | str:
    if padding == "valid":
        return ((0, 0),) * rank
    if padding == "same":  # the stride is 1
        totals = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    return tuple((size, size) for size in _each(padding, rank))


def _each(value: Any, rank: int) -> tuple[int, ...]:
    """A setting for each axis."""
    numbers = tuple(int(n) for n in value) if isinstance(value, tuple | list) else (int(value),)
    return numbers * rank if len(numbers) == 1 else numbers
