"""Normalisations whose vectors the graph computes: PyTorch's modules store theirs, so these are apart."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.ir.layers.arithmetic import Div, Sub
from irconv.ir.layers.base import Decomposition, Layer, ValueType
from irconv.ir.layers.elementwise import Sqrt
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.normalisation import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, affine
from irconv.ir.layers.tensor_ops import Add

_NORMS = (BatchNorm, GroupNorm, InstanceNorm, LayerNorm)


def computed_vectors(layer: Layer, given: Mapping[str, ValueType]) -> bool:
    """Whether a vector of a normalisation is computed."""
    return isinstance(layer, _NORMS) and any(role in given and role not in layer.operands for role in layer.PARAMETERS)


def apart(layer: Layer, given: Mapping[str, ValueType]) -> Decomposition | None:
    """The normalisation alone, and behind it the factors and what is added; of a `BatchNorm` its arithmetic."""
    f, rank = Formula(layer, given), len(given["x"].shape)
    if isinstance(layer, BatchNorm):
        if "variance" not in given:
            return layer.decompose(given)
        spread = f(Sqrt(), f(Add(), f.along("variance", (1,), rank), f.number(layer.epsilon)))
        value = f(Div(), f(Sub(), "x", f.along("mean", (1,), rank)), spread)
    else:
        value = f(layer.model_copy(update={"operands": {}, "origin": None}), "x")
    return affine(f, given, value, layer.axes if isinstance(layer, LayerNorm) else (1,), rank)
