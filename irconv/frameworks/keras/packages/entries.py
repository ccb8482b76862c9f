"""Layers inside of others as Keras would serialise them: what the tables of variables are written with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Entry: TypeAlias = Mapping[str, Any]


def entry(kind: str, name: str, **settings: Any) -> Entry:
    """A layer as Keras serialises it."""
    return {"class_name": kind, "config": {"name": name, **settings}}


def inside(name: str, parts: Sequence[tuple[str, Entry]], kind: str = "") -> Entry:
    """A layer that only holds others, by their attributes; in a list archives count it by its class, `kind`."""
    return entry(f"parts>{kind or 'Parts'}", name, parts=list(parts))


def dense(name: str, **settings: Any) -> Entry:
    """A Dense layer, with a bias unless said."""
    return entry("Dense", name, **{"use_bias": True, **settings})


def norm(name: str, config: Mapping[str, Any]) -> Entry:
    """A LayerNormalization over the last axis, its epsilon that of the layer it is in."""
    return entry("LayerNormalization", name, axis=-1, epsilon=config["layer_norm_epsilon"], scale=True, center=True)


def attention(name: str, config: Mapping[str, Any], **settings: Any) -> Entry:
    """Keras' MultiHeadAttention with the heads and the dropout of the layer it is in."""
    said = {"num_heads": config["num_heads"], "use_bias": True, "dropout": config.get("dropout", 0.0)}
    return entry("MultiHeadAttention", name, **said, **settings)
