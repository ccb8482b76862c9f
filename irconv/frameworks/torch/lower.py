"""What PyTorch's modules cannot say as it stands, in IR they can say."""

from __future__ import annotations

from irconv.codec import Table
from irconv.frameworks.torch.lowerings import convolution, recurrent
from irconv.frameworks.torch.table import TABLE
from irconv.frameworks.torch.table.recurrence import MODULES_OF_RECURRENCE
from irconv.ir.bundle import Bundle
from irconv.passes import bodies, decompose, fill_operands, padding, stored_operands, training

_RECURRENT = Table("PyTorch", MODULES_OF_RECURRENCE)
_AFFINE = dict.fromkeys(("BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm"), ("gamma", "beta"))


def lower(bundle: Bundle) -> Bundle:
    """The same function with symmetric padding, normalisations that have all of their vectors or none, and recurrent
    layers in one direction."""
    bundle = training.in_front(stored_operands.run(bundle))
    bundle = bodies.everywhere(bundle, lambda part: recurrent.run(part, _RECURRENT))
    bundle = decompose.run(bundle, TABLE.has)
    bundle = padding.run(bundle, symmetric=True)
    bundle = bodies.everywhere(bundle, convolution.run)
    half = [
        name
        for name, layer in bundle.layers.items()
        if layer.type in _AFFINE and ("gamma" in layer.operands) != ("beta" in layer.operands)
    ]
    return fill_operands.run(bundle, _AFFINE, only=half)
