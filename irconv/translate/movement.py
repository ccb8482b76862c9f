"""Tensors of a file seen through layers that only move bytes, as the steps that `irconv.layout` takes."""

from __future__ import annotations

from math import prod

from irconv.codec import NativeWeight
from irconv.ir.layers.base import Layer
from irconv.ir.layers.shape_ops import Squeeze, Unsqueeze
from irconv.ir.layers.tensor_ops import Flatten, Identity, Reshape, Transpose
from irconv.ir.manifest import LayoutStep
from irconv.ir.shapes import Shape, static
from irconv.layout import common_atoms


def moved(weight: NativeWeight, layer: Layer, shape: Shape) -> NativeWeight | None:
    """The tensor after a layer that gives it `shape`, where that only moves bytes; None for any other layer.

    A Reshape counts where it splits and joins axes; one that cuts across them does not.
    """
    if isinstance(layer, Identity):
        return weight
    if isinstance(layer, Transpose):
        words = [f"a{i}" for i in range(len(layer.permutation))]
        turned = " ".join(words[axis] for axis in layer.permutation)
        return weight.moved(LayoutStep(source=" ".join(words), target=turned, orders={}, sizes={}))
    if isinstance(layer, Reshape | Flatten | Squeeze | Unsqueeze):
        step = _reshaped(weight.data.shape, static(shape))
        return None if step is None else weight.moved(step)
    return None


def _reshaped(before: tuple[int, ...], after: tuple[int, ...] | None) -> LayoutStep | None:
    """The step that splits and joins axes; None where they cut across each other.

    >>> _reshaped((6, 4), (2, 3, 1, 4)).source, _reshaped((6, 4), (2, 3, 1, 4)).target
    ('(a0 a1 u0) a2', 'a0 a1 u0 a2')
    """
    pieces = None if after is None or prod(before) != prod(after) else common_atoms(before, after)
    if pieces is None:
        return None
    sizes: dict[str, int] = {}
    left, right = (_named(side, sizes) for side in pieces)
    units = 0
    for here, there in zip(_units(left), _units(right), strict=False):
        here.append(f"u{units}")
        there.append(f"u{units}")
        units += 1
    for side, other in ((left, right), (right, left)):
        for group in _units(side):
            host = next((found for found in other if found), None)
            if host is None:
                return None
            group.append(f"u{units}")
            host.append(f"u{units}")
            units += 1
    sizes |= {f"u{i}": 1 for i in range(units)}
    return LayoutStep(source=_text(left), target=_text(right), orders={}, sizes=sizes)


def _named(side: list[list[int]], sizes: dict[str, int]) -> list[list[str]]:
    """A word for each atom of each axis, counted over the whole side; axes of length 1 have none yet."""
    count, groups = 0, []
    for axis in side:
        words = [f"a{count + i}" for i in range(len(axis))]
        sizes |= dict(zip(words, axis, strict=True))
        count += len(axis)
        groups.append(words)
    return groups


def _units(side: list[list[str]]) -> list[list[str]]:
    return [group for group in side if not group]


def _text(side: list[list[str]]) -> str:
    return " ".join(group[0] if len(group) == 1 else f"({' '.join(group)})" for group in side)
