"""ONNX ops <-> IR layers, one module a family. Rows of inputs stand in the op's order.

`lower` has run: composites ONNX lacks are decomposed, paddings are numbers where sizes are known, BatchNorm has all its
operands, a biased Linear of rank 3 or more is a product and a sum.
"""

from __future__ import annotations

from irconv.codec import Table
from irconv.frameworks.onnx.table import (
    activations,
    arithmetic,
    comparisons,
    control,
    convolution,
    elementwise,
    indexing,
    matrix,
    normalisation,
    patches,
    pooling,
    quantisation,
    recurrent,
    resampling,
    selection,
    shape_ops,
    signal,
    tensor_ops,
)
from irconv.frameworks.onnx.table.rows import LOWEST_OPSET

_FAMILIES = (
    activations,
    arithmetic,
    comparisons,
    control,
    convolution,
    elementwise,
    indexing,
    matrix,
    normalisation,
    patches,
    pooling,
    quantisation,
    recurrent,
    resampling,
    selection,
    shape_ops,
    signal,
    tensor_ops,
)

TABLE = Table("ONNX", [codec for family in _FAMILIES for codec in family.CODECS])
"""Every ONNX op irconv writes."""

__all__ = ["LOWEST_OPSET", "TABLE"]
