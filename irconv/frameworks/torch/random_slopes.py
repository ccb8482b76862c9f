"""RReLU: training draws the slope of each element anew, inference takes the mean of all; the IR has the mean alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from irconv.ir.bundle import Bundle
from irconv.ir.layers.activations import LeakyRelu
from irconv.ir.layers.base import Layer
from irconv.ir.manifest import TRAINING, Fact

_KINDS = ("rrelu.", "rrelu_with_noise.", "rrelu_.")


def told(bundle: Bundle) -> Bundle:
    """The bundle with a fact for each layer whose slopes training draws."""
    facts = tuple(_facts(bundle.layers))
    return replace(bundle, source=bundle.source.model_copy(update={"facts": (*bundle.source.facts, *facts)}))


def _facts(layers: Mapping[str, Layer]) -> list[Fact]:
    found = []
    for name, layer in layers.items():
        kind = layer.origin.type if layer.origin is not None else ""
        if isinstance(layer, LeakyRelu) and (kind.endswith(".RReLU") or kind.startswith(_KINDS)):
            what = f"{name}: RReLU(slopes drawn at random around {layer.slope:.7g})"
            found.append(Fact(name=TRAINING, value=what, evidence="of training alone"))
    return found
