"""Functions along axes: TensorFlow ops <-> IR layers."""

from __future__ import annotations

from irconv.codec import Codec
from irconv.ir.layers.tensor_ops import Reduce
from irconv.rows import Attribute, Input, LastAxis, Only
from irconv.vocabularies.tensorflow.rows import ALONG_LAST, AxesInput, AxisInput, Types, op


def _reduction(native: str, how: str) -> Codec:
    types = "Tidx=int32" if how in ("any", "all") else "T=x Tidx=int32"
    axes, keepdims = AxesInput("reduction_indices", "axes"), Attribute("keep_dims", "keepdims")
    return Codec(native, Reduce, Types(types), Input("x"), axes, keepdims, Only("op", how))


def _extreme(native: str) -> Codec:
    return op(
        native,
        native,
        Input("x"),
        AxisInput("dimension", "axis"),
        Only("keepdims", False),
        Only("ties", "first"),
        types="T=x Tidx=int32 output_type=int64",
    )


CODECS: list[Codec] = [
    _reduction("Mean", "mean"),
    _reduction("Sum", "sum"),
    _reduction("Max", "max"),
    _reduction("Min", "min"),
    _reduction("Prod", "prod"),
    _reduction("Any", "any"),
    _reduction("All", "all"),
    _reduction("EuclideanNorm", "l2"),
    op("Softmax", "Softmax", ALONG_LAST, Input("x"), LastAxis()),
    op("LogSoftmax", "LogSoftmax", ALONG_LAST, Input("x"), LastAxis()),
    _extreme("ArgMax"),
    _extreme("ArgMin"),
    op(
        "Cumprod",
        "CumProd",
        Input("x"),
        AxisInput("axis", "axis"),
        Attribute("exclusive"),
        Attribute("reverse"),
        types="T=x Tidx=int32",
    ),
    op(
        "Cumsum",
        "CumSum",
        Input("x"),
        AxisInput("axis", "axis"),
        Attribute("exclusive"),
        Attribute("reverse"),
        types="T=x Tidx=int32",
    ),
]
