"""Norms right behind a layer, whose scale and shift are part of what the two compute together."""

from __future__ import annotations

from irconv.align.network import NORM, Network


def norm_behind(network: Network, unit: int) -> int | None:
    """The norm with running statistics that alone takes the value of a unit, with nothing in between; None where there
    is none, or where either is used twice."""
    nodes = network.uses.get(unit, ())
    takers = [taker for node in nodes for taker in network.takers[node]]
    if len(nodes) != 1 or len(takers) != 1 or takers[0][1].exact:
        return None
    norm = network.nodes[takers[0][0]].unit
    if norm is None or len(network.uses[norm]) != 1:
        return None
    return norm if network.units[norm].family == NORM and "mean" in network.units[norm].parts else None
