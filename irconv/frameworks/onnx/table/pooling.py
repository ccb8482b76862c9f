"""Pools over windows: ONNX ops <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.onnx.table.rows import FLAG, OnnxPadding, with_field
from irconv.ir.layers.base import Layer, ValueType
from irconv.ir.layers.pooling import AveragePool, LpPool, MaxPool, MaxPoolWithIndices
from irconv.ir.layers.window import ExplicitPadding, explicit_padding, padding_to_compute, window_outputs
from irconv.ir.shapes import Shape, static
from irconv.rows import TUPLE, Attribute, Input, Iso, Only, Output


@dataclass(frozen=True)
class _PoolPadding(OnnxPadding):
    """Padding and ``ceil_mode``; stands after the rows of kernel, strides and dilations.

    Paddings are numbers where the sizes are known. A rule is written only for windows as long as their strides:
    onnxruntime's pools would pad shorter ones by a negative number. Before opset 22 the standard kept a last window
    that starts in the padding; where such a window can arise, only the row with `drops`, for that opset, takes it.
    Padding as long as the kernel, which a dilated window may have, onnxruntime does not take.
    """

    drops: bool

    def decode(self, native: Workpiece, draft: Draft) -> None:
        super().decode(native, draft)
        draft.fields["ceil_mode"] = bool(native.config.pop("ceil_mode", 0))

    def takes(self, layer: Layer, given: Mapping[str, ValueType]) -> bool:
        """See the class."""
        kernel, stride = layer.settings()["kernel"], layer.settings()["stride"]
        padding = layer.settings()["padding"]
        if not isinstance(padding, str) and any(max(p) >= k for p, k in zip(padding, kernel, strict=True)):
            return False
        known = not padding_to_compute(padding, given["x"].shape[2:], kernel, stride, (1,) * len(kernel))
        return known or (super().takes(layer, given) and all(k >= s for k, s in zip(kernel, stride, strict=True)))

    def encode(self, draft: Draft, native: Workpiece) -> None:
        kernel, stride = tuple(native.config["kernel_shape"]), tuple(native.config["strides"])
        dilation = tuple(native.config.get("dilations") or (1,) * len(kernel))
        reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
        sizes, rule = draft.types["x"].shape[2:], draft.fields["padding"]
        ceil_mode = draft.fields.pop("ceil_mode") and not isinstance(rule, str)
        padding = explicit_padding(rule, sizes, kernel, stride, dilation)
        if padding is None and any(w < s for w, s in zip(reach, stride, strict=True)):
            raise draft.refuse(f"padding {rule} of unknown sizes needs windows no shorter than strides, got {reach}")
        if padding is not None and ceil_mode:
            padding, ceil_mode = _needed(padding, sizes, reach, stride)
            dropped = [a + s > w for (_, a), w, s in zip(padding, reach, stride, strict=True)]
            if any(dropped) and ceil_mode and not self.drops:
                raise draft.refuse("drops a last window in the padding, which ONNX has from opset 22 on")
        native.config["ceil_mode"] = int(ceil_mode)
        super().encode(with_field(draft, "padding", rule if padding is None else padding), native)


def _needed(
    padding: ExplicitPadding, sizes: Shape, reach: tuple[int, ...], stride: tuple[int, ...]
) -> tuple[ExplicitPadding, bool]:
    """The padding as far as windows reach into it, and whether ``ceil_mode`` makes a difference then; as it is where
    sizes are not known."""
    known, ones = static(sizes), (1,) * len(reach)
    if known is None:
        return padding, True
    counts = static(window_outputs(known, reach, stride, ones, padding, True)) or ()
    each = list(zip(padding, known, reach, stride, counts, strict=True))
    needed = tuple((b, min(a, max((count - 1) * s + w - n - b, 0))) for (b, a), n, w, s, count in each)
    return needed, window_outputs(known, reach, stride, ones, needed) != counts


def _whole(p: float) -> int:
    if p != int(p) or p < 1:
        raise ValueError(f"ONNX takes a whole number, got {p}")
    return int(p)


def _window(native: str, layer: type[Any], *rows: Row, dilated: bool = True) -> list[Codec]:
    kernel, stride = Attribute("kernel_shape", "kernel", TUPLE), Attribute("strides", "stride", TUPLE)
    window: list[Row] = [kernel, stride, *([Attribute("dilations", "dilation", TUPLE)] if dilated else [])]
    return [
        Codec(native, layer, Input("x"), *window, _PoolPadding(drops), *rows, since=since)
        for drops, since in ((False, 0), (True, 22))
    ]


CODECS: list[Codec] = [
    *_window("MaxPool", MaxPool),
    *_window("MaxPool", MaxPoolWithIndices, Only("counted", "tensor"), Output("y"), Output("indices")),
    *_window("AveragePool", AveragePool, Attribute("count_include_pad", "count_padding", FLAG), dilated=False),
    *_window("LpPool", LpPool, Only("formula", "absolute"), Attribute("p", iso=Iso(float, _whole))),
]
