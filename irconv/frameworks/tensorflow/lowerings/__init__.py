"""What layers are made of in TensorFlow, where the vocabulary has none for them and their class says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from irconv.frameworks.tensorflow.lowerings import formulas, heads, indexing, windows
from irconv.ir.layers.base import Decomposition, Layer, ValueType

Split: TypeAlias = Callable[[Any, Mapping[str, ValueType]], "Decomposition | None"]

SPLITS: Mapping[str, Split] = {**formulas.SPLITS, **windows.SPLITS, **indexing.SPLITS, **heads.SPLITS}
"""Type of a layer -> what it is made of; None where its class knows."""
LATE: Mapping[str, Split] = {**formulas.LATE, **indexing.LATE}
"""The same for layers whose axes the choice of layout moves: they are taken apart after it."""


def split(layer: Layer, given: Mapping[str, ValueType]) -> Decomposition | None:
    """What a layer is made of."""
    rule = SPLITS.get(layer.type)
    found = rule(layer, given) if rule is not None else None
    return layer.decompose(given) if found is None else found


def split_late(layer: Layer, given: Mapping[str, ValueType]) -> Decomposition | None:
    """What a layer is made of, once its axes are those it has in the file."""
    rule = LATE.get(layer.type)
    return rule(layer, given) if rule is not None else split(layer, given)
