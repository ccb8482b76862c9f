"""Settings of ops of the IR in the form in which those of two networks are compared."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.ir.layers.base import Layer
from irconv.ir.layers.resampling import Resize
from irconv.ir.layers.tensor_ops import Reduce

_LABELS = {"mean": "mean", "max": "max"}


def label_of(layer: Layer) -> str | None:
    """The common name of an op that several of the IR's settings tell apart; None for all others."""
    return _LABELS.get(layer.op) if isinstance(layer, Reduce) else None


def plain(layer: Layer, rank: int | None) -> Mapping[str, object]:
    """The settings of a layer: activations as their types with settings, an axis counted from the front."""
    found = {name: _plain(value) for name, value in layer.settings().items()}
    if isinstance(layer, Resize) and layer.scales is None:  # it says sizes, and how many those are is not known before
        del found["scales"]
    axis = found.get("axis")
    if isinstance(axis, int) and axis < 0:
        if rank is None:
            del found["axis"]
        else:
            found["axis"] = axis + rank
    return found


def _plain(value: object) -> object:
    return {"type": value.type, **value.settings()} if isinstance(value, Layer) else value
