"""Keras layers <-> IR layers, one module a family.

`normalise` has run: activations are layers of their own, composite layers are their parts, settings of all versions are
those of the newest Keras 2, numbers in calls are ``constant`` layers.
"""

from __future__ import annotations

from irconv.codec import Table
from irconv.frameworks.keras.table import activations, convolution, normalisation, pooling, tensor_ops

_FAMILIES = (activations, convolution, normalisation, pooling, tensor_ops)

TABLE = Table("Keras", [codec for family in _FAMILIES for codec in family.CODECS])
"""Every Keras layer irconv reads, one codec each; several where a setting decides what it is."""

__all__ = ["TABLE"]
