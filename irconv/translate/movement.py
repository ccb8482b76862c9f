"""Tensors of a file seen through layers that only move bytes, as the steps that `irconv.layout` takes."""

from __future__ import annotations

from irconv.codec import NativeWeight
from irconv.ir.layers.base import Layer
from irconv.ir.layers.tensor_ops import Flatten, Identity, Reshape, Transpose
from irconv.ir.manifest import LayoutStep
from irconv.ir.shapes import Shape, static
from irconv.layout import regrouped


def moved(weight: NativeWeight, layer: Layer, shape: Shape) -> NativeWeight | None:
    """The tensor after a layer that gives it `shape`, where that only moves bytes; None for any other layer.

    A Reshape counts where it splits and joins axes; one that cuts across them does not.
    """
    from irconv.ir.layers.shape_ops import Squeeze, Unsqueeze

    if isinstance(layer, Identity):
        return weight
    if isinstance(layer, Transpose):
        words = [f"a{i}" for i in range(len(layer.permutation))]
        turned = " ".join(words[axis] for axis in layer.permutation)
        return weight.moved(LayoutStep(source=" ".join(words), target=turned, orders={}, sizes={}))
    if isinstance(layer, Reshape | Flatten | Squeeze | Unsqueeze):
        wanted = static(shape)
        step = None if wanted is None else regrouped(weight.data.shape, wanted)
        return (
            None if step is None else weight.moved(LayoutStep(source=step[0], target=step[1], orders={}, sizes=step[2]))
        )
    return None
