"""Pools: Keras layers <-> IR layers."""

from __future__ import annotations

from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.keras.table.rows import EVERY_LAYER, IMAGE, padding_of_rank
from irconv.ir.layers.adaptive_pooling import AdaptiveAveragePool, AdaptiveMaxPool
from irconv.ir.layers.pooling import AveragePool, MaxPool
from irconv.ir.layers.tensor_ops import Pad, Reduce
from irconv.rows import TUPLE, Attribute, Axes, Only, Rank, Selects, through


@dataclass(frozen=True)
class AveragePadding(Row):
    """Padding of an average; ``torch_same`` is a word of `spelling`.

    Keras 3 on PyTorch pads by as much as on TensorFlow. What it pads is not counted where it is as much on both sides
    of every axis; else every axis repeats its ends, which are counted (``keras/src/backend/torch/nn.py``).
    """

    spatial: int

    def decode(self, native: Workpiece, draft: Draft) -> None:
        word = native.config.pop("padding")
        if word != "torch_same":
            draft.fields["padding"] = through(draft, "padding", padding_of_rank(self.spatial).decode, word)
            return
        last = native.config["data_format"] == "channels_last"
        sizes = draft.given[0].shape[1:-1] if last else draft.given[0].shape[2:]
        windows = zip(sizes, native.config["pool_size"], _steps(native), strict=True)
        pads = [self._pads(*window, draft) for window in windows]
        if all(before == after for before, after in pads):
            draft.fields["padding"] = tuple(pads)
            return
        around = [(0, 0), *pads, (0, 0)] if last else [(0, 0), (0, 0), *pads]
        draft.before["x"] = (Pad(pads=tuple(around), mode="edge", value=None),)
        draft.fields["padding"] = ((0, 0),) * self.spatial

    def encode(self, draft: Draft, native: Workpiece) -> None:
        padding = draft.fields.pop("padding")
        native.config["padding"] = through(draft, "padding", padding_of_rank(self.spatial).encode, padding)

    def _pads(self, size: Any, window: int, step: int, draft: Draft) -> tuple[int, int]:
        if step == 1:
            total = window - 1
        elif isinstance(size, int):
            total = max(0, (-(-size // step) - 1) * step + window - size)
        else:
            raise draft.refuse("averages an image of unknown size, padded as Keras on PyTorch does")
        return total // 2, total - total // 2


def _steps(native: Workpiece) -> list[int]:
    """The strides, or the window in their place."""
    return list(native.config.get("strides") or native.config["pool_size"])


def _pool(native: str, layer: type[Any], spatial: int, padding: Row, *rows: Row) -> Codec:
    return Codec(
        f"{native}{spatial}D",
        layer,
        EVERY_LAYER,
        Rank((spatial + 2,)),
        padding,
        Attribute("pool_size", "kernel", TUPLE),
        Attribute("strides", "stride", TUPLE),
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
    return Codec(f"{native}{spatial}D", layer, EVERY_LAYER, Rank((spatial + 2,)), size, Axes("data_format", IMAGE))


_RANKS = (1, 2, 3)
_EITHER = (False, True)

CODECS: list[Codec] = [
    *(
        _pool("MaxPooling", MaxPool, n, Attribute("padding", iso=padding_of_rank(n)), Only("dilation", (1,) * n))
        for n in _RANKS
    ),
    *(_pool("AveragePooling", AveragePool, n, AveragePadding(n), Only("count_padding", False)) for n in _RANKS),
    *(_global_pool("GlobalAveragePooling", "mean", spatial, keep) for spatial in _RANKS for keep in _EITHER),
    *(_global_pool("GlobalMaxPooling", "max", spatial, keep) for spatial in _RANKS for keep in _EITHER),
    *(_adaptive("AdaptiveAveragePooling", AdaptiveAveragePool, spatial) for spatial in _RANKS),
    *(_adaptive("AdaptiveMaxPooling", AdaptiveMaxPool, spatial) for spatial in _RANKS),
]
