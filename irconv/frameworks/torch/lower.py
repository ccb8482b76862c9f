"""What PyTorch's modules cannot say as it stands, in IR they can say."""

from __future__ import annotations

from irconv.frameworks.torch.table import TABLE
from irconv.ir.bundle import Bundle
from irconv.ir.layers.normalisation import BatchNorm
from irconv.passes import decompose, fill_operands, padding

_SUPPORTED = {codec.layer.__name__ for codec in TABLE.codecs}


def lower(bundle: Bundle) -> Bundle:
    """The same function with symmetric padding, and BatchNorms that are affine or not."""
    bundle = decompose.run(bundle, _SUPPORTED)
    bundle = padding.run(bundle, symmetric=True)
    half = [
        name
        for name, layer in bundle.layers.items()
        if isinstance(layer, BatchNorm) and ("gamma" in layer.operands) != ("beta" in layer.operands)
    ]
    return fill_operands.run(bundle, {"BatchNorm": ("gamma", "beta")}, only=half)
