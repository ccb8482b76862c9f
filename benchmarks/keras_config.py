"""What the configuration of a Keras model says of it."""

from __future__ import annotations

from typing import Any


def transposing(config: Any) -> int:
    """How often a Keras model calls layers that transpose."""
    if isinstance(config, list):
        return sum(map(transposing, config))
    if not isinstance(config, dict):
        return 0
    if config.get("class_name") in ("Permute", "Transpose", "Moveaxis", "Swapaxes"):
        return len(config.get("inbound_nodes") or "1")
    return sum(map(transposing, config.values()))
