"""What PyTorch's modules cannot say as it stands, in IR they can say."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.codec import Table
from irconv.frameworks.torch.lowerings import convolution, last_axis, recurrent
from irconv.frameworks.torch.lowerings.norms import apart, computed_vectors
from irconv.frameworks.torch.lowerings.unsigned import computed_wider, wider
from irconv.frameworks.torch.table import TABLE
from irconv.frameworks.torch.table.recurrence import MODULES_OF_RECURRENCE
from irconv.ir.bundle import Bundle
from irconv.ir.kept import names_of, without_ones
from irconv.ir.layers.base import Decomposition, Layer, ValueType
from irconv.passes import (
    bodies,
    decompose,
    fill_operands,
    padding,
    remove_identity,
    stored_operands,
    training,
)

_RECURRENT = Table("PyTorch", MODULES_OF_RECURRENCE)
_AFFINE = dict.fromkeys(("BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm"), ("gamma", "beta"))


def lower(bundle: Bundle) -> Bundle:
    """The same function with symmetric padding, normalisations that have all of their vectors or none (a LayerNorm
    factors alone), and recurrent layers in one direction; of a network of PyTorch's, Linears where they were."""
    bundle = remove_identity.left_over(training.in_front(stored_operands.run(bundle)))
    if names_of(bundle) is not None:
        bundle = last_axis.run(without_ones(bundle))
    bundle = bodies.everywhere(bundle, lambda part: recurrent.run(part, _RECURRENT))
    bundle = decompose.run(bundle, _has, _split)
    bundle = padding.run(bundle, symmetric=True)
    bundle = bodies.everywhere(bundle, convolution.run)
    half = [
        name
        for name, layer in bundle.layers.items()
        if layer.type in _AFFINE
        and ("gamma" in layer.operands) != ("beta" in layer.operands)
        and not (layer.type == "LayerNorm" and "gamma" in layer.operands)  # it has bias=False
    ]
    return fill_operands.run(bundle, _AFFINE, only=half)


def _has(layer: Layer, given: Mapping[str, ValueType]) -> bool:
    return TABLE.has(layer, given) and not computed_wider(layer, given) and not computed_vectors(layer, given)


def _split(layer: Layer, given: Mapping[str, ValueType]) -> Decomposition | None:
    if computed_vectors(layer, given):
        return apart(layer, given)
    return wider(layer, given) if computed_wider(layer, given) else decompose.by_class(layer, given)
