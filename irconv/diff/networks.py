"""A side as `irconv.align` sees it: its graph, or what names and shapes say of weights without one."""

from __future__ import annotations

from irconv.align import Network, Part, network
from irconv.align import Unit as Aligned
from irconv.align.network import CONSTANT, KERNEL, MATRIX, NORM
from irconv.diff.sides import Side, Unit

_MATRIX_ROLES = ("kernel", "table")


def of_side(side: Side, other: Side) -> Network:
    """The network of a side; without its graph where the other has none."""
    if side.has_graph and other.has_graph:
        return network(side.bundle)
    units = sorted((unit for unit in side.units.values() if unit.operands), key=lambda unit: unit.place)
    names = [unit.name for unit in units]
    stored = None if names == sorted(names) else tuple(range(len(names)))
    return Network(tuple(map(_aligned, units)), stored=stored)


def numbers(network: Network) -> dict[str, int]:
    """The number of each unit of a network by its name."""
    return {unit.name: number for number, unit in enumerate(network.units)}


def _aligned(unit: Unit) -> Aligned:
    parts = {role: Part(operand.key, operand.data.shape) for role, operand in unit.operands.items()}
    return Aligned(unit.name, _family(unit), parts)


def _family(unit: Unit) -> str:
    """The family that roles and ranks show."""
    if {"gamma", "mean"} & unit.operands.keys():
        return NORM
    for role in _MATRIX_ROLES:
        if role in unit.operands:
            rank = len(unit.operands[role].data.shape)
            return MATRIX if rank == 2 else KERNEL if rank > 2 else CONSTANT
    return unit.type or CONSTANT
