"""Pools, transposed convolutions and paddings for onnx's reference evaluator, whose own miscount windows with
``ceil_mode``, know no groups and cannot cut off. Imports that evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun


class _Pool(OpRun):
    op_domain = ""

    def _settings(self, x: Any, **attributes: Any) -> None:
        """Read the attributes all pools have: kernel, strides, dilations, and the padding (before, after, beyond).

        `beyond` is what the last window of ``ceil_mode`` reaches over the padding; it is counted by no pool.
        """
        self.kernel = attributes["kernel_shape"]
        rank = len(self.kernel)
        self.strides = attributes.get("strides") or [1] * rank
        self.dilations = attributes.get("dilations") or [1] * rank
        self.reach = [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True)]
        self.before, self.after = self._pads(x.shape[2:], attributes)
        self.beyond = [0] * rank
        if attributes.get("ceil_mode"):
            each = zip(x.shape[2:], self.before, self.after, self.reach, self.strides, strict=True)
            for axis, (n, b, a, w, s) in enumerate(each):
                count = -(-(n + b + min(a - w + s, 0)) // s)
                self.beyond[axis] = max((count - 1) * s + w - n - b - a, 0)

    def _pads(self, sizes: Sequence[int], attributes: dict[str, Any]) -> tuple[list[int], list[int]]:
        rule, pads = attributes.get("auto_pad") or "NOTSET", attributes.get("pads")
        rank = len(sizes)
        if rule in ("NOTSET", "VALID"):
            pads = pads or [0] * (2 * rank)
            return list(pads[:rank]), list(pads[rank:])
        each = zip(sizes, self.reach, self.strides, strict=True)
        totals = [max((-(-n // s) - 1) * s + w - n, 0) for n, w, s in each]
        small, large = [t // 2 for t in totals], [t - t // 2 for t in totals]
        return (small, large) if rule == "SAME_UPPER" else (large, small)

    def _windows(self, x: Any, padding: Any, beyond: Any) -> Any:
        """All windows: the spatial axes, then the window's own, flattened to one."""
        first = [(0, 0), (0, 0)]
        x = np.pad(x, [*first, *zip(self.before, self.after, strict=True)], constant_values=padding)
        x = np.pad(x, [*first, *((0, n) for n in self.beyond)], constant_values=beyond)
        rank = len(self.kernel)
        view = np.lib.stride_tricks.sliding_window_view(x, self.reach, tuple(range(2, 2 + rank)))
        steps = tuple(slice(None, None, n) for n in (1, 1, *self.strides, *self.dilations))
        view = view[steps]
        return view.reshape(*view.shape[: 2 + rank], prod(self.kernel))


class MaxPool(_Pool):
    """The standard's MaxPool, with its indices."""

    def _run(self, x: Any, storage_order: int = 0, **attributes: Any) -> Any:
        self._settings(x, **attributes)
        low = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        windows = self._windows(x, low, low)
        places = self._windows(np.arange(x.size, dtype=np.int64).reshape(x.shape), -1, -1)
        best = np.where(places < 0, low, windows).argmax(-1)[..., None]
        results = [np.take_along_axis(a, best, -1)[..., 0] for a in (windows, places)]
        return tuple(results[: len(self.output)])


class AveragePool(_Pool):
    """The standard's AveragePool."""

    def _run(self, x: Any, count_include_pad: int = 0, **attributes: Any) -> Any:
        self._settings(x, **attributes)
        counted = self._windows(np.ones((1, 1, *x.shape[2:]), np.int64), int(bool(count_include_pad)), 0).sum(-1)
        return ((self._windows(x, 0, 0).sum(-1) / counted).astype(x.dtype),)


class LpPool(_Pool):
    """The standard's LpPool."""

    def _run(self, x: Any, p: int = 2, **attributes: Any) -> Any:
        self._settings(x, **attributes)
        return (((np.abs(self._windows(x, 0, 0)) ** p).sum(-1) ** (1 / p)).astype(x.dtype),)


class ConvTranspose(OpRun):
    """The standard's ConvTranspose with groups and explicit padding, the only one that irconv writes."""

    op_domain = ""

    def _run(self, x: Any, kernel: Any, bias: Any = None, group: int = 1, **attributes: Any) -> Any:
        rank = len(x.shape) - 2
        strides, dilations = attributes.get("strides") or [1] * rank, attributes.get("dilations") or [1] * rank
        pads, more = attributes.get("pads") or [0] * (2 * rank), attributes.get("output_padding") or [0] * rank
        sizes = [
            (n - 1) * s + (k - 1) * d + 1 + extra
            for n, s, k, d, extra in zip(x.shape[2:], strides, kernel.shape[2:], dilations, more, strict=True)
        ]
        parts = x.reshape(x.shape[0], group, -1, *x.shape[2:])
        grouped = kernel.reshape(group, -1, *kernel.shape[1:])
        result: Any = np.zeros((x.shape[0], group, kernel.shape[1], *sizes), x.dtype)
        for tap in np.ndindex(*kernel.shape[2:]):
            places = tuple(
                slice(q * d, q * d + (n - 1) * s + 1, s)
                for q, d, n, s in zip(tap, dilations, x.shape[2:], strides, strict=True)
            )
            result[(..., *places)] += np.einsum("ngi...,gio->ngo...", parts, grouped[(..., *tap)])
        result = result.reshape(x.shape[0], -1, *sizes)
        if bias is not None:
            result += bias.reshape(-1, *[1] * rank)
        return (result[(..., *(slice(b, n - a) for b, a, n in zip(pads[:rank], pads[rank:], sizes, strict=True)))],)


class Pad(OpRun):
    """The standard's Pad; a negative number cuts elements off."""

    op_domain = ""

    def _run(self, x: Any, pads: Any, value: Any = None, axes: Any = None, mode: str = "constant") -> Any:
        pairs = [(0, 0)] * x.ndim
        named = range(x.ndim) if axes is None else [int(axis) % x.ndim for axis in axes]
        for axis, before, after in zip(named, pads[: len(named)], pads[len(named) :], strict=True):
            pairs[axis] = (int(before), int(after))
        x = x[tuple(slice(max(-b, 0), n - max(-a, 0)) for (b, a), n in zip(pairs, x.shape, strict=True))]
        wide: Any = [(max(b, 0), max(a, 0)) for b, a in pairs]
        if mode != "constant":
            return (np.pad(x, wide, mode),)  # type: ignore[call-overload]
        return (np.pad(x, wide, constant_values=0 if value is None else value.item()),)


OPS = [MaxPool, AveragePool, LpPool, ConvTranspose, Pad]
