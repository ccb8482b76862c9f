"""Transposes that irconv puts between layers: one layer for each order of axes, whatever a model calls its own."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence

from irconv.ir.layers.base import Layer
from irconv.ir.layers.tensor_ops import Transpose


def turning(layers: MutableMapping[str, Layer], order: Sequence[int]) -> str:
    """The name of the layer that puts axes into an order, added where it is not there yet: ``transpose_0231``, or one
    like it where the model has another layer of that name."""
    wanted = Transpose(permutation=tuple(order))
    base = name = f"transpose_{''.join(map(str, order))}"
    number = 1
    while layers.setdefault(name, wanted) != wanted:
        number += 1
        name = f"{base}_{number}"
    return name
