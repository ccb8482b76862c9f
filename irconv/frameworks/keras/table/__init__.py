"""Keras layers <-> IR layers, one module a family.

`normalise` has run: activations are layers of their own, composite layers are their parts, settings of all versions are
those of the newest Keras 2, numbers in calls are ``constant`` layers.
"""

from __future__ import annotations

from irconv.codec import Table
from irconv.frameworks.keras.table import (
    activations,
    attention,
    convolution,
    embedding,
    identity,
    normalisation,
    ops_elementwise,
    ops_products,
    ops_reductions,
    ops_shapes,
    ops_sizes,
    ops_windows,
    pooling,
    preprocessing,
    recurrent,
    resampling,
    steps,
    tensor_ops,
    written,
)

_FAMILIES = (
    *(activations, convolution, normalisation, pooling, resampling, tensor_ops),
    *(attention, embedding, identity, preprocessing, recurrent, steps),
    *(ops_elementwise, ops_reductions, ops_shapes, ops_products, ops_windows, ops_sizes),
)

_READ = (steps.WORKED_OUT, ops_windows.CONV, ops_elementwise.SIMPLEX)

TABLE = Table("Keras", [*(codec for family in _FAMILIES for codec in family.CODECS), *_READ])
"""Every Keras layer irconv reads, one codec each; several where a setting decides what it is."""

_WRITABLE = [codec for codec in TABLE.codecs if codec not in (*ops_sizes.CODECS, *_READ)]

WRITTEN = [
    *(codec for codec in _WRITABLE if not codec.native.startswith("ops.")),
    *written.LAYERS,
    *(codec for codec in _WRITABLE if codec.native.startswith("ops.")),
    *written.OPERATORS,
]
"""The same and the spellings that only the way out needs, layers before operators."""

__all__ = ["TABLE", "WRITTEN"]
