"""Weights that a graph holds in constants and casts before a layer takes them: mixed precision, written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from irconv.data_classes import dataclass
from irconv.ir.bundle import Bundle
from irconv.ir.layers.base import StoredOperand


@dataclass(frozen=True)
class Holders:
    """What the constants and casts of a graph hold."""

    computed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Layer -> role -> the tensor that a constant holds for it."""
    glue: frozenset[str] = frozenset()
    """The constants and casts that do nothing else."""


@dataclass(frozen=True)
class _Held:
    """A value that is a tensor, perhaps in another type."""

    tensor: str
    layers: tuple[str, ...]
    values: tuple[str, ...]


def holders(bundle: Bundle) -> Holders:
    """The operands that are constants behind casts, by the layers that take them."""
    if bundle.graph is None:
        return Holders()
    held: dict[str, _Held] = {}
    computed: dict[str, dict[str, str]] = {}
    taken: list[str] = []
    otherwise = {port.value for port in bundle.graph.outputs}
    for node in bundle.graph.nodes:
        layer, made = bundle.layers[node.layer], next(iter(node.outputs.values()), "")
        constant = layer.operands.get("value") if layer.type == "Constant" else None
        if isinstance(constant, StoredOperand):
            held[made] = _Held(constant.tensor, (node.layer,), (made,))
            continue
        if layer.type == "Cast" and (before := held.get(node.inputs.get("x", ""))) is not None:
            held[made] = _Held(before.tensor, (*before.layers, node.layer), (*before.values, made))
            continue
        for slot, value in node.inputs.items():
            if value in held and slot in layer.PARAMETERS:
                computed.setdefault(node.layer, {})[slot] = held[value].tensor
                taken.append(value)
            elif value in held:
                otherwise.add(value)
    glue = {name for value in taken if not otherwise & {*held[value].values} for name in held[value].layers}
    return Holders(computed, frozenset(glue))
