"""Attention layers on the way out: what they take by name, and what their calls ask for."""

from __future__ import annotations

from collections.abc import Callable

from irconv.frameworks.keras.builder import Value
from irconv.frameworks.keras.outlined import Argument, Call, Outlined

_WITH_HEADS = ("MultiHeadAttention", "GroupedQueryAttention")
KINDS = frozenset((*_WITH_HEADS, "Attention", "AdditiveAttention"))


def call(
    layer: Outlined,
    given: list[Argument],
    outputs: tuple[Value, ...],
    scope: str,
    narrow: Callable[[Value], Value],
) -> Call:
    """One call, on what the tables give: query, key, value and a mask, or without heads query, value, key and a mask.

    ``causal`` becomes a wish of the call. What a query gets that may attend to nothing does not matter where there is
    no mask; where there is one, the setting stays for `irconv.frameworks.keras.training`. `narrow` gives the mask
    without its axis of queries, as layers without heads take it.
    """
    causal = layer.config.pop("causal", False)
    if len(given) < 4:
        layer.config.pop("fully_masked", None)
    keywords: dict[str, Argument] = {"use_causal_mask": True} if causal else {}
    if layer.kind not in _WITH_HEADS:
        if len(given) > 3:
            keywords["mask"] = [None, narrow(given[3])]
        return Call([given[:3]], outputs, keywords, scope)
    query, key, value = given[:3]
    if len(given) > 3:
        keywords["attention_mask"] = given[3]
    return Call([query], outputs, {"value": value, "key": key, **keywords}, scope)
