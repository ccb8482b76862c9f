"""Keras layers <-> IR layers, one module a family.

`normalise` has run: activations are layers of their own, composite layers are their parts, settings of all versions are
those of the newest Keras 2, numbers in calls are ``constant`` layers.
"""

from __future__ import annotations

from functools import cache

from irconv.codec import Codec
from irconv.families import FamilyTable

_LAYERS = (
    *("activations", "convolution", "normalisation", "pooling", "resampling", "tensor_ops"),
    *("attention", "embedding", "identity", "preprocessing", "recurrent", "steps"),
    *("ops_elementwise", "ops_reductions", "ops_shapes", "ops_products", "ops_windows", "ops_sizes"),
)
OF_SIZES = ("ops.Shape", "ops.Arange")
"""What makes numbers of sizes."""

_READ = ("activations.READ", "steps.READ", "ops_windows.READ", "ops_elementwise.READ")
"""What is read and never written."""

TABLE = FamilyTable("Keras", __name__, [*(f"{family}.CODECS" for family in _LAYERS), *_READ])
"""Every Keras layer irconv reads, one codec each; several where a setting decides what it is."""


@cache
def written_codecs() -> tuple[Codec, ...]:
    """The same and the spellings that only the way out needs, layers before operators; imports every family."""
    from irconv.frameworks.keras.table import activations, ops_elementwise, ops_sizes, ops_windows, steps, written

    reads = (steps.READ, ops_windows.READ, ops_elementwise.READ, activations.READ)
    only_read = {id(codec) for codec in (*ops_sizes.CODECS, *(codec for read in reads for codec in read))}
    writable = [codec for codec in TABLE.codecs if id(codec) not in only_read]
    layers = [codec for codec in writable if not codec.native.startswith("ops.")]
    operators = [codec for codec in writable if codec.native.startswith("ops.")]
    return (*layers, *written.LAYERS, *operators, *written.OPERATORS)


__all__ = ["OF_SIZES", "TABLE", "written_codecs"]
