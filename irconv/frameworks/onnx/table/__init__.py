"""ONNX ops <-> IR layers, one module a family. Rows of inputs stand in the op's order.

`lower` has run: composites ONNX lacks are decomposed, paddings are numbers where sizes are known, BatchNorm has all its
operands, a biased Linear of rank 3 or more is a product and a sum.
"""

from __future__ import annotations

from irconv.families import FamilyTable

_FAMILIES = (
    *("activations", "arithmetic", "comparisons", "control", "convolution", "elementwise", "indexing", "matrix"),
    *("normalisation", "patches", "pooling", "quantisation", "recurrent", "resampling", "selection"),
    *("shape_ops", "signal", "tensor_ops"),
)

TABLE = FamilyTable("ONNX", __name__, [f"{family}.CODECS" for family in _FAMILIES])
"""Every ONNX op irconv writes."""
