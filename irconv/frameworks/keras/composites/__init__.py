"""Keras layers that become several native layers, one module a family; all others are placed one to one.

An expansion adds native layers and uses to the builder and returns the values that each call of the layer makes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from irconv.frameworks.keras import models
from irconv.frameworks.keras.builder import Builder, KerasLayer, Value
from irconv.frameworks.keras.composites import (
    activations,
    applications,
    arithmetic,
    attention,
    convolution,
    formulas,
    keras1_layers,
    layers,
    masking,
    quantised,
    recurrent,
    resizing,
    tensorflow_operators,
    wrappers,
)

Expansion: TypeAlias = Callable[[Builder, KerasLayer], list[tuple[Value, ...]]]

_FAMILIES: tuple[Mapping[str, Expansion], ...] = (
    activations.EXPANSIONS,
    applications.EXPANSIONS,
    arithmetic.EXPANSIONS,
    models.EXPANSIONS,
    tensorflow_operators.EXPANSIONS,
    convolution.EXPANSIONS,
    formulas.EXPANSIONS,
    attention.EXPANSIONS,
    keras1_layers.EXPANSIONS,
    layers.EXPANSIONS,
    quantised.EXPANSIONS,
    masking.EXPANSIONS,
    recurrent.EXPANSIONS,
    resizing.EXPANSIONS,
    wrappers.EXPANSIONS,
)

#: Keras kind -> how it is placed.
EXPANSIONS: Mapping[str, Expansion] = {kind: found for family in _FAMILIES for kind, found in family.items()}
