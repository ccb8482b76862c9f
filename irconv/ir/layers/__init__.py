"""Layer classes by family, found through one table of type -> module: start-up imports only what a model has."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from irconv.ir.layers.base import Layer

_FAMILIES = {
    "activations": "Relu LeakyRelu ThresholdedRelu GeneralRelu Clip Elu Selu Sigmoid HardSigmoid Tanh Softplus "
    "Softsign Exp Silu Gelu Softmax",
    "control": "Scan Opaque",
    "convolution": "Conv Linear",
    "normalisation": "BatchNorm Dropout",
    "pooling": "MaxPool AveragePool",
    "tensor_ops": "Identity Constant Add Mul Concat Pad SamePad Reduce Flatten Reshape Transpose",
}

#: Layer type -> the module of this package that defines it.
MODULES = {name: module for module, names in _FAMILIES.items() for name in names.split()}


@cache
def layer_class(name: str) -> type[Layer]:
    """The class of a layer type. Raises `KeyError` for an unknown one."""
    found: type[Layer] = getattr(import_module(f"irconv.ir.layers.{MODULES[name]}"), name)
    return found


def parse_layer(data: Any) -> Layer:
    """A layer from its manifest entry. Raises `ValueError` (pydantic's, with the path) where it does not fit."""
    if isinstance(data, Layer):
        return data
    name = data.get("type") if isinstance(data, dict) else None
    if name not in MODULES:
        raise ValueError(f"unknown layer type {name!r}")
    return layer_class(name).model_validate(data)
