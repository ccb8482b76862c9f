"""The layers of the transposes that passes add: one for each permutation, whatever layers of the model are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from irconv.ir.layers.base import Layer
from irconv.ir.layers.tensor_ops import Transpose


def transposing(layers: dict[str, Layer], order: Sequence[int], coming: Mapping[str, Layer] | None = None) -> str:
    """The name of the layer that permutes axes so, which is added to the layers where they have none.

    It is ``transpose_0231``, with underscores behind it where another layer has that name, in the layers or in those
    that are `coming`.
    """
    permutation = tuple(order)
    name = f"transpose_{''.join(map(str, permutation))}"
    while any(not _permutes(known[name], permutation) for known in (layers, coming or {}) if name in known):
        name += "_"
    if name not in layers:
        layers[name] = Transpose(permutation=permutation)
    return name


def _permutes(layer: Layer, permutation: tuple[int, ...]) -> bool:
    return isinstance(layer, Transpose) and layer.permutation == permutation
