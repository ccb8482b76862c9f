"""What PyTorch's modules cannot say as it stands, in IR they can say."""

from __future__ import annotations

from irconv.frameworks.torch.table import TABLE
from irconv.ir.bundle import Bundle
from irconv.ir.layers.normalisation import BatchNorm, LayerNorm
from irconv.passes import decompose, fill_operands, padding


def lower(bundle: Bundle) -> Bundle:
    """The same function with symmetric padding, and normalisations that have all of their vectors or none."""
    bundle = decompose.run(bundle, TABLE.has)
    bundle = padding.run(bundle, symmetric=True)
    half = [
        name
        for name, layer in bundle.layers.items()
        if isinstance(layer, BatchNorm | LayerNorm) and ("gamma" in layer.operands) != ("beta" in layer.operands)
    ]
    return fill_operands.run(bundle, {"BatchNorm": ("gamma", "beta"), "LayerNorm": ("gamma", "beta")}, only=half)
