"""How a Keras layer of any kind is placed: as its family says, or one to one."""

from __future__ import annotations

from irconv.frameworks.keras import composites, masks
from irconv.frameworks.keras.builder import Builder, KerasLayer, Value
from irconv.frameworks.keras.composites import Expansion, operators
from irconv.frameworks.keras.composites.fused import plain
from irconv.frameworks.keras.precision import computes_in

OF_PACKAGES = ("Lambda", "ReversibleEmbedding")
"""Classes of Keras that are drawn as those of packages are."""


def expansion(kind: str) -> Expansion | None:
    """How a Keras kind or ``package>Class`` is placed; the packages are imported for one of theirs alone."""
    if ">" in kind or kind in OF_PACKAGES:
        from irconv.frameworks.keras.packages.expansions import EXPANSIONS

        return EXPANSIONS.get(kind)
    return composites.EXPANSIONS.get(kind)


def place(builder: Builder, layer: KerasLayer) -> list[tuple[Value, ...]]:
    """Add a layer and its calls; the values that each call makes, in order."""
    usual = operators.place if layer.kind.startswith("ops.") else plain
    outer, builder.compute = builder.compute, computes_in(layer.kind, layer.config, builder.compute)
    made = (expansion(layer.kind) or usual)(builder, layer)
    builder.compute = outer
    masks.propagate(builder, layer, made)
    return made
