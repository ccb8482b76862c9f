"""Attention, quantisation, transforms and the like <-> IR layers."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.codec import Codec
from irconv.frameworks.torch.table.rows import Taken, When, Written, attributes
from irconv.ir.layers.attention import ScaledDotProductAttention
from irconv.ir.layers.base import ValueType
from irconv.ir.layers.plain_norms import LocalResponseNorm, UnitNorm
from irconv.ir.layers.quantisation import (
    DequantizeLinear,
    DynamicQuantizeLinear,
    QuantizeLinear,
)
from irconv.ir.layers.signal import DFT, STFT
from irconv.rows import Attribute, Input, Only, OptionalAttribute, Output, Weight


def _attends(layer: ScaledDotProductAttention, given: Mapping[str, ValueType]) -> bool:
    """PyTorch's function adds no soft cap, and takes a causal mask or one of its own, of bools. Since 2.5 a query with
    every key masked gets zeros, before it got NaN: only where the mask leaves none of them is there no difference."""
    heads = given["query"].shape[1] == given["key"].shape[1]
    return layer.softcap is None and "mask" not in given and layer.causal in ("none", "first") and heads


def _adds(_: ScaledDotProductAttention, given: Mapping[str, ValueType]) -> bool:
    """A mask of numbers is added to the scores; of numbers that leave a key out by being large, not infinite, every
    version makes the same."""
    mask, heads = given.get("mask"), given["query"].shape[1] == given["key"].shape[1]
    return heads and mask is not None and mask.dtype == given["query"].dtype


_OPERANDS = (
    Weight("scale", "scale", "*q", positional=True),
    Weight("zero_point", "zero_point", "*q", positional=True),
)

SIGNALS: list[Codec] = [
    Codec(
        "F.scaled_dot_product_attention",
        ScaledDotProductAttention,
        When(_attends),
        Input("query"),
        Input("key"),
        Input("value"),
        Written("is_causal", lambda draft: draft.fields["causal"] != "none"),
        Attribute("scale"),
        Taken(("causal", "softcap", "fully_masked")),
    ),
    Codec(
        "F.scaled_dot_product_attention",
        ScaledDotProductAttention,
        When(_adds),
        Input("query"),
        Input("key"),
        Input("value"),
        Input("mask"),
        Only("causal", "none"),
        Only("softcap", None),
        Only("fully_masked", "average"),
        Attribute("scale"),
    ),
    Codec(
        "F.local_response_norm",
        LocalResponseNorm,
        When(lambda layer, given: layer.before - layer.after in (0, 1) and len(given["x"].shape) > 2),
        Only("alpha_of", "window"),
        Written("size", lambda draft: draft.fields["before"] + draft.fields["after"] + 1),
        *attributes("alpha", "beta", "k"),
        Taken(("before", "after")),
    ),
    Codec(
        "F.normalize",
        UnitNorm,
        When(lambda layer, _: len(layer.axes) == 1),
        Only("least", "norm"),
        Written("p", lambda draft: float(draft.fields["order"])),
        Written("dim", lambda draft: draft.fields["axes"][0]),
        Attribute("eps", "epsilon"),
        Taken(("order", "axes")),
    ),
    Codec("quantize", QuantizeLinear, Input("x"), *_OPERANDS, OptionalAttribute("axis", "axis"), Attribute("rounds")),
    Codec(
        "dequantize",
        DequantizeLinear,
        Input("x"),
        *_OPERANDS,
        OptionalAttribute("axis", "axis"),
    ),
    Codec("dynamic_quantize", DynamicQuantizeLinear, Input("x"), Output("y"), Output("scale"), Output("zero_point")),
    Codec("dft", DFT, *attributes("dim=axis", "inverse", "onesided", "length")),
    Codec("stft", STFT, Input("x"), Weight("window", "window", "w", positional=True), Attribute("hop")),
]
