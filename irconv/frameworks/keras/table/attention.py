"""Attention: Keras layers <-> IR layers.

Masks have become one input, the last. ``causal`` and ``fully_masked`` are words of `composites.attention`: they say
what the calls of the layer ask for, and what a query gets that may attend to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

from irconv.codec import Codec, Draft, Row, Workpiece
from irconv.data_classes import dataclass
from irconv.frameworks.keras.table.rows import EVERY_LAYER, KERNEL_TRAINING
from irconv.ir.layers.attention import (
    AdditiveAttention,
    DotProductAttention,
    GroupedQueryAttention,
    MultiHeadAttention,
)
from irconv.ir.layers.shape_ops import Unsqueeze
from irconv.rows import Attribute, Fixed, Ignored, Input, Iso, Only, Present, Selects, Weight

_CAUSAL = Iso(lambda on: "first" if on else "none", lambda word: {"first": True, "none": False}[word])
_MASKING = (Attribute("causal", "causal", _CAUSAL), Attribute("fully_masked"))
_INPUTS = tuple(Input(slot) for slot in ("query", "key", "value", "mask"))
_SCORED_INPUTS = tuple(Input(slot) for slot in ("query", "value", "key", "mask"))


@dataclass(frozen=True)
class HeadSize(Row):
    """The size of a query's head, from the kernel, and the scale that follows from it: ``1 / sqrt(size)``."""

    native: str
    heads: str

    def decode(self, native: Workpiece, draft: Draft) -> None:
        said, want = native.config.pop(self.native), self._size(draft)
        if said != want:
            raise draft.refuse(f"{self.native} is {said!r}, but the weights say {want}")
        draft.fields["scale"] = 1 / sqrt(want)

    def encode(self, draft: Draft, native: Workpiece) -> None:
        size, scale = self._size(draft, native.config[self.heads]), draft.fields.pop("scale")
        if abs(scale * sqrt(size) - 1) > 1e-6:
            raise draft.refuse(f"can only be written with a scale of 1 / sqrt({size}), got {scale}")
        native.config[self.native] = size

    def _size(self, draft: Draft, heads: int = 0) -> int:
        rows = draft.types["query_kernel"].shape[0]
        assert isinstance(rows, int), "kernels have known sizes"
        return rows // (heads or draft.fields["heads"])


def _heads(setting: str) -> Any:
    """The number of heads, where it is known: when reading, the kernel's shape has it."""

    def sizes(config: Mapping[str, Any]) -> dict[str, int]:
        return {"heads": config[setting]} if setting in config else {}

    return sizes


def _projections(query_heads: str, other_heads: str) -> tuple[Row, ...]:
    """The kernels (in, heads, head size) and biases of query, key and value, and those of the output."""
    rows: list[Row] = []
    for part, setting in (("query", query_heads), ("key", other_heads), ("value", other_heads)):
        size = "value_dim" if part == "value" else "head_dim"
        known = _heads(setting)
        rows.append(Weight(f"{part}_dense/kernel", f"{part}_kernel", f"{part} heads {size}", sizes=known))
        rows.append(Weight(f"{part}_dense/bias", f"{part}_bias", f"heads {size}", sizes=known))
    known = _heads(query_heads)
    rows.append(Weight("output_dense/kernel", "output_kernel", "heads value_dim out", sizes=known))
    rows.append(Weight("output_dense/bias", "output_bias", "out"))
    return tuple(rows)


@dataclass(frozen=True)
class ValueSize(Row):
    """The size of a value's head, and of the output, which Keras leaves out where it is the query's."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        said, shape = native.config.pop("value_dim"), native.config.pop("output_shape")
        rows = draft.types["value_kernel"].shape[0]
        if said is not None and said * draft.fields["heads"] != rows:
            raise draft.refuse(f"value_dim is {said!r}, but the weights have {rows} values for all heads")
        if shape is not None and list(shape) != [draft.types["output_kernel"].shape[0]]:
            raise draft.refuse(f"expected output_shape to be one size, got {shape!r}")

    def encode(self, draft: Draft, native: Workpiece) -> None:
        rows, heads = draft.types["value_kernel"].shape[0], native.config["num_heads"]
        assert isinstance(rows, int), "kernels have known sizes"
        native.config["value_dim"] = rows // heads
        out = draft.types["output_kernel"].shape[0]
        native.config["output_shape"] = None if out == draft.types["query_kernel"].shape[1] else [out]


@dataclass(frozen=True)
class MaskRank(Row):
    """A mask (n, t, s) becomes (n, 1, t, s); one of two axes, or with an axis for the heads, fits as it is."""

    def decode(self, native: Workpiece, draft: Draft) -> None:
        draft.fields["axes"] = (1,) if draft.ranks[0] == 3 else ()

    def encode(self, draft: Draft, native: Workpiece) -> None:
        if (axes := draft.fields.pop("axes")) not in ((1,), ()):
            raise draft.refuse(f"is no mask of attention: it puts in axes {axes}")


_MULTI_HEAD = (
    EVERY_LAYER,
    KERNEL_TRAINING,
    Ignored("dropout seed flash_attention attention_axes query_shape key_shape value_shape"),
    *_MASKING,
    Fixed("sliding_window", None),
    Fixed("use_gate", False),
    Only("softcap", None),
)

_SCORED = (EVERY_LAYER, Ignored("dropout seed"), *_MASKING)

CODECS: list[Codec] = [
    Codec(
        "MultiHeadAttention",
        MultiHeadAttention,
        *_INPUTS,
        *_MULTI_HEAD,
        Attribute("num_heads", "heads"),
        *_projections("num_heads", "num_heads"),
        HeadSize("key_dim", "num_heads"),
        ValueSize(),
        Present("use_bias", "query_bias"),
    ),
    Codec(
        "GroupedQueryAttention",
        GroupedQueryAttention,
        *_INPUTS,
        *_MULTI_HEAD,
        Attribute("num_query_heads", "heads"),
        Attribute("num_key_value_heads", "key_value_heads"),
        *_projections("num_query_heads", "num_key_value_heads"),
        HeadSize("head_dim", "num_query_heads"),
        Present("use_bias", "query_bias"),
    ),
    Codec(
        "Attention",
        DotProductAttention,
        *_SCORED_INPUTS,
        *_SCORED,
        Selects("score_mode", "dot"),
        Weight("scale", "scale", "*a"),
        Present("use_scale", "scale"),
    ),
    Codec(
        "Attention",
        AdditiveAttention,
        *_SCORED_INPUTS,
        *_SCORED,
        Selects("score_mode", "concat"),
        Weight("scale", "inner_scale", "*a"),
        Weight("concat_score_weight", "scale", "*a"),
        Present("use_scale", "inner_scale"),
    ),
    Codec(
        "AdditiveAttention",
        AdditiveAttention,
        *_SCORED_INPUTS,
        *_SCORED,
        Weight("scale", "scale", "*a"),
        Present("use_scale", "scale"),
    ),
    Codec("attention_mask", Unsqueeze, MaskRank()),
]
