"""Pools: Keras layers <-> IR layers."""

from __future__ import annotations

from typing import Any

from irconv.codec import Codec, Row
from irconv.frameworks.keras.table.rows import EVERY_LAYER, IMAGE, padding_of_rank
from irconv.ir.layers.adaptive_pooling import AdaptiveAveragePool, AdaptiveMaxPool
from irconv.ir.layers.pooling import AveragePool, MaxPool
from irconv.ir.layers.tensor_ops import Reduce
from irconv.rows import TUPLE, Attribute, Axes, Only, Rank, Selects


def _pool(native: str, layer: type[Any], spatial: int, *rows: Row) -> Codec:
    return Codec(
        f"{native}{spatial}D",
        layer,
        EVERY_LAYER,
        Rank((spatial + 2,)),
        Attribute("pool_size", "kernel", TUPLE),
        Attribute("strides", "stride", TUPLE),
        Attribute("padding", iso=padding_of_rank(spatial)),
        Axes("data_format", IMAGE),
        Only("ceil_mode", False),
        *rows,
    )


def _global_pool(native: str, op: str, spatial: int, keepdims: bool) -> Codec:
    return Codec(
        f"{native}{spatial}D",
        Reduce,
        EVERY_LAYER,
        Rank((spatial + 2,)),
        Selects("keepdims", keepdims),
        Axes("data_format", IMAGE, slot_axes="n c *s", result_axes="n c *s" if keepdims else ""),
        Only("op", op),
        Only("axes", tuple(range(2, spatial + 2))),
        Only("keepdims", keepdims),
    )


def _adaptive(native: str, layer: type[Any], spatial: int) -> Codec:
    size = Attribute("output_size", iso=TUPLE)
    return Codec(f"{native}{spatial}D", layer, EVERY_LAYER, size, Axes("data_format", IMAGE))


_RANKS = (1, 2, 3)
_EITHER = (False, True)

CODECS: list[Codec] = [
    *(_pool("MaxPooling", MaxPool, spatial, Only("dilation", (1,) * spatial)) for spatial in _RANKS),
    *(_pool("AveragePooling", AveragePool, spatial, Only("count_padding", False)) for spatial in _RANKS),
    *(_global_pool("GlobalAveragePooling", "mean", spatial, keep) for spatial in _RANKS for keep in _EITHER),
    *(_global_pool("GlobalMaxPooling", "max", spatial, keep) for spatial in _RANKS for keep in _EITHER),
    *(_adaptive("AdaptiveAveragePooling", AdaptiveAveragePool, spatial) for spatial in _RANKS),
    *(_adaptive("AdaptiveMaxPooling", AdaptiveMaxPool, spatial) for spatial in _RANKS),
]
