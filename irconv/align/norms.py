"""What stands right behind a layer: norms and biases that compute one function with it."""

from __future__ import annotations

from irconv.align.network import NORM, Network


def taker(network: Network, unit: int) -> int | None:
    """The unit that alone takes the value of a unit, with nothing in between; None where there is none, or where either
    is used twice."""
    nodes = network.uses.get(unit, ())
    takers = [taker for node in nodes for taker in network.takers[node]]
    if len(nodes) != 1 or len(takers) != 1 or takers[0][1].exact:
        return None
    found = network.nodes[takers[0][0]].unit
    return found if found is not None and len(network.uses[found]) == 1 else None


def norm_behind(network: Network, unit: int) -> int | None:
    """The norm with running statistics that `taker` finds."""
    norm = taker(network, unit)
    if norm is None or network.units[norm].family != NORM or "mean" not in network.units[norm].parts:
        return None
    return norm
