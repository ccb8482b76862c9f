"""How a Keras layer of any kind is placed: as its family says, or one to one."""

from __future__ import annotations

from collections.abc import Mapping

from irconv.frameworks.keras import composites, masks
from irconv.frameworks.keras.builder import Builder, KerasLayer, Value
from irconv.frameworks.keras.composites import Expansion, operators
from irconv.frameworks.keras.composites.fused import plain
from irconv.frameworks.keras.packages import expansions as packages
from irconv.frameworks.keras.precision import computes_in

#: Keras kind, or class of a package -> how it is placed.
EXPANSIONS: Mapping[str, Expansion] = {**composites.EXPANSIONS, **packages.EXPANSIONS}


def place(builder: Builder, layer: KerasLayer) -> list[tuple[Value, ...]]:
    """Add a layer and its calls; the values that each call makes, in order."""
    usual = operators.place if layer.kind.startswith("ops.") else plain
    outer, builder.compute = builder.compute, computes_in(layer.kind, layer.config, builder.compute)
    made = EXPANSIONS.get(layer.kind, usual)(builder, layer)
    builder.compute = outer
    masks.propagate(builder, layer, made)
    return made
