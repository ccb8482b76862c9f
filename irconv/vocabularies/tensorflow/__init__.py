"""The ops of TensorFlow's graphs <-> IR layers, once, both ways."""

from __future__ import annotations

from irconv.codec import Table
from irconv.vocabularies.tensorflow import (
    elementwise,
    images,
    indexing,
    loops,
    products,
    reductions,
    selection,
    shapes,
    windows,
)
from irconv.vocabularies.tensorflow.defaults import DEFAULTS

__all__ = ["DEFAULTS", "TABLE"]

TABLE = Table(
    "TensorFlow",
    [
        *elementwise.CODECS,
        *windows.CODECS,
        *images.CODECS,
        *products.CODECS,
        *reductions.CODECS,
        *shapes.CODECS,
        *indexing.CODECS,
        *selection.CODECS,
        *loops.CODECS,
    ],
)
