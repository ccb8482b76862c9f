"""Arithmetic of unsigned integers that PyTorch keeps but does not compute with: in int64, and back."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.ir.layers.base import Decomposition, Layer, ValueType
from irconv.ir.layers.comparisons import Cast
from irconv.ir.layers.formula import Formula
from irconv.ir.layers.tensor_ops import Identity

_TYPES = ("uint16", "uint32", "uint64")
_NOT_COMPUTED = frozenset(
    [
        "Add",
        "Sub",
        "Div",
        "FloorDiv",
        "Mod",
        "Pow",
        "Square",
        "Abs",
        "Neg",
        "Sign",
        "Less",
        "LessOrEqual",
        "Greater",
        "GreaterOrEqual",
        "Maximum",
        "Minimum",
        "Clip",
        "BitwiseNot",
    ]
)
"""Of torch 2.13: ``"add_stub" not implemented for 'UInt16'``, and so on."""


def computed_wider(layer: Layer, given: Mapping[str, ValueType]) -> bool:
    """Whether a layer has to be computed in another type than it is given."""
    return layer.type in _NOT_COMPUTED and any(value.dtype in _TYPES for value in given.values())


def wider(layer: Layer, given: Mapping[str, ValueType]) -> Decomposition:
    """The layer in int64, whose lowest bits are those of the result. Raises `ValueError` for numbers of 64 bits."""
    if any(value.dtype == "uint64" for value in given.values()):
        raise ValueError("PyTorch keeps uint64, and computes nothing with it")
    f, made = Formula(layer, given), layer.infer(given)["y"]
    wide = [f(Cast(dtype="int64"), slot) for slot in given]
    result = f(layer.model_copy(update={"origin": None}), *wide)
    return f.ends(Identity() if made.dtype == "bool" else Cast(dtype=made.dtype), result)
