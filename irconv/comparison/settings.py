"""Settings of two layers that are the same: which of them differ in what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from irconv.ir.layers.base import Layer, LiteralOperand
from irconv.ir.layers.recurrent_base import Recurrent
from irconv.ir.layers.window import explicit_padding
from irconv.ir.shapes import Shape


def differing(
    a: Layer, b: Layer, shapes: tuple[Mapping[str, Shape], Mapping[str, Shape]]
) -> dict[str, tuple[Any, Any]]:
    """The settings that differ, by name; `shapes` are those of the layers' inputs and stored operands.

    A padding rule is compared by the numbers it means where the sizes are known; numbers that are one in float32 are
    one; operands written out in the manifest count as settings.
    """
    if a.type != b.type:
        return {"type": (a.type, b.type)}
    left, right = _spelt(a, shapes[0]), _spelt(b, shapes[1])
    return {
        name: (left.get(name), right.get(name))
        for name in dict.fromkeys((*left, *right))
        if not _same(left.get(name), right.get(name))
    }


def _spelt(layer: Layer, shapes: Mapping[str, Shape]) -> dict[str, Any]:
    said = {name: plain(value) for name, value in layer.settings().items()}
    if isinstance(layer, Recurrent):
        _without_idle(layer, said, shapes)
    if "padding" in said:
        said["padding"] = plain(_padding(layer, shapes))
    for role, operand in layer.operands.items():
        if isinstance(operand, LiteralOperand):
            said[role] = operand.literal
    return said


def _without_idle(layer: Recurrent, said: dict[str, Any], shapes: Mapping[str, Shape]) -> None:
    """Take out what has no effect: the order of the results of a layer that reads forwards, and what becomes of steps
    that a mask leaves out where there is no mask."""
    if not layer.reverse:
        del said["order"]
    if not {"mask", "lengths"} & shapes.keys():
        del said["masked_output"]


def _padding(layer: Layer, shapes: Mapping[str, Shape]) -> Any:
    """The padding as numbers where it can be: the sizes known, and a window that slides."""
    padding = layer.padding  # type: ignore[attr-defined]
    sizes = shapes.get("x", ())[2:]
    kernel = getattr(layer, "kernel", None) or shapes.get("kernel", ())[2:]
    stride, ones = getattr(layer, "stride", None), (1,) * len(kernel)
    dilation = getattr(layer, "dilation", ones)
    if layer.type not in ("Conv", "MaxPool", "AveragePool") or stride is None or len(sizes) != len(kernel):
        return padding
    window = tuple(k for k in kernel if isinstance(k, int))
    if len(window) != len(sizes):
        return padding
    return explicit_padding(padding, tuple(sizes), window, stride, dilation) or padding


def plain(value: Any) -> Any:
    """A setting as JSON would have it."""
    if isinstance(value, Layer):
        return {"type": value.type, **{name: plain(v) for name, v in value.settings().items()}}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, float) or isinstance(b, float):
        numbers = isinstance(a, int | float) and isinstance(b, int | float)
        return numbers and bool(a == b or np.float32(a) == np.float32(b) or (np.isnan(a) and np.isnan(b)))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    return bool(a == b)
