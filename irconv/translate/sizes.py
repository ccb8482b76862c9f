"""Sizes in the settings of layers, where symbols turned out to be other sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irconv.ir.layers.base import Layer
from irconv.ir.layers.control import Scan
from irconv.ir.shapes import Dimension, substituted


def resized(layer: Layer, given: Mapping[str, Dimension]) -> Layer:
    """The layer with other sizes in the place of some symbols, in its fields of sizes and in its body."""
    if not given:
        return layer
    changed = {name: _resized(getattr(layer, name), given) for name in (*layer.SIZES, *layer.MAKES)}
    if isinstance(layer, Scan):
        ports = {
            side: tuple(
                port.model_copy(update={"shape": _resized(port.shape, given)}) for port in getattr(layer.body, side)
            )
            for side in ("inputs", "outputs")
        }
        changed["body"] = layer.body.model_copy(update=ports)
    return layer.model_copy(update=changed) if changed else layer


def _resized(value: Any, given: Mapping[str, Dimension]) -> Any:
    if isinstance(value, tuple):
        return tuple(_resized(part, given) for part in value)
    return substituted(value, given) if isinstance(value, str) else value
